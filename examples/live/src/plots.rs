//! Times of frames and passes over the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use eframe::egui::{self, Color32, Rangef};
use egui_plot::{AxisHints, Corner, Legend, Line, Plot, PlotPoints};

/// How far back the plot goes.
const SPAN: Duration = Duration::from_secs(15);

/// Durations with the time at which each ended.
#[derive(Default)]
pub struct History {
    samples: VecDeque<(Instant, Duration)>,
}

impl History {
    /// Adds a duration that ended at `now`, and removes those too old to be shown.
    pub fn push(&mut self, now: Instant, took: Duration) {
        self.samples.push_back((now, took));
        while let Some(&(then, _)) = self.samples.front()
            && now.duration_since(then) > SPAN
        {
            self.samples.pop_front();
        }
    }

    /// The median of the durations shown; one slow frame does not change it.
    pub fn median(&self) -> Option<Duration> {
        let mut all: Vec<Duration> = self.samples.iter().map(|&(_, took)| took).collect();
        let middle = all.len() / 2;
        (!all.is_empty()).then(|| *all.select_nth_unstable(middle).1)
    }

    fn points(&self, now: Instant) -> Vec<[f64; 2]> {
        let point = |&(then, took): &(Instant, Duration)| {
            [
                -now.duration_since(then).as_secs_f64(),
                took.as_secs_f64() * 1e3,
            ]
        };
        self.samples.iter().map(point).collect()
    }
}

/// Draws both histories over time, in milliseconds.
pub fn show(ui: &mut egui::Ui, now: Instant, frames: &History, passes: &History) {
    let name = |what: &str, history: &History| match history.median() {
        Some(median) => format!("{what}: {:.1} ms (median)", median.as_secs_f64() * 1e3),
        None => format!("{what}: none yet"),
    };
    let line = |what: &str, history: &History, color: Color32| {
        Line::new(name(what, history), PlotPoints::from(history.points(now)))
            .id(what)
            .color(color)
    };
    let frames = line("frame time", frames, Color32::from_rgb(110, 170, 250));
    let passes = line("inference time", passes, Color32::from_rgb(250, 180, 80));
    // Closer than by default, since the plot is low.
    let milliseconds = AxisHints::new_y()
        .formatter(|mark, _| format!("{} ms", mark.value))
        .label_spacing(Rangef::new(6.0, 13.0));
    Plot::new("times")
        .legend(Legend::default().position(Corner::LeftTop))
        .include_x(-SPAN.as_secs_f64())
        .include_x(0.0)
        .include_y(0.0)
        .x_axis_formatter(|mark, _| format!("{} s", mark.value))
        .custom_y_axes(vec![milliseconds])
        .allow_drag(false)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_boxed_zoom(false)
        .show(ui, |plot| {
            plot.line(frames);
            plot.line(passes);
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_samples_are_removed_and_the_median_is_the_middle_one() {
        let start = Instant::now();
        let mut history = History::default();
        assert_eq!(history.median(), None);
        history.push(start, Duration::from_secs(9));
        for (i, ms) in [4, 2, 300].into_iter().enumerate() {
            let at = start + SPAN + Duration::from_secs(1 + i as u64);
            history.push(at, Duration::from_millis(ms));
        }
        assert_eq!(history.samples.len(), 3);
        assert_eq!(history.median(), Some(Duration::from_millis(4)));
    }
}
