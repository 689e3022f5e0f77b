//! What `shadernet explain` says of a picture.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use shadernet::explain::{Completeness, Explainer, Explanation};

use super::report::{Answer, Report};

/// The evidence in a picture.
#[derive(Serialize)]
pub struct Explained {
    /// Width and height.
    pub size: [u32; 2],
    pub method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    pub seen: [f32; 4],
    pub predictions: Vec<Evidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<String>,
}

/// That for one class.
#[derive(Serialize)]
pub struct Evidence {
    class: usize,
    label: String,
    probability: f32,
    score: f32,
    heat: Heat,
    #[serde(skip_serializing_if = "Option::is_none")]
    completeness: Option<AddedUp>,
}

#[derive(Serialize)]
struct Heat {
    width: usize,
    height: usize,
    min: f32,
    max: f32,
    mean: f64,
    sum: f64,
    /// Where there is heat.
    peak: Option<Place>,
}

/// A pixel of the picture.
#[derive(Serialize)]
pub struct Place {
    pub x: u32,
    pub y: u32,
}

#[derive(Serialize)]
struct AddedUp {
    attributed: f64,
    difference: f64,
    error_percent: f64,
    steps: usize,
}

impl Evidence {
    pub fn new(found: Explanation, explainer: &Explainer, (width, height): (u32, u32)) -> Self {
        let statistics = found.heat.statistics();
        let [x, y] = (found.heat).peak_on_image(explainer.preprocessing(), width, height);
        let heat = Heat {
            width: found.heat.width(),
            height: found.heat.height(),
            min: statistics.min,
            max: statistics.max,
            mean: statistics.mean,
            sum: statistics.sum,
            peak: (statistics.max > 0.0).then_some(Place { x, y }),
        };
        let completeness = found.completeness.map(|added| AddedUp {
            attributed: added.attributed,
            difference: added.difference,
            error_percent: 100.0 * added.error(),
            steps: added.steps,
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

impl Explained {
    /// Says which attributions do not add up.
    pub fn warn(&self, path: &Path, report: &Report) {
        for found in &self.predictions {
            let Some(added) = &found.completeness else {
                continue;
            };
            // What is not a number does not add up either.
            if added.error_percent <= 100.0 * Completeness::TOLERANCE {
                continue;
            }
            report.say(format_args!(
                "{}: {}: the attributions add up to {:.3} rather than {:.3}, {:.1} % off after {} \
                 steps; more --steps come nearer",
                path.display(),
                found.label,
                added.attributed,
                added.difference,
                added.error_percent,
                added.steps
            ));
        }
    }
}

impl Answer for Explained {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.layer {
            Some(layer) => writeln!(out, "  {} at {layer}", self.method)?,
            None => writeln!(out, "  {}", self.method)?,
        }
        for found in &self.predictions {
            let Evidence {
                class, label, heat, ..
            } = found;
            let percent = 100.0 * found.probability;
            let score = found.score;
            write!(
                out,
                "  {percent:6.2} %  {label} ({class}), score {score:.2}: "
            )?;
            match &heat.peak {
                Some(Place { x, y }) => {
                    let mean = 100.0 * heat.mean / f64::from(heat.max);
                    writeln!(out, "peak at {x},{y}, mean {mean:.1} % of it")?;
                }
                None => writeln!(out, "no heat")?,
            }
            if let Some(added) = &found.completeness {
                writeln!(
                    out,
                    "            adds up to {:.3} of {:.3}, {:.2} % off, {} steps",
                    added.attributed, added.difference, added.error_percent, added.steps
                )?;
            }
        }
        Ok(())
    }
}
