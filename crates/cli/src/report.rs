//! Prints the results of images as they are computed, and counts them.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shadernet::device::Device;
use shadernet::{Error, printable};

use super::batches::TimesTaken;
use super::destination::Destination;
use super::image_id::ImageId;
use super::image_paths::ImagePaths;
use super::output::counted;
use super::partial_results::{FinishedImage, RunOptions, leave_unfinished};
use super::result_format::Format;
use super::resume::{self, ResumeArgs};
use super::{Failure, output, progress};

/// Prints results in one of the formats, and counts images.
pub struct Report {
    format: Format,
    destination: Destination,
    bar: ProgressBar,
    start: Instant,
    completed: usize,
    failed: usize,
    times: Option<TimesTaken>,
}

/// The result for one image. It serializes to a JSON object.
pub trait ImageResult: Serialize {
    /// The names of the cells of [`Self::rows`].
    const COLUMNS: &'static [&'static str];

    /// Prints it as text, in lines below the image's path.
    fn print(&self, out: &mut dyn Write) -> io::Result<()>;

    /// One row for each of its parts, such as a class or a box.
    fn rows(&self) -> Vec<Vec<String>>;
}

/// An image's line of JSON.
#[derive(Serialize)]
struct Line<'a, R> {
    #[serde(flatten)]
    id: &'a ImageId,
    #[serde(flatten)]
    result: &'a R,
}

#[derive(Serialize)]
struct Failed {
    error: String,
}

impl Report {
    /// Starts the clock, and writes the header, if the format has one. `path` is a file for the results rather than
    /// standard output. `count` is the number of images, if it is known.
    pub fn new<R: ImageResult>(
        format: Format,
        path: Option<&Path>,
        count: Option<usize>,
    ) -> Result<Self, Failure> {
        let header = header::<R>(format, ImageId::FILE_COLUMNS)?;
        Ok(Self::start(
            format,
            Destination::open(path, &header)?,
            count,
        ))
    }

    /// As [`Self::new`], for a run of `options` over `images` that can be continued if it is interrupted. Where it
    /// continues to, `images` are those that are left.
    pub fn resumable<R: ImageResult>(
        format: Format,
        path: Option<&Path>,
        images: &mut ImagePaths,
        resume: &ResumeArgs,
        options: &RunOptions,
    ) -> Result<Self, Failure> {
        let destination = match images.are_frames {
            // They pass only once.
            true => Destination::open(path, &header::<R>(format, ImageId::FRAME_COLUMNS)?)?,
            false => {
                let header = header::<R>(format, ImageId::FILE_COLUMNS)?;
                Destination::open_resumable(path, &header, options, resume.resume)?
            }
        };
        resume::skip(images, destination.finished());
        let report = Self::start(format, destination, images.count);
        report
            .bar
            .set_position(report.destination.finished().len() as u64);
        report.bar.reset_eta();
        Ok(report)
    }

    fn start(format: Format, destination: Destination, count: Option<usize>) -> Self {
        let (bar, style) = match count {
            // One image does not need a bar.
            Some(0 | 1) => (ProgressBar::hidden(), ""),
            Some(count) => (
                ProgressBar::new(count as u64),
                "{wide_bar} {pos}/{len} images, {per_sec}, {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {pos} images, {per_sec}",
            ),
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self {
            format,
            destination,
            bar: progress::shown(bar),
            start: Instant::now(),
            completed: 0,
            failed: 0,
            times: None,
        }
    }

    /// The images of an interrupted run that this one continues.
    pub fn finished(&self) -> &[FinishedImage] {
        self.destination.finished()
    }

    pub fn success<R: ImageResult>(&mut self, id: &ImageId, result: &R) -> Result<(), Failure> {
        self.completed += 1;
        let results = match self.format {
            Format::Json => line(id, result)?,
            Format::Text => {
                let mut text = Vec::new();
                writeln!(text, "{}", id.title())?;
                result.print(&mut text)?;
                printable::escape(&String::from_utf8_lossy(&text))
                    .as_bytes()
                    .to_owned()
            }
            Format::Csv | Format::Tsv => {
                let image = id.cells();
                let mut rows = Vec::new();
                for cells in result.rows() {
                    let cells = image.iter().chain(&cells);
                    rows.extend(self.format.row(cells)?.unwrap_or_default());
                }
                rows
            }
        };
        self.record(id, false, &results)
    }

    /// Reports an image that failed: on standard error, and in JSON also as its line.
    pub fn failure(&mut self, id: &ImageId, error: &Error) -> Result<(), Failure> {
        self.failed += 1;
        self.bar.suspend(|| output::error(error));
        let error = error.report().to_string();
        let results = match self.format {
            Format::Json => line(id, &Failed { error })?,
            _ => Vec::new(),
        };
        self.record(id, true, &results)
    }

    fn record(&mut self, id: &ImageId, failed: bool, results: &[u8]) -> Result<(), Failure> {
        let destination = &mut self.destination;
        (self.bar).suspend(|| destination.record(resume::name(id), failed, results))?;
        self.bar.inc(1);
        Ok(())
    }

    /// Prints a notice on standard error.
    pub fn note(&self, line: impl fmt::Display) {
        self.bar.suspend(|| output::note(line));
    }

    /// Where the time went, for the summary.
    pub fn took(&mut self, times: TimesTaken) {
        self.times = Some(times);
    }

    /// Prints the summary for `device`, or returns the error of `result`.
    pub fn finish(self, result: Result<(), Failure>, device: &Device) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed().as_secs_f64();
        let before = self.destination.finished();
        let (finished, failed) = (before.len(), before.iter().filter(|one| one.failed).count());
        // An older file is not replaced by one without results.
        let has_results = self.completed + finished - failed > 0 || self.failed + failed == 0;
        let written = result.and_then(|()| match has_results {
            true => Ok(self.destination.finish()?),
            false => Ok(self.destination.discard()?),
        });
        if let Err(failure) = written {
            leave_unfinished();
            return Err(failure);
        }
        let mut text = format!("{} in {seconds:.2} s", counted(self.completed, "image"));
        if self.completed > 0 {
            text += &format!(", {:.1} images/s", self.completed as f64 / seconds);
        }
        if self.failed > 0 {
            text += &format!(", {} failed", self.failed);
        }
        if finished > 0 {
            text += &format!(", {finished} before the interruption");
        }
        if failed > 0 {
            text += &format!(" ({failed} failed)");
        }
        output::note(format_args!("{text}, on {device}"));
        if let Some(times) = self.times.filter(|_| self.completed > 1) {
            output::note(times.text(seconds));
        }
        match self.failed + failed {
            0 => Ok(()),
            _ => Err(Failure::Reported),
        }
    }
}

impl TimesTaken {
    /// Where `seconds` went.
    fn text(&self, seconds: f64) -> String {
        let share = |time: Duration| 100.0 * time.as_secs_f64() / seconds;
        format!(
            "the device was busy for {:.0} % of the time, and waited {:.0} % for images; decoding took {:.2} s on {}",
            100.0 - share(self.without_pass),
            share(self.waiting),
            self.decoding.as_secs_f64(),
            counted(rayon::current_num_threads(), "thread"),
        )
    }
}

/// The first line of a results file, if the format has one.
fn header<R: ImageResult>(format: Format, id: &[&str]) -> io::Result<String> {
    let header = format.row(id.iter().chain(R::COLUMNS))?;
    Ok(header.map_or_else(String::new, |row| {
        String::from_utf8_lossy(&row).into_owned()
    }))
}

/// An image's line of JSON.
fn line(id: &ImageId, result: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Line { id, result })?;
    line.push(b'\n');
    Ok(line)
}
