//! Progress bars. Nothing is shown if standard error is not a terminal, or with `--quiet`.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shadernet::printable;
use shadernet::session::{self, Loading};
use shadernet_bench::kernels::BenchProgress;

use super::output;

/// Hides `bar` where nothing but results and errors is printed.
pub fn shown(bar: ProgressBar) -> ProgressBar {
    if output::is_quiet() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// A spinner with the elapsed time and a message.
pub fn spinner() -> ProgressBar {
    let bar = shown(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A bar for `steps` with a message.
pub fn bar(steps: usize) -> ProgressBar {
    let bar = shown(ProgressBar::new(steps as u64));
    if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar
}

/// A bar for bytes that are downloaded, with a message.
pub fn download() -> ProgressBar {
    let bar = shown(ProgressBar::new(0));
    let template = "{bar:20} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Shows the progress of an explanation method with many passes. It restarts for each class.
pub fn passes() -> impl FnMut(usize, usize) -> ControlFlow<()> + Send {
    let bar = bar(0);
    bar.set_message("passes");
    move |completed, total| {
        bar.set_length(total as u64);
        match completed < total {
            true => bar.set_position(completed as u64),
            false => {
                bar.finish_and_clear();
                bar.reset();
            }
        }
        ControlFlow::Continue(())
    }
}

/// Shows the progress of a kernel benchmark.
pub fn show_bench(bar: &ProgressBar, progress: BenchProgress) {
    bar.set_length(progress.total as u64);
    bar.set_position(progress.completed as u64);
    bar.set_message(format!(
        "{} ({})",
        printable::name(progress.case),
        progress.kernel
    ));
}

/// Shows the progress of creating sessions, one after another.
pub fn loading() -> session::LoadProgress {
    let bar = shown(ProgressBar::new_spinner());
    // Pipelines and weights report at the same time, from several threads.
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
        let pipelines =
            known[0].map(|(completed, total)| format!("kernels compiled: {completed} of {total}"));
        let percent = |(completed, total): (u64, u64)| 100 * completed / total.max(1);
        let weights = known[1].map(|weights| format!("weights: {} %", percent(weights)));
        let parts: Vec<String> = [pipelines, weights].into_iter().flatten().collect();
        bar.set_message(parts.join(", "));
        bar.tick();
        let mut parts = known.iter().flatten();
        if parts.all(|(completed, total)| completed == total) {
            bar.finish_and_clear();
            *known = Default::default();
            bar.reset();
        }
    })
}
