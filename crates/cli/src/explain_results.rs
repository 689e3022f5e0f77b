//! The output of `shadernet explain` for an image.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use shadernet::explain::{Completeness, Explainer, Explanation};
use shadernet::printable;

use super::report::{ImageResult, Report};

/// The explanations of an image.
#[derive(Serialize)]
pub struct ImageExplanation {
    /// Width and height.
    pub size: [u32; 2],
    pub method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    pub seen: [f32; 4],
    pub predictions: Vec<ClassExplanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<String>,
}

/// The explanation of one class.
#[derive(Serialize)]
pub struct ClassExplanation {
    class: usize,
    label: String,
    probability: f32,
    score: f32,
    heat: HeatStatistics,
    #[serde(skip_serializing_if = "Option::is_none")]
    completeness: Option<CompletenessCheck>,
}

#[derive(Serialize)]
struct HeatStatistics {
    width: usize,
    height: usize,
    min: f32,
    max: f32,
    mean: f64,
    sum: f64,
    /// `None` if no value is positive.
    peak: Option<Pixel>,
}

/// A pixel of the image.
#[derive(Serialize)]
pub struct Pixel {
    pub x: u32,
    pub y: u32,
}

/// How well the attributions add up to the difference of the scores.
#[derive(Serialize)]
struct CompletenessCheck {
    attributed: f64,
    difference: f64,
    error_percent: f64,
    steps: usize,
}

impl ClassExplanation {
    pub fn new(found: Explanation, explainer: &Explainer, (width, height): (u32, u32)) -> Self {
        let statistics = found.heat.statistics();
        let [x, y] = (found.heat).peak_on_image(explainer.preprocessing(), width, height);
        let heat = HeatStatistics {
            width: found.heat.width(),
            height: found.heat.height(),
            min: statistics.min,
            max: statistics.max,
            mean: statistics.mean,
            sum: statistics.sum,
            peak: (statistics.max > 0.0).then_some(Pixel { x, y }),
        };
        let completeness = found.completeness.map(|check| CompletenessCheck {
            attributed: check.attributed,
            difference: check.difference,
            error_percent: 100.0 * check.error(),
            steps: check.steps,
        });
        Self {
            class: found.class,
            label: found.label,
            probability: found.probability,
            score: found.score,
            heat,
            completeness,
        }
    }
}

impl ImageExplanation {
    /// Warns about attributions that do not add up.
    pub fn warn(&self, path: &Path, report: &Report) {
        for found in &self.predictions {
            let Some(check) = &found.completeness else {
                continue;
            };
            // Written so that NaN is warned about.
            if check.error_percent <= 100.0 * Completeness::TOLERANCE {
                continue;
            }
            report.note(format_args!(
                "{}: {}: the attributions add up to {:.3} instead of {:.3}, {:.1} % off after {} \
                 steps; increase --steps",
                printable::path(path),
                printable::name(&found.label),
                check.attributed,
                check.difference,
                check.error_percent,
                check.steps
            ));
        }
    }
}

impl ImageResult for ImageExplanation {
    const COLUMNS: &'static [&'static str] =
        &["class", "label", "probability", "score", "peak_x", "peak_y"];

    fn rows(&self) -> Vec<Vec<String>> {
        (self.predictions.iter())
            .map(|found| {
                let peak =
                    |of: fn(&Pixel) -> String| found.heat.peak.as_ref().map_or(String::new(), of);
                vec![
                    found.class.to_string(),
                    found.label.clone(),
                    found.probability.to_string(),
                    found.score.to_string(),
                    peak(|peak| peak.x.to_string()),
                    peak(|peak| peak.y.to_string()),
                ]
            })
            .collect()
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.layer {
            Some(layer) => {
                writeln!(out, "  {} at {}", self.method, printable::name(layer))?;
            }
            None => writeln!(out, "  {}", self.method)?,
        }
        for found in &self.predictions {
            let ClassExplanation {
                class, label, heat, ..
            } = found;
            let percent = 100.0 * found.probability;
            let (label, score) = (printable::name(label), found.score);
            write!(
                out,
                "  {percent:6.2} %  {label} ({class}), score {score:.2}: "
            )?;
            match &heat.peak {
                Some(Pixel { x, y }) => {
                    let mean = 100.0 * heat.mean / f64::from(heat.max);
                    writeln!(out, "peak at {x},{y}, mean {mean:.1} % of it")?;
                }
                None => writeln!(out, "no heat")?,
            }
            if let Some(check) = &found.completeness {
                writeln!(
                    out,
                    "            adds up to {:.3} of {:.3}, {:.2} % off, {} steps",
                    check.attributed, check.difference, check.error_percent, check.steps
                )?;
            }
        }
        Ok(())
    }
}
