//! `shadernet classify`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use shadernet::device::Device;
use shadernet::printable;
use shadernet::session::Run;
use shadernet::tasks::{Classifier, Prediction};
use shadernet::tensor::Tensor;
use shadernet::vision::EncodedImage;
use shadernet::zoo::Task;
use shadernet::{Error, Result};

use super::batches::{Predict, ahead, batch_size, run_batches_in_flight};
use super::decode_ahead::decode_ahead;
use super::image_paths::{ImageArgs, ImagePaths};
use super::output_files::check_outputs;
use super::preprocessing_args::PreprocessingArgs;
use super::report::{ImageResult, Report};
use super::result_format::{FormatArgs, results_file};
use super::value_parsers::{ImageSize, count, fraction};
use super::{DeviceArgs, Failure, SessionArgs, loading_failure, open_model, output};

/// Classify images
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet classify photo.jpg
  shadernet classify --json --batch 8 holiday/ | jq '.predictions[0].label'
  shadernet classify --recursive --format csv -o classes.csv holiday/
  shadernet classify - < photo.jpg
  find . -name '*.jpg' | shadernet classify -

An image that cannot be read is reported and skipped; the exit code is then 1.")]
pub struct Classify {
    #[command(flatten)]
    images: ImageArgs,

    /// Model folder, ONNX file, or the name of a model of `shadernet models` [default: efficientnet_lite0]
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,

    /// How many classes to print for each image
    #[arg(long, default_value = "5", value_name = "K", value_parser = count)]
    top: NonZeroUsize,

    /// Print only classes with a probability above this, from 0 to 1; --top still limits their number
    #[arg(long, default_value = "0", value_name = "P", value_parser = fraction, allow_negative_numbers = true, hide_default_value = true)]
    threshold: f32,

    /// Height and width of the network's input: 320 or 240x320 [default: the model's]
    #[arg(long, value_name = "SIZE")]
    size: Option<ImageSize>,

    #[command(flatten)]
    preprocessing: PreprocessingArgs,

    /// Images per pass
    #[arg(long, default_value = "1", value_name = "N", value_parser = count)]
    batch: NonZeroUsize,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: FormatArgs,

    /// Write the results into FILE rather than to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Classify {
    pub fn execute(&self) -> Result<(), Failure> {
        let images = ImagePaths::new(&self.images.images, self.images.recursive)?;
        let results = results_file(self.output.as_ref());
        let inputs = self.images.images.iter();
        let inputs = inputs.chain(&self.preprocessing.labels);
        check_outputs([("--output", results)], inputs.map(PathBuf::as_path))?;
        let folder = open_model(self.model.as_deref(), &self.preprocessing, self.size)?;
        let device = self.device.open()?;
        let options = self.session.options(&device);
        let mut classifier = Classifier::new(&device, &folder, &options)
            .map_err(|error| loading_failure(error, &folder, Task::Classification))?;
        output::warn(classifier.warning());
        let batch = batch_size(self.batch.get(), images.count);
        // Rejects a batch that is too large before any image is read.
        classifier.prepare(batch)?;
        let preprocessing = classifier.preprocessing().clone();
        let decode = move |image: &EncodedImage| preprocessing.apply(&image.decode()?);
        let format = self.format.format(results);
        let mut report = Report::new::<Classes>(format, results, images.count)?;
        let passes = Passes {
            // A thread for each image is faster than all threads for one, since none waits for another. Not where
            // images may come one at a time, and each result is awaited.
            in_flight: match &device {
                // One more than threads, which waits for the first that is free.
                Device::Cpu(cpu) if images.count.is_some() => MAX_IN_FLIGHT.min(cpu.threads() + 1),
                _ => 1,
            },
            classifier,
            top: self.top.get(),
        };
        let finish = |_: &Path, _: Tensor, predictions: Vec<Prediction>| {
            Ok(Classes::new(predictions, self.threshold))
        };
        let result = decode_ahead(images.sources, ahead(batch), decode, |images| {
            run_batches_in_flight(images, batch, &mut report, passes, finish)
        });
        report.finish(result, &device)
    }
}

/// Batches in flight on the CPU at most, as many as a session allows.
const MAX_IN_FLIGHT: usize = 3;

/// Classifies batches, several at once.
struct Passes {
    classifier: Classifier,
    top: usize,
    in_flight: usize,
}

/// Images `[1, C, H, W]` of one size as a tensor `[N, C, H, W]`.
fn batch(images: &[Tensor]) -> Result<Tensor> {
    let [first, others @ ..] = images else {
        return Err(Error::Inputs(
            "a batch of at least one image was expected".to_owned(),
        ));
    };
    if others.is_empty() {
        return Ok(first.clone());
    }
    let [_, channels, height, width] = first.shape().nchw();
    let data: Vec<_> = images.iter().map(Tensor::data).collect();
    Tensor::new([images.len(), channels, height, width], data.concat())
}

impl Predict<Tensor> for Passes {
    /// `None` where one batch runs at a time: it is computed when it is waited for.
    type Pass = Option<(Tensor, Run)>;
    type Output = Vec<Prediction>;

    fn start(&mut self, images: &[Tensor]) -> Result<Self::Pass> {
        if self.in_flight == 1 {
            return Ok(None);
        }
        let batch = batch(images)?;
        let run = self.classifier.predict_async(&batch)?;
        Ok(Some((batch, run)))
    }

    fn wait(&mut self, pass: Self::Pass, images: &[Tensor]) -> Result<Vec<Vec<Prediction>>> {
        match pass {
            Some((batch, run)) => {
                let outputs = run.wait()?;
                self.classifier.predictions(&batch, &outputs, self.top)
            }
            None => self.classifier.predict(batch(images)?, self.top),
        }
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }
}

/// The most probable classes of an image.
#[derive(Serialize)]
struct Classes {
    predictions: Vec<Class>,
    #[serde(skip)]
    threshold: f32,
}

#[derive(Serialize)]
struct Class {
    class: usize,
    label: String,
    probability: f32,
}

impl Classes {
    /// Those of `predictions` whose probability is above `threshold`.
    fn new(predictions: Vec<Prediction>, threshold: f32) -> Self {
        let likely = (predictions.into_iter()).filter(|p| p.probability > threshold);
        let classes = likely.map(|p| Class {
            class: p.class,
            label: p.label,
            probability: p.probability,
        });
        Self {
            predictions: classes.collect(),
            threshold,
        }
    }
}

impl ImageResult for Classes {
    const COLUMNS: &'static [&'static str] = &["class", "label", "probability"];

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for p in &self.predictions {
            let percent = 100.0 * p.probability;
            let label = printable::name(&p.label);
            writeln!(out, "  {percent:6.2} %  {label} ({})", p.class)?;
        }
        if self.predictions.is_empty() {
            writeln!(out, "  nothing above {}", self.threshold)?;
        }
        Ok(())
    }

    fn rows(&self) -> Vec<Vec<String>> {
        (self.predictions.iter())
            .map(|p| {
                vec![
                    p.class.to_string(),
                    p.label.clone(),
                    p.probability.to_string(),
                ]
            })
            .collect()
    }
}
