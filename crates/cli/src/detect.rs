//! `shadernet detect`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use shadernet::model_folder::{default_detector, find_model};
use shadernet::session::Run;
use shadernet::tasks::{Detection, DetectionOptions, Detector};
use shadernet::tensor::Tensor;
use shadernet::vision::{EncodedImage, RgbImage, class_color, draw_box};
use shadernet::zoo::Task;
use shadernet::{Result, printable};

use super::batches::{Predict, ahead, batch_size, in_flight, run_batches_in_flight};
use super::decode_ahead::decode_ahead;
use super::frames::FrameArgs;
use super::image_paths::ImageArgs;
use super::output_files::{OutputFiles, check_outputs};
use super::partial_results::RunOptions;
use super::preprocessing_args::PreprocessingArgs;
use super::report::{ImageResult, Report};
use super::result_format::{FormatArgs, results_file};
use super::resume::ResumeArgs;
use super::value_parsers::{ImageSize, count, fraction};
use super::{DeviceArgs, Failure, SessionArgs, loading_failure, output};

/// Detect objects in images
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet detect photo.jpg -o boxes.png
  shadernet detect --json holiday/ | jq '.detections[] | select(.label == \"dog\")'
  shadernet detect --classes person,dog --max-boxes 10 --format csv photo.jpg
  shadernet detect --model yolov8n.onnx photo.jpg -o boxes.png
  find . -name '*.jpg' | shadernet detect -o drawn/ -
  ffmpeg -i clip.mp4 -f rawvideo -pix_fmt rgb24 -s 640x480 - | shadernet detect --frames 640x480 --fps 25 -

A box is given as left, top, right and bottom in pixels of the image. An image that cannot be read \
is reported and skipped; the exit code is then 1.")]
pub struct Detect {
    #[command(flatten)]
    images: ImageArgs,

    #[command(flatten)]
    frames: FrameArgs,

    /// Model folder, ONNX file, or the name of a model of `shadernet models` [default: yolov3_tiny]
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,

    /// Height and width of the network's input: 320 or 240x320 [default: the model's]
    #[arg(long, value_name = "SIZE")]
    size: Option<ImageSize>,

    #[command(flatten)]
    preprocessing: PreprocessingArgs,

    /// Print boxes with a score above this, from 0 to 1
    #[arg(long, default_value = "0.25", value_name = "SCORE", value_parser = fraction, allow_negative_numbers = true)]
    threshold: f32,

    /// Non-maximum suppression: of boxes of one class whose intersection over union is above this,
    /// from 0 to 1, only the one with the highest score is kept
    #[arg(long, default_value = "0.45", value_name = "SHARE", value_parser = fraction, allow_negative_numbers = true)]
    iou: f32,

    /// Keep only boxes of this class, by name or number; can be repeated, or separated by commas
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    classes: Vec<String>,

    /// Keep at most N boxes of an image, those with the highest scores [default: all]
    #[arg(long, value_name = "N", value_parser = count)]
    max_boxes: Option<NonZeroUsize>,

    /// Images per pass
    #[arg(long, default_value = "1", value_name = "N", value_parser = count)]
    batch: NonZeroUsize,

    /// Draw the boxes on the image, into a file (.png, .jpg) or, for several images, a folder
    #[arg(short, long, value_name = "OUT.png|DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: FormatArgs,

    /// Write the results into FILE rather than to standard output
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,

    #[command(flatten)]
    resume: ResumeArgs,
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
    pub fn execute(&self, options: &RunOptions) -> Result<(), Failure> {
        let arguments = &self.images.images;
        let mut images = self.frames.images(&self.images)?;
        let results = results_file(self.results.as_ref());
        check_outputs(
            [("--results", results)],
            arguments.iter().map(PathBuf::as_path),
        )?;
        let drawings = OutputFiles::optional("--output", self.output.as_deref(), images.is_single)?;
        if let Some(drawings) = &drawings {
            drawings.check()?;
            drawings.check_inputs(arguments)?;
        }
        let model = match &self.model {
            Some(model) => find_model(model)?,
            None => default_detector()?,
        };
        let folder = self.preprocessing.open(&model, self.size)?;
        let classes = self.classes.iter().map(|class| folder.labels.find(class));
        let classes = classes.collect::<Result<Vec<usize>>>()?;
        let device = self.device.open()?;
        let session = self.session.options(&device);
        let mut detector = Detector::new(&device, &folder, &session)
            .map_err(|error| loading_failure(error, &folder, Task::Detection))?;
        output::warn(detector.warning());
        let batch = batch_size(self.batch.get(), images.count);
        detector.prepare(batch)?;
        let preprocessing = detector.preprocessing().clone();
        let draws = drawings.is_some();
        let decode = move |image: &EncodedImage| {
            let pixels = image.decode()?;
            Ok(Image {
                input: preprocessing.apply(&pixels)?,
                size: pixels.dimensions(),
                pixels: draws.then_some(pixels),
            })
        };
        let passes = Passes {
            in_flight: in_flight(&device),
            detector,
            options: DetectionOptions::new()
                .threshold(self.threshold)
                .iou(self.iou),
        };
        let format = self.frames.format(&self.format, results);
        let mut report =
            Report::resumable::<Detections>(format, results, &mut images, &self.resume, options)?;
        let mut running = Running {
            command: self,
            classes,
            drawings,
        };
        if let Some(drawings) = &mut running.drawings {
            drawings.reserve(report.finished());
        }
        let finish = |path: &Path, image: Image, found| running.detections(path, image, found);
        let result = decode_ahead(images.sources, ahead(batch), decode, |images| {
            run_batches_in_flight(images, batch, &mut report, passes, finish)
        });
        report.finish(result, &device)
    }
}

/// Detects objects in batches, several at once.
struct Passes {
    detector: Detector,
    options: DetectionOptions,
    in_flight: usize,
}

impl Predict<Image> for Passes {
    type Pass = (Tensor, Run);
    type Output = Vec<Detection>;

    fn start(&mut self, images: &[Image]) -> Result<Self::Pass> {
        let batch = Tensor::stack(images.iter().map(|image| &image.input))?;
        let run = self.detector.predict_async(&batch)?;
        Ok((batch, run))
    }

    fn wait(&mut self, (batch, run): Self::Pass, images: &[Image]) -> Result<Vec<Vec<Detection>>> {
        let sizes: Vec<(u32, u32)> = images.iter().map(|image| image.size).collect();
        let outputs = run.wait()?;
        (self.detector).detections(&batch, &outputs, &sizes, &self.options)
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }
}

struct Running<'a> {
    command: &'a Detect,
    /// The classes whose boxes are kept; all if empty.
    classes: Vec<usize>,
    drawings: Option<OutputFiles>,
}

impl Running<'_> {
    fn detections(
        &mut self,
        path: &Path,
        image: Image,
        mut found: Vec<Detection>,
    ) -> Result<Detections> {
        found.retain(|found| self.classes.is_empty() || self.classes.contains(&found.class));
        if let Some(most) = self.command.max_boxes {
            // The highest scores are first.
            found.truncate(most.get());
        }
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
            threshold: self.command.threshold,
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
    const COLUMNS: &'static [&'static str] =
        &["class", "label", "score", "left", "top", "right", "bottom"];

    fn rows(&self) -> Vec<Vec<String>> {
        (self.detections.iter())
            .map(|object| {
                let [class, score] = [object.class.to_string(), object.score.to_string()];
                let corners = object.corners.iter().map(f32::to_string);
                [class, object.label.clone(), score]
                    .into_iter()
                    .chain(corners)
                    .collect()
            })
            .collect()
    }

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
