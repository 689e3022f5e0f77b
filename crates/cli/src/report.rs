//! What is said of each picture.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shadernet::Error;
use shadernet::device::Device;

use super::{Failure, output};

/// Prints answers as they come, and counts.
pub struct Report {
    json: bool,
    bar: ProgressBar,
    start: Instant,
    pub done: usize,
    pub failed: usize,
}

/// What a network says of a picture: for machines as [`Serialize`] has it, an object.
pub trait Answer: Serialize {
    /// For people, in lines below the picture's name.
    fn print(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// A picture's line for machines.
#[derive(Serialize)]
struct Line<'a, A> {
    image: String,
    #[serde(flatten)]
    answer: &'a A,
}

#[derive(Serialize)]
struct Failed {
    error: String,
}

impl Report {
    /// Begins to count pictures and time. `known` is how many there will be.
    pub fn new(json: bool, known: Option<usize>) -> Self {
        let (bar, style) = match known {
            // One picture is done before a bar is read.
            Some(0 | 1) => (ProgressBar::hidden(), ""),
            Some(count) => (
                ProgressBar::new(count as u64),
                "{wide_bar} {pos}/{len} pictures, {per_sec}, {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {pos} pictures, {per_sec}",
            ),
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self {
            json,
            bar,
            start: Instant::now(),
            done: 0,
            failed: 0,
        }
    }

    pub fn success(&mut self, path: &Path, answer: &impl Answer) -> io::Result<()> {
        self.done += 1;
        let json = self.json;
        self.bar.suspend(|| match json {
            true => line(path, answer),
            false => {
                let mut out = io::stdout().lock();
                writeln!(out, "{}", path.display())?;
                answer.print(&mut out)?;
                out.flush()
            }
        })?;
        self.bar.inc(1);
        Ok(())
    }

    /// A line on standard error, beside the answers.
    pub fn say(&self, line: impl fmt::Display) {
        self.bar.suspend(|| output::say(line));
    }

    /// A picture that could not be read: on standard error, and for machines in its place.
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

    /// The end: how it went on `device`, unless `result` says that something went wrong altogether.
    pub fn finish(&self, result: Result<(), Failure>, device: &Device) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        result?;
        let seconds = self.start.elapsed().as_secs_f64();
        let mut text = match self.done {
            1 => format!("1 picture in {seconds:.2} s"),
            done => format!("{done} pictures in {seconds:.2} s"),
        };
        if self.done > 0 {
            text += &format!(", {:.1} images/s", self.done as f64 / seconds);
        }
        if self.failed > 0 {
            text += &format!(", {} could not be read", self.failed);
        }
        output::say(format_args!("{text}, on {device}"));
        match self.failed {
            0 => Ok(()),
            _ => Err(Failure::Reported),
        }
    }
}

fn line(path: &Path, answer: &impl Serialize) -> io::Result<()> {
    output::json_line(&Line {
        image: path.display().to_string(),
        answer,
    })
}
