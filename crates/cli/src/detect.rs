//! `shadernet detect`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use shadernet::model_folder::{default_detector, find_model};
use shadernet::tasks::{Detection, DetectionOptions, Detector};
use shadernet::tensor::Tensor;
use shadernet::vision::{EncodedImage, RgbImage, class_color, draw_box};
use shadernet::zoo::Task;
use shadernet::{Result, printable};

use super::decode_ahead::{decode_ahead, report_each};
use super::image_paths::ImagePaths;
use super::mapped_weights::open_found;
use super::output_files::OutputFiles;
use super::report::{ImageResult, Report};
use super::value_parsers::fraction;
use super::{DeviceArgs, Failure, SessionArgs, loading_failure, output};

/// Detect objects in images
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet detect photo.jpg -o boxes.png
  shadernet detect --json holiday/ | jq '.detections[] | select(.label == \"dog\")'
  find . -name '*.jpg' | shadernet detect -o drawn/ -

A box is given as left, top, right and bottom in pixels of the image. An image that cannot be read \
is reported and skipped; the exit code is then 1.")]
pub struct Detect {
    /// Images, folders of images, or - for a list of files on standard input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Model folder, or the name of a model of `shadernet models` [default: yolov3_tiny]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// Print boxes with a score above this, from 0 to 1
    #[arg(long, default_value = "0.25", value_name = "SCORE", value_parser = fraction, allow_negative_numbers = true)]
    threshold: f32,

    /// Non-maximum suppression: of boxes of one class whose intersection over union is above this,
    /// from 0 to 1, only the one with the highest score is kept
    #[arg(long, default_value = "0.45", value_name = "SHARE", value_parser = fraction, allow_negative_numbers = true)]
    iou: f32,

    /// Draw the boxes on the image, into a file (.png, .jpg) or, for several images, a folder
    #[arg(short, long, value_name = "OUT.png|DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object per image, one per line
    #[arg(long)]
    json: bool,
}

/// A decoded image.
struct Image {
    /// The network's input.
    input: Tensor,
    /// Width and height.
    size: (u32, u32),
    /// The pixels, if boxes are drawn.
    pixels: Option<RgbImage>,
}

impl Detect {
    pub fn execute(&self) -> Result<(), Failure> {
        let images = ImagePaths::new(&self.images)?;
        let drawings = OutputFiles::optional("--output", self.output.as_deref(), images.is_single)?;
        if let Some(drawings) = &drawings {
            drawings.check()?;
            drawings.check_inputs(&self.images)?;
        }
        let folder = open_found(&match &self.model {
            Some(model) => find_model(model)?,
            None => default_detector()?,
        })?;
        let device = self.device.open()?;
        let options = self.session.options(&device);
        let detector = Detector::new(&device, &folder, &options)
            .map_err(|error| loading_failure(error, &folder, Task::Detection))?;
        output::warn(detector.warning());
        let preprocessing = detector.preprocessing().clone();
        let draws = drawings.is_some();
        let mut running = Running {
            detector,
            options: DetectionOptions::new()
                .threshold(self.threshold)
                .iou(self.iou),
            drawings,
        };
        let decode = move |image: &EncodedImage| {
            let pixels = image.decode()?;
            Ok(Image {
                input: preprocessing.apply(&pixels)?,
                size: pixels.dimensions(),
                pixels: draws.then_some(pixels),
            })
        };
        let mut report = Report::new(self.json, images.count);
        let ahead = rayon::current_num_threads();
        let result = decode_ahead(images.paths, ahead, decode, |images| {
            report_each(images, &mut report, |path, image| {
                running.detect(path, image)
            })
        });
        report.finish(result, &device)
    }
}

struct Running {
    detector: Detector,
    options: DetectionOptions,
    drawings: Option<OutputFiles>,
}

impl Running {
    fn detect(&mut self, path: &Path, image: Image) -> Result<Detections> {
        let found = (self.detector).predict(image.input, image.size, &self.options)?;
        let drawn = match (&mut self.drawings, image.pixels) {
            (Some(drawings), Some(mut pixels)) => {
                draw(&mut pixels, &found);
                Some(drawings.write_image(path, &pixels)?)
            }
            _ => None,
        };
        let detections = found.into_iter().map(|found| DetectedObject {
            class: found.class,
            label: found.label,
            score: found.score,
            corners: found.corners,
        });
        Ok(Detections {
            detections: detections.collect(),
            drawn: drawn.map(|path| path.display().to_string()),
            threshold: self.options.threshold,
        })
    }
}

/// Draws the boxes. The one with the highest score is drawn last, so that no other covers its label.
fn draw(image: &mut RgbImage, found: &[Detection]) {
    for found in found.iter().rev() {
        let label = format!("{} {:.0} %", found.label, 100.0 * found.score);
        draw_box(image, found.corners, &label, class_color(found.class));
    }
}

/// The detections in an image.
#[derive(Serialize)]
struct Detections {
    detections: Vec<DetectedObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drawn: Option<String>,
    #[serde(skip)]
    threshold: f32,
}

#[derive(Serialize)]
struct DetectedObject {
    class: usize,
    label: String,
    score: f32,
    #[serde(rename = "box")]
    corners: [f32; 4],
}

impl ImageResult for Detections {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for object in &self.detections {
            let percent = 100.0 * object.score;
            let [x0, y0, x1, y1] = object.corners;
            let (label, class) = (printable::name(&object.label), object.class);
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
