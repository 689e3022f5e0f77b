//! `shadernet classify`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use clap::Args;
use serde::Serialize;
use shadernet::Result;
use shadernet::tasks::{Classifier, Prediction};
use shadernet::tensor::Tensor;
use shadernet::vision::decode;
use shadernet::zoo::Task;

use super::decode_ahead::{Prepared, ahead_of};
use super::image_paths::sources;
use super::report::{Answer, Report};
use super::{DeviceArgs, Failure, SessionArgs, loading_failure, open_model, output};

/// Name what is in pictures
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet classify photo.jpg
  shadernet classify --json --batch 8 holiday/ | jq .predictions[0].label
  find . -name '*.jpg' | shadernet classify -

A picture that cannot be read is reported, the rest go on, and the exit code is 1 at the end.")]
pub struct Classify {
    /// Pictures, folders of pictures, or - for a list of files on standard input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Model folder, or the name of one that `shadernet models` lists [default: efficientnet_lite0]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// How many classes to print for each picture
    #[arg(long, default_value = "5", value_name = "K")]
    top: NonZeroUsize,

    /// How many pictures to run at once
    #[arg(long, default_value = "1", value_name = "N")]
    batch: NonZeroUsize,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object a line, as each picture is done
    #[arg(long)]
    json: bool,
}

/// A batch of more pictures than this is not prepared whole while the device is busy.
const MOST_AHEAD: usize = 256;

impl Classify {
    pub fn execute(&self) -> Result<(), Failure> {
        let sources = sources(&self.images)?;
        let folder = open_model(self.model.as_deref())?;
        let device = self.device.open()?;
        let options = self.session.options(&device);
        let mut classifier = Classifier::new(&device, &folder, &options)
            .map_err(|error| loading_failure(error, &folder, Task::Classification))?;
        if let Some(notice) = classifier.warning() {
            output::say(notice);
        }
        // A batch larger than all there is would never be full.
        let batch = match sources.known {
            Some(count) => self.batch.get().min(count.max(1)),
            None => self.batch.get(),
        };
        // Now rather than when the first batch is full, so that one too large is refused before
        // any picture is read.
        classifier.prepare(batch)?;
        let preprocessing = classifier.preprocessing().clone();
        let mut running = Running {
            classifier,
            top: self.top.get(),
            batch,
            report: Report::new(self.json, sources.known),
            pending: Vec::new(),
            values: Vec::new(),
        };
        let ahead = batch.min(MOST_AHEAD).max(rayon::current_num_threads());
        let make = move |path: &Path| {
            let input = preprocessing.apply(&decode(path)?)?;
            Ok(input.into_data())
        };
        let result = ahead_of(sources.paths, ahead, make, |prepared| running.run(prepared));
        running.report.finish(result, &device)
    }
}

/// Pictures on their way through the network.
struct Running {
    classifier: Classifier,
    top: usize,
    batch: usize,
    report: Report,
    /// In the order given: files whose pictures are in `values`, and such as could not be read.
    pending: Vec<(PathBuf, Result<()>)>,
    /// The pictures of the next batch, one after another.
    values: Vec<f32>,
}

impl Running {
    fn run(&mut self, prepared: Receiver<Prepared<Vec<f32>>>) -> Result<(), Failure> {
        let mut waiting = 0;
        for (path, picture) in prepared {
            let read = picture.map(|picture| {
                waiting += 1;
                self.values.extend(picture);
            });
            self.pending.push((path, read));
            if waiting == self.batch || waiting == 0 {
                self.answer()?;
                waiting = 0;
            }
        }
        self.answer()
    }

    /// Runs what waits, and reports on everything in the order in which it was given.
    fn answer(&mut self) -> Result<(), Failure> {
        let [channels, height, width] = self.classifier.preprocessing().input_size;
        let count = self.values.len() / (channels * height * width);
        let answers = match count {
            0 => Vec::new(),
            _ => {
                let values = std::mem::take(&mut self.values);
                let input = Tensor::new([count, channels, height, width], values)?;
                self.classifier.predict(input, self.top)?
            }
        };
        let mut answers = answers.into_iter();
        for (path, read) in self.pending.drain(..) {
            match read {
                Ok(()) => {
                    // One for each picture.
                    let predictions = answers.next().unwrap_or_default();
                    self.report.success(&path, &Named::new(&predictions))?;
                }
                Err(error) => self.report.failure(&path, &error)?,
            }
        }
        Ok(())
    }
}

/// The classes of a picture.
#[derive(Serialize)]
struct Named<'a> {
    predictions: Vec<Class<'a>>,
}

#[derive(Serialize)]
struct Class<'a> {
    class: usize,
    label: &'a str,
    probability: f32,
}

impl<'a> Named<'a> {
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

impl Answer for Named<'_> {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for p in &self.predictions {
            let percent = 100.0 * p.probability;
            writeln!(out, "  {percent:6.2} %  {} ({})", p.label, p.class)?;
        }
        Ok(())
    }
}
