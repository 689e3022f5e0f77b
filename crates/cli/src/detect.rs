//! `shadernet detect`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use clap::Args;
use serde::Serialize;
use shadernet::Result;
use shadernet::model_folder::{default_detector, find_model};
use shadernet::tasks::{Detection, DetectionOptions, Detector};
use shadernet::tensor::Tensor;
use shadernet::vision::{RgbImage, class_color, decode, draw_box};
use shadernet::zoo::Task;

use super::decode_ahead::{Prepared, ahead_of};
use super::image_paths::sources;
use super::mapped_weights::open_found;
use super::output_files::OutputFiles;
use super::report::{Answer, Report};
use super::{DeviceArgs, Failure, SessionArgs, loading_failure, output};

/// Find things in pictures, and where they are
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet detect photo.jpg -o boxes.png
  shadernet detect --json holiday/ | jq '.detections[] | select(.label == \"dog\")'
  find . -name '*.jpg' | shadernet detect -o drawn/ -

Boxes are left, top, right and bottom in pixels of the picture. A picture that cannot be read is \
reported, the rest go on, and the exit code is 1 at the end.")]
pub struct Detect {
    /// Pictures, folders of pictures, or - for a list of files on standard input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Model folder, or the name of one that `shadernet models` lists [default: yolov3_tiny]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// The score, from 0 to 1, that a box must be above
    #[arg(long, default_value = "0.25", value_name = "SCORE", value_parser = share, allow_negative_numbers = true)]
    threshold: f32,

    /// How much boxes of one class may overlap, from 0 to 1; of those that do more, the surest stays
    #[arg(long, default_value = "0.45", value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    iou: f32,

    /// Draw the boxes on the picture, into a file (.png, .jpg) or, for several, into a folder
    #[arg(short, long, value_name = "OUT.png|DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object a line, as each picture is done
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> Result<f32, String> {
    let number = text.parse().ok();
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// A picture ready for the network.
struct Ready {
    input: Tensor,
    /// Width and height.
    size: (u32, u32),
    /// To be drawn on.
    picture: Option<RgbImage>,
}

impl Detect {
    pub fn execute(&self) -> Result<(), Failure> {
        let sources = sources(&self.images)?;
        // One picture named by itself: a folder with one in it stands for any number.
        let single = sources.known == Some(1) && !self.images.iter().any(|image| image.is_dir());
        let written = match &self.output {
            Some(path) => Some(OutputFiles::new("--output", path, single)?),
            None => None,
        };
        let folder = open_found(&match &self.model {
            Some(model) => find_model(model)?,
            None => default_detector()?,
        })?;
        let device = self.device.open()?;
        let options = self.session.options(&device);
        let detector = Detector::new(&device, &folder, &options)
            .map_err(|error| loading_failure(error, &folder, Task::Detection))?;
        if let Some(notice) = detector.warning() {
            output::say(notice);
        }
        let preprocessing = detector.preprocessing().clone();
        let draws = written.is_some();
        let mut running = Running {
            detector,
            options: DetectionOptions::new()
                .threshold(self.threshold)
                .iou(self.iou),
            written,
            report: Report::new(self.json, sources.known),
        };
        let make = move |path: &Path| {
            let picture = decode(path)?;
            Ok(Ready {
                input: preprocessing.apply(&picture)?,
                size: picture.dimensions(),
                picture: draws.then_some(picture),
            })
        };
        let ahead = rayon::current_num_threads();
        let result = ahead_of(sources.paths, ahead, make, |prepared| running.run(prepared));
        running.report.finish(result, &device)
    }
}

/// Pictures on their way through the network.
struct Running {
    detector: Detector,
    options: DetectionOptions,
    written: Option<OutputFiles>,
    report: Report,
}

impl Running {
    fn run(&mut self, prepared: Receiver<Prepared<Ready>>) -> Result<(), Failure> {
        for (path, ready) in prepared {
            match ready.and_then(|ready| self.answer(&path, ready)) {
                Ok(answer) => self.report.success(&path, &answer)?,
                Err(error) => self.report.failure(&path, &error)?,
            }
        }
        Ok(())
    }

    fn answer(&mut self, path: &Path, ready: Ready) -> Result<Found> {
        let found = (self.detector).predict(ready.input, ready.size, &self.options)?;
        let drawn = match (&mut self.written, ready.picture) {
            (Some(written), Some(mut picture)) => {
                draw(&mut picture, &found);
                Some(written.write_picture(path, &picture)?)
            }
            _ => None,
        };
        let detections = found.into_iter().map(|found| Thing {
            class: found.class,
            label: found.label,
            score: found.score,
            corners: found.corners,
        });
        Ok(Found {
            detections: detections.collect(),
            drawn: drawn.map(|path| path.display().to_string()),
            threshold: self.options.threshold,
        })
    }
}

/// The surest last, so that nothing covers its label.
fn draw(picture: &mut RgbImage, found: &[Detection]) {
    for found in found.iter().rev() {
        let label = format!("{} {:.0} %", found.label, 100.0 * found.score);
        draw_box(picture, found.corners, &label, class_color(found.class));
    }
}

/// What was found in a picture.
#[derive(Serialize)]
struct Found {
    detections: Vec<Thing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drawn: Option<String>,
    #[serde(skip)]
    threshold: f32,
}

#[derive(Serialize)]
struct Thing {
    class: usize,
    label: String,
    score: f32,
    #[serde(rename = "box")]
    corners: [f32; 4],
}

impl Answer for Found {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for thing in &self.detections {
            let percent = 100.0 * thing.score;
            let [x0, y0, x1, y1] = thing.corners;
            let (label, class) = (&thing.label, thing.class);
            writeln!(
                out,
                "  {percent:6.2} %  {label} ({class}) from {x0:.0},{y0:.0} to {x1:.0},{y1:.0}"
            )?;
        }
        if self.detections.is_empty() {
            writeln!(out, "  nothing above {}", self.threshold)?;
        }
        Ok(())
    }
}
