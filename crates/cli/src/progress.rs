//! What is shown on terminals while work goes on.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use shadernet::session::{self, Loading};
use shadernet_bench::kernels::BenchProgress;

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

/// Shows how far a method of many passes is, from 0 on again for each class.
pub fn passes() -> impl FnMut(usize, usize) + Send {
    let bar = bar(0);
    bar.set_message("passes");
    move |done, all| {
        bar.set_length(all as u64);
        match done < all {
            true => bar.set_position(done as u64),
            false => {
                bar.finish_and_clear();
                bar.reset();
            }
        }
    }
}

/// Shows how far kernels have been checked and timed.
pub fn tell(bar: &ProgressBar, at: BenchProgress) {
    bar.set_length(at.total as u64);
    bar.set_position(at.completed as u64);
    bar.set_message(format!("{} ({})", at.case, at.kernel));
}

/// Shows how far the making of sessions is, one after another.
pub fn loading() -> session::LoadProgress {
    let bar = ProgressBar::new_spinner();
    // Both are told of at once, from several threads.
    let known: Mutex<[Option<(u64, u64)>; 2]> = Mutex::default();
    session::LoadProgress::new(move |loading| {
        let Ok(mut known) = known.lock() else { return };
        match loading {
            Loading::Pipelines { completed, total } => {
                known[0] = Some((completed as u64, total as u64))
            }
            Loading::Weights { completed, total } => known[1] = Some((completed, total)),
            _ => return,
        }
        let pipelines = known[0].map(|(done, all)| format!("kernels compiled: {done} of {all}"));
        let percent = |(done, all): (u64, u64)| 100 * done / all.max(1);
        let weights = known[1].map(|weights| format!("weights: {} %", percent(weights)));
        let parts: Vec<String> = [pipelines, weights].into_iter().flatten().collect();
        bar.set_message(parts.join(", "));
        bar.tick();
        if known.iter().flatten().all(|(done, all)| done == all) {
            bar.finish_and_clear();
            *known = Default::default();
            bar.reset();
        }
    })
}
