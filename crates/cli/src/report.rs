//! Prints the results of images as they are computed, and counts them.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shadernet::device::Device;
use shadernet::{Error, printable};

use super::result_format::{Destination, Format};
use super::{Failure, output, progress};

/// Prints results in one of the formats, and counts images.
pub struct Report {
    format: Format,
    destination: Destination,
    bar: ProgressBar,
    start: Instant,
    completed: usize,
    failed: usize,
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
    image: String,
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
        let mut destination = Destination::open(path)?;
        let header = ["image"].iter().chain(R::COLUMNS);
        if let Some(header) = format.row(header)? {
            destination.write(&header)?;
        }
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
        Ok(Self {
            format,
            destination,
            bar: progress::shown(bar),
            start: Instant::now(),
            completed: 0,
            failed: 0,
        })
    }

    pub fn success<R: ImageResult>(&mut self, path: &Path, result: &R) -> io::Result<()> {
        self.completed += 1;
        let (format, destination) = (self.format, &mut self.destination);
        self.bar.suspend(|| match format {
            Format::Json => destination.write(&line(path, result)?),
            Format::Text => {
                let mut text = Vec::new();
                writeln!(text, "{}", printable::path(path))?;
                result.print(&mut text)?;
                destination.write_text(&String::from_utf8_lossy(&text))
            }
            Format::Csv | Format::Tsv => {
                let image = path.display().to_string();
                let mut rows = Vec::new();
                for cells in result.rows() {
                    let cells = std::iter::once(&image).chain(&cells);
                    rows.extend(format.row(cells)?.unwrap_or_default());
                }
                destination.write(&rows)
            }
        })?;
        self.bar.inc(1);
        Ok(())
    }

    /// Prints a notice on standard error.
    pub fn note(&self, line: impl fmt::Display) {
        self.bar.suspend(|| output::note(line));
    }

    /// Reports an image that failed: on standard error, and in JSON also as its line.
    pub fn failure(&mut self, path: &Path, error: &Error) -> io::Result<()> {
        self.failed += 1;
        let (format, destination) = (self.format, &mut self.destination);
        self.bar.suspend(|| {
            output::error(error);
            match format {
                Format::Json => {
                    let error = error.report().to_string();
                    destination.write(&line(path, &Failed { error })?)
                }
                _ => Ok(()),
            }
        })?;
        self.bar.inc(1);
        Ok(())
    }

    /// Prints the summary for `device`, or returns the error of `result`.
    pub fn finish(self, result: Result<(), Failure>, device: &Device) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        result?;
        // An older file is not replaced by one without results.
        if self.completed > 0 || self.failed == 0 {
            self.destination.finish()?;
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let mut text = match self.completed {
            1 => format!("1 image in {seconds:.2} s"),
            count => format!("{count} images in {seconds:.2} s"),
        };
        if self.completed > 0 {
            text += &format!(", {:.1} images/s", self.completed as f64 / seconds);
        }
        if self.failed > 0 {
            text += &format!(", {} failed", self.failed);
        }
        output::note(format_args!("{text}, on {device}"));
        match self.failed {
            0 => Ok(()),
            _ => Err(Failure::Reported),
        }
    }
}

/// An image's line of JSON.
fn line(path: &Path, result: &impl Serialize) -> io::Result<Vec<u8>> {
    let image = path.display().to_string();
    let mut line = serde_json::to_vec(&Line { image, result })?;
    line.push(b'\n');
    Ok(line)
}
