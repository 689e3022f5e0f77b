//! What is shown on terminals while work goes on.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use shadernet::bench::Progress;

/// A spinner with the time and a message; nothing where standard error is no terminal.
pub fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A bar for `steps`, with a message; nothing where standard error is no terminal.
pub fn bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}

/// Shows how far kernels have been checked and timed.
pub fn tell(bar: &ProgressBar, at: Progress) {
    bar.set_length(at.of as u64);
    bar.set_position(at.done as u64);
    bar.set_message(format!("{} ({})", at.case, at.kernel));
}
