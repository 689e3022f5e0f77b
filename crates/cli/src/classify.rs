//! `shadernet classify`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use shadernet::tasks::{Classifier, Prediction};
use shadernet::tensor::Tensor;
use shadernet::vision::EncodedImage;
use shadernet::zoo::Task;
use shadernet::{ErrorKind, Result, printable};

use super::decode_ahead::{Decoded, decode_ahead};
use super::image_paths::ImagePaths;
use super::report::{ImageResult, Report};
use super::value_parsers::count;
use super::{DeviceArgs, Failure, SessionArgs, loading_failure, open_model, output};

/// Classify images
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet classify photo.jpg
  shadernet classify --json --batch 8 holiday/ | jq .predictions[0].label
  find . -name '*.jpg' | shadernet classify -

An image that cannot be read is reported and skipped; the exit code is then 1.")]
pub struct Classify {
    /// Images, folders of images, or - for a list of files on standard input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Model folder, or the name of a model of `shadernet models` [default: efficientnet_lite0]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// How many classes to print for each image
    #[arg(long, default_value = "5", value_name = "K", value_parser = count)]
    top: NonZeroUsize,

    /// Images per pass
    #[arg(long, default_value = "1", value_name = "N", value_parser = count)]
    batch: NonZeroUsize,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object per image, one per line
    #[arg(long)]
    json: bool,
}

/// At most this many images are decoded ahead. Larger batches are not decoded completely while the device is
/// busy.
const MAX_AHEAD: usize = 256;

impl Classify {
    pub fn execute(&self) -> Result<(), Failure> {
        let images = ImagePaths::new(&self.images)?;
        let folder = open_model(self.model.as_deref())?;
        let device = self.device.open()?;
        let options = self.session.options(&device);
        let mut classifier = Classifier::new(&device, &folder, &options)
            .map_err(|error| loading_failure(error, &folder, Task::Classification))?;
        output::warn(classifier.warning());
        // A batch larger than the number of images would never be full.
        let batch = match images.count {
            Some(count) => self.batch.get().min(count.max(1)),
            None => self.batch.get(),
        };
        // Rejects a batch that is too large before any image is read.
        classifier.prepare(batch)?;
        let preprocessing = classifier.preprocessing().clone();
        let mut batches = Batches {
            classifier,
            top: self.top.get(),
            batch,
            report: Report::new(self.json, images.count),
            pending: Vec::new(),
            values: Vec::new(),
        };
        let ahead = batch.min(MAX_AHEAD).max(rayon::current_num_threads());
        let decode = move |image: &EncodedImage| {
            let input = preprocessing.apply(&image.decode()?)?;
            Ok(input.into_data())
        };
        let result = decode_ahead(images.paths, ahead, decode, |images| batches.run(images));
        batches.report.finish(result, &device)
    }
}

/// Collects images into batches and classifies them.
struct Batches {
    classifier: Classifier,
    top: usize,
    batch: usize,
    report: Report,
    /// Files in the order given: those whose images are in `values`, and those that could not be read.
    pending: Vec<(PathBuf, Result<()>)>,
    /// The preprocessed images of the next batch, one after another.
    values: Vec<f32>,
}

impl Batches {
    fn run(&mut self, images: Decoded<Vec<f32>>) -> Result<(), Failure> {
        let mut waiting = 0;
        for (path, image) in images {
            let read = image.map(|image| {
                waiting += 1;
                self.values.extend(image);
            });
            self.pending.push((path, read));
            if waiting == self.batch || waiting == 0 {
                self.classify_pending()?;
                waiting = 0;
            }
        }
        self.classify_pending()
    }

    /// Classifies the pending images, and reports all pending files in the order given.
    fn classify_pending(&mut self) -> Result<(), Failure> {
        let values = std::mem::take(&mut self.values);
        let mut predictions = self.predictions(values)?.into_iter();
        for (path, read) in self.pending.drain(..) {
            // There is one entry per image.
            let found = read.and_then(|()| predictions.next().unwrap_or_else(|| Ok(Vec::new())));
            match found {
                Ok(predictions) => self.report.success(&path, &Classes::new(&predictions))?,
                Err(error) => self.report.failure(&path, &error)?,
            }
        }
        Ok(())
    }

    /// The classes of every image of a batch. If the outputs of some are not numbers, each image runs alone.
    fn predictions(&mut self, values: Vec<f32>) -> Result<Vec<Result<Vec<Prediction>>>> {
        let [channels, height, width] = self.classifier.preprocessing().input_size;
        let len = channels * height * width;
        let mut predict = |values: Vec<f32>| {
            let input = Tensor::new([values.len() / len, channels, height, width], values)?;
            self.classifier.predict(input, self.top)
        };
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let copy = (values.len() > len).then(|| values.clone());
        match (predict(values), copy) {
            (Err(error), copy) if error.kind() == ErrorKind::InvalidInput => match copy {
                Some(values) => Ok((values.chunks(len))
                    .map(|image| Ok(predict(image.to_vec())?.swap_remove(0)))
                    .collect()),
                None => Ok(vec![Err(error)]),
            },
            (found, _) => Ok(found?.into_iter().map(Ok).collect()),
        }
    }
}

/// The most probable classes of an image.
#[derive(Serialize)]
struct Classes<'a> {
    predictions: Vec<Class<'a>>,
}

#[derive(Serialize)]
struct Class<'a> {
    class: usize,
    label: &'a str,
    probability: f32,
}

impl<'a> Classes<'a> {
    fn new(predictions: &'a [Prediction]) -> Self {
        let classes = predictions.iter().map(|p| Class {
            class: p.class,
            label: &p.label,
            probability: p.probability,
        });
        Self {
            predictions: classes.collect(),
        }
    }
}

impl ImageResult for Classes<'_> {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for p in &self.predictions {
            let percent = 100.0 * p.probability;
            let label = printable::name(p.label);
            writeln!(out, "  {percent:6.2} %  {label} ({})", p.class)?;
        }
        Ok(())
    }
}
