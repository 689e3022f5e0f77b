//! Prints the results of images as they are computed, and counts them.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shadernet::device::Device;
use shadernet::{Error, printable};

use super::{Failure, output};

/// Prints results as text or JSON, and counts images.
pub struct Report {
    json: bool,
    bar: ProgressBar,
    start: Instant,
    completed: usize,
    failed: usize,
}

/// The result for one image. It serializes to a JSON object.
pub trait ImageResult: Serialize {
    /// Prints it as text, in lines below the image's path.
    fn print(&self, out: &mut dyn Write) -> io::Result<()>;
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
    /// Starts the clock. `count` is the number of images, if it is known.
    pub fn new(json: bool, count: Option<usize>) -> Self {
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
            json,
            bar,
            start: Instant::now(),
            completed: 0,
            failed: 0,
        }
    }

    pub fn success(&mut self, path: &Path, result: &impl ImageResult) -> io::Result<()> {
        self.completed += 1;
        let json = self.json;
        self.bar.suspend(|| match json {
            true => line(path, result),
            false => {
                let mut out = output::stdout();
                writeln!(out, "{}", printable::path(path))?;
                result.print(&mut out)?;
                out.flush()
            }
        })?;
        self.bar.inc(1);
        Ok(())
    }

    /// Prints a line on standard error.
    pub fn say(&self, line: impl fmt::Display) {
        self.bar.suspend(|| output::say(line));
    }

    /// Reports an image that failed: on standard error, and with `--json` also as its line.
    pub fn failure(&mut self, path: &Path, error: &Error) -> io::Result<()> {
        self.failed += 1;
        let json = self.json;
        self.bar.suspend(|| {
            output::error(error);
            match json {
                true => {
                    let error = error.report().to_string();
                    line(path, &Failed { error })
                }
                false => Ok(()),
            }
        })?;
        self.bar.inc(1);
        Ok(())
    }

    /// Prints the summary for `device`, or returns the error of `result`.
    pub fn finish(&self, result: Result<(), Failure>, device: &Device) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        result?;
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
        output::say(format_args!("{text}, on {device}"));
        match self.failed {
            0 => Ok(()),
            _ => Err(Failure::Reported),
        }
    }
}

fn line(path: &Path, result: &impl Serialize) -> io::Result<()> {
    output::json_line(&Line {
        image: path.display().to_string(),
        result,
    })
}
