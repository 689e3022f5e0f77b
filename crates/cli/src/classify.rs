//! `shadernet classify`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use shadernet::tasks::{Ensemble, EnsembleRun, Prediction};
use shadernet::tensor::Tensor;
use shadernet::vision::EncodedImage;
use shadernet::{Result, printable};

use super::batches::{Predict, ahead, batch_size, in_flight, run_batches_in_flight};
use super::decode_ahead::decode_ahead;
use super::ensemble_args::EnsembleArgs;
use super::frames::FrameArgs;
use super::image_paths::ImageArgs;
use super::output_files::check_outputs;
use super::partial_results::RunOptions;
use super::preprocessing_args::PreprocessingArgs;
use super::report::{ImageResult, Report};
use super::result_format::{FormatArgs, results_file};
use super::resume::ResumeArgs;
use super::value_parsers::{ImageSize, count, fraction};
use super::{DeviceArgs, Failure, SessionArgs};

/// Classify images
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet classify photo.jpg
  shadernet classify --json --batch 8 holiday/ | jq '.predictions[0].label'
  shadernet classify --recursive --format csv -o classes.csv holiday/
  shadernet classify - < photo.jpg
  find . -name '*.jpg' | shadernet classify -
  shadernet classify --recursive -o classes.csv --resume holiday/   continues where it was interrupted
  ffmpeg -i clip.mp4 -f rawvideo -pix_fmt rgb24 -s 640x480 - | shadernet classify --frames 640x480 -
  shadernet classify --crops 10 photo.jpg
  shadernet classify --model flowers_a --model flowers_b --weights 2,1 --flip photo.jpg

An image that cannot be read is reported and skipped; the exit code is then 1.")]
pub struct Classify {
    #[command(flatten)]
    images: ImageArgs,

    #[command(flatten)]
    frames: FrameArgs,

    #[command(flatten)]
    networks: EnsembleArgs,

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

    #[command(flatten)]
    resume: ResumeArgs,
}

impl Classify {
    pub fn execute(&self, options: &RunOptions) -> Result<(), Failure> {
        let mut images = self.frames.images(&self.images)?;
        let results = results_file(self.output.as_ref());
        let inputs = self.images.images.iter();
        let inputs = inputs.chain(&self.preprocessing.labels);
        check_outputs([("--output", results)], inputs.map(PathBuf::as_path))?;
        let folders = self.networks.open(&self.preprocessing, self.size)?;
        let device = self.device.open()?;
        let session = self.session.options(&device);
        let mut ensemble = self.networks.load(&folders, &device, &session)?;
        let batch = batch_size(self.batch.get(), images.count);
        // Rejects a batch that is too large before any image is read.
        ensemble.prepare(batch)?;
        let preprocessing = ensemble.preprocessing().clone();
        let views = preprocessing.views();
        let decode = move |image: &EncodedImage| preprocessing.apply(&image.decode()?);
        let format = self.frames.format(&self.format, results);
        let mut report =
            Report::resumable::<Classes>(format, results, &mut images, &self.resume, options)?;
        let passes = Passes {
            in_flight: in_flight(&device),
            ensemble,
            top: self.top.get(),
        };
        let finish = |_: &Path, _: Vec<Tensor>, predictions: Vec<Prediction>| {
            Ok(Classes::new(predictions, self.threshold))
        };
        let result = decode_ahead(
            images.sources,
            ahead(batch * views).div_ceil(views),
            decode,
            |images| run_batches_in_flight(images, batch, &mut report, passes, finish),
        );
        report.finish(result, &device)
    }
}

/// Classifies batches, several at once.
struct Passes {
    ensemble: Ensemble,
    top: usize,
    in_flight: usize,
}

impl Predict<Vec<Tensor>> for Passes {
    type Pass = EnsembleRun;
    type Output = Vec<Prediction>;

    fn start(&mut self, images: &[Vec<Tensor>]) -> Result<Self::Pass> {
        self.ensemble.predict_async(images)
    }

    fn wait(&mut self, pass: Self::Pass, _: &[Vec<Tensor>]) -> Result<Vec<Vec<Prediction>>> {
        self.ensemble.predictions(pass, self.top)
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
