//! `shadernet classify`.

use std::io::{self, BufRead, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde_json::json;
use shadernet::gpu::Precision;
use shadernet::model_folder::{default_model, find_model};
use shadernet::session::SessionOptions;
use shadernet::tensor::Tensor;
use shadernet::vision::{Classifier, Prediction, Preprocessing, decode};
use shadernet::{Error, Result};

use super::{DeviceArgs, Failure, output, precision};

/// Name what is in pictures
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet classify photo.jpg
  shadernet classify --json --batch 8 holiday/ | jq -r '[.image, .predictions[0].label] | @tsv'
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

    /// How values and weights are stored on the device: f32 or f16
    #[arg(long, default_value = "f32", value_parser = precision)]
    precision: Precision,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object a line, as each picture is done
    #[arg(long)]
    json: bool,
}

/// A picture's file, and the picture ready for the network or why there is none.
type Prepared = (PathBuf, Result<Vec<f32>>);

impl Classify {
    pub fn execute(&self) -> Result<(), Failure> {
        let sources = sources(&self.images)?;
        let folder = match &self.model {
            Some(model) => find_model(model)?,
            None => default_model()?,
        }
        .open()?;
        let device = self.device.open()?;
        let options = SessionOptions {
            precision: self.precision,
        };
        let mut classifier = Classifier::new(&device, &folder, &options)?;
        if let Some(notice) = classifier.notice() {
            eprintln!("{notice}");
        }
        let preprocessing = classifier.preprocessing().clone();
        // More than there are pictures would only be padding.
        let batch = match sources.known {
            Some(count) => self.batch.get().min(count.max(1)),
            None => self.batch.get(),
        };
        // Preparing runs ahead of the device by this many pictures, and no further: memory stays
        // flat however many there are.
        let ahead = batch.max(rayon::current_num_threads());
        let mut report = Report::new(self, sources.known);
        let (sender, receiver) = sync_channel(ahead);
        let start = Instant::now();
        let result = std::thread::scope(|scope| {
            scope.spawn(|| prepare(sources.paths, &preprocessing, ahead, &sender_of(sender)));
            self.predict(
                &mut classifier,
                &preprocessing,
                receiver,
                batch,
                &mut report,
            )
        });
        report.finish(start, &device.to_string());
        result?;
        match report.failed {
            0 => Ok(()),
            _ => Err(Failure::Reported),
        }
    }

    /// Runs prepared pictures in batches, in the order in which they were given.
    fn predict(
        &self,
        classifier: &mut Classifier,
        preprocessing: &Preprocessing,
        prepared: Receiver<Prepared>,
        batch: usize,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let [channels, height, width] = preprocessing.input_size;
        let image_len = channels * height * width;
        let mut waiting: Vec<PathBuf> = Vec::new();
        let mut values: Vec<f32> = Vec::new();
        let mut prepared = prepared.into_iter().peekable();
        while let Some((path, picture)) = prepared.next() {
            match picture {
                Ok(picture) => {
                    waiting.push(path);
                    values.extend(picture);
                }
                Err(error) => report.failure(&path, &error)?,
            }
            let last = waiting.len() < batch && prepared.peek().is_none();
            if waiting.len() == batch || (last && !waiting.is_empty()) {
                // The last batch is filled up rather than planned anew for its own size.
                values.resize(batch * image_len, 0.0);
                let input = Tensor::new([batch, channels, height, width], values)?;
                let answers = classifier.predict(input, self.top.get())?;
                for (path, predictions) in waiting.drain(..).zip(answers) {
                    report.success(&path, &predictions)?;
                }
                values = Vec::new();
            }
        }
        Ok(())
    }
}

/// Moves the sender into the thread that uses it, so that it closes when the thread ends.
fn sender_of(sender: SyncSender<Prepared>) -> SyncSender<Prepared> {
    sender
}

/// Decodes and prepares pictures, several at a time, until there are no more or nobody wants them.
fn prepare(
    mut paths: Box<dyn Iterator<Item = PathBuf> + Send>,
    preprocessing: &Preprocessing,
    ahead: usize,
    sender: &SyncSender<Prepared>,
) {
    loop {
        // The first path is waited for, so that a list that is still being written is not held up.
        let chunk: Vec<PathBuf> = paths.by_ref().take(ahead).collect();
        if chunk.is_empty() {
            return;
        }
        let pictures: Vec<Prepared> = (chunk.into_par_iter())
            .map(|path| {
                let picture = decode(&path)
                    .and_then(|picture| preprocessing.apply(&picture))
                    .map(Tensor::into_data);
                (path, picture)
            })
            .collect();
        for picture in pictures {
            if sender.send(picture).is_err() {
                return;
            }
        }
    }
}

/// The pictures to be named.
struct Sources {
    paths: Box<dyn Iterator<Item = PathBuf> + Send>,
    /// How many, unless they come from standard input.
    known: Option<usize>,
}

fn sources(arguments: &[PathBuf]) -> Result<Sources> {
    let mut paths: Vec<Source> = Vec::new();
    for argument in arguments {
        if argument.as_os_str() == "-" {
            paths.push(Source::StandardInput);
        } else if argument.is_dir() {
            paths.extend(pictures_in(argument)?.into_iter().map(Source::File));
        } else {
            paths.push(Source::File(argument.clone()));
        }
    }
    let known = (paths.iter())
        .all(|source| matches!(source, Source::File(_)))
        .then_some(paths.len());
    let paths = paths.into_iter().flat_map(|source| match source {
        Source::File(path) => Box::new(std::iter::once(path)) as Box<dyn Iterator<Item = _> + Send>,
        // A line that is not text names no file that could be given this way.
        Source::StandardInput => Box::new(
            (io::BufReader::new(io::stdin()).lines())
                .map_while(Result::ok)
                .filter(|line| !line.is_empty())
                .map(PathBuf::from),
        ),
    });
    Ok(Sources {
        paths: Box::new(paths),
        known,
    })
}

enum Source {
    File(PathBuf),
    StandardInput,
}

/// The pictures of a folder, not of its subfolders, by name.
fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Io {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // By ending: other files in a folder are nobody's mistake.
        let is_picture = (path.extension().and_then(|e| e.to_str()))
            .is_some_and(|ending| ENDINGS.contains(&ending.to_lowercase().as_str()));
        if is_picture && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(Error::File {
            path: folder.to_owned(),
            reason: format!(
                "expected pictures ({}) in this folder, found none; its subfolders are not looked into",
                ENDINGS.join(", ")
            ),
        });
    }
    found.sort();
    Ok(found)
}

const ENDINGS: [&str; 13] = [
    "png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "ppm", "pgm", "pbm", "pam", "pnm",
];

/// Prints answers as they come, and counts.
struct Report {
    json: bool,
    bar: ProgressBar,
    done: usize,
    failed: usize,
}

impl Report {
    fn new(command: &Classify, known: Option<usize>) -> Self {
        let bar = match known {
            // One picture is done before a bar is read.
            Some(0 | 1) => ProgressBar::hidden(),
            Some(count) => ProgressBar::new(count as u64),
            None => ProgressBar::new_spinner(),
        };
        let style = "{wide_bar} {pos}/{len} pictures, {per_sec}, {eta} left";
        if let (Some(_), Ok(style)) = (known, ProgressStyle::with_template(style)) {
            bar.set_style(style);
        }
        Self {
            json: command.json,
            bar,
            done: 0,
            failed: 0,
        }
    }

    fn success(&mut self, path: &Path, predictions: &[Prediction]) -> io::Result<()> {
        self.done += 1;
        let json = self.json;
        self.bar.suspend(|| match json {
            true => {
                let predictions: Vec<_> = (predictions.iter())
                    .map(|p| json!({"class": p.class, "label": p.label, "probability": p.probability}))
                    .collect();
                output::json_line(&json!({
                    "image": path.display().to_string(),
                    "predictions": predictions,
                }))
            }
            false => {
                let mut out = io::stdout().lock();
                writeln!(out, "{}", path.display())?;
                for p in predictions {
                    let percent = 100.0 * p.probability;
                    writeln!(out, "  {percent:6.2} %  {} ({})", p.label, p.class)?;
                }
                out.flush()
            }
        })?;
        self.bar.inc(1);
        Ok(())
    }

    /// A picture that could not be read: on standard error, and for machines in its place.
    fn failure(&mut self, path: &Path, error: &Error) -> io::Result<()> {
        self.failed += 1;
        let json = self.json;
        self.bar.suspend(|| {
            eprintln!("error: {error}");
            match json {
                true => output::json_line(&json!({
                    "image": path.display().to_string(),
                    "error": error.to_string(),
                })),
                false => Ok(()),
            }
        })?;
        self.bar.inc(1);
        Ok(())
    }

    fn finish(&self, start: Instant, device: &str) {
        self.bar.finish_and_clear();
        let seconds = start.elapsed().as_secs_f64();
        let unread = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} could not be read"),
        };
        eprintln!(
            "{} picture{} in {seconds:.2} s, {:.1} images/s{unread}, on {device}",
            self.done,
            if self.done == 1 { "" } else { "s" },
            self.done as f64 / seconds
        );
    }
}
