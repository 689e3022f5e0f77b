//! The results of a run that is not finished, in a file from which an interrupted run continues.
//!
//! `FILE.partial` is next to the results file `FILE`. Its first line says what run it is of, and each other line has the
//! results of one image, as they will be in `FILE`: one write per image, so that a process that is killed leaves whole
//! images, and an image without results is in it, too. Once the run is finished, `FILE` is written of it and it is
//! removed. Its process holds a lock on it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use shadernet::output_file::OutputFile;
use shadernet::{Error, Result, printable};

use super::output;

/// What distinguishes a run from others: the values of its options by their names.
pub type RunOptions = BTreeMap<String, Vec<String>>;

/// The first line.
#[derive(Serialize, Deserialize, PartialEq)]
struct Header {
    /// The results file's first bytes, such as the names of its columns.
    header: String,
    options: RunOptions,
}

/// The line of an image.
#[derive(Serialize, Deserialize)]
struct Entry {
    image: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
    /// What the results file has of it.
    results: String,
}

/// A results file and its unfinished results.
pub struct PartialResults {
    /// The results file.
    path: PathBuf,
    partial: PathBuf,
    file: File,
    header: String,
    finished: Vec<FinishedImage>,
}

/// An image of an earlier run.
pub struct FinishedImage {
    pub image: String,
    pub failed: bool,
}

impl PartialResults {
    /// Begins to write the results file `path`, which starts with `header`, or continues where an interrupted run was
    /// where it should `resume`. `None` where `path` is a device, a pipe or an open file.
    ///
    /// # Errors
    /// Where there are results of an interrupted run that are not to be continued, or whose options were others, and
    /// where another process is writing them.
    pub fn open(
        path: &Path,
        header: String,
        options: &RunOptions,
        resume: bool,
    ) -> Result<Option<Self>> {
        let Some(target) = OutputFile::target(path)? else {
            return Ok(None);
        };
        let mut partial: OsString = target.into();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let mut open = File::options();
        let file = open
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&partial);
        let file = file.map_err(Error::write(&partial))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let reason = "another process is writing results to it; wait for it, or name another results file";
            return Err(Error::file(&partial, reason));
        }
        let mut this = Self {
            path: path.to_owned(),
            partial,
            file,
            header,
            finished: Vec::new(),
        };
        this.continue_or_begin(options, resume)?;
        *unfinished() = Some(Unfinished {
            partial: this.partial.clone(),
            has_results: !this.finished.is_empty(),
        });
        Ok(Some(this))
    }

    fn continue_or_begin(&mut self, options: &RunOptions, resume: bool) -> Result<()> {
        let mut lines = Lines::new(&self.partial, &self.file)?;
        let found: Option<Header> = lines.next().transpose()?;
        while let (Some(_), Some(entry)) = (&found, lines.next::<Entry>()) {
            let Entry { image, failed, .. } = entry?;
            self.finished.push(FinishedImage { image, failed });
        }
        let whole = lines.whole;
        // What a process that was killed has written of a line.
        self.truncate(whole)?;
        let header = Header {
            header: self.header.clone(),
            options: options.clone(),
        };
        match found.filter(|_| !self.finished.is_empty()) {
            Some(_) if !resume => {
                let images = output::counted(self.finished.len(), "image");
                let reason = format!(
                    "it has the results of an interrupted run for {images}; continue with --resume, or remove it to \
                     begin again"
                );
                Err(Error::file(&self.partial, reason))
            }
            Some(found) if found != header => {
                let reason = format!(
                    "it has the results of a run with other options ({}); repeat that command with --resume, or \
                     remove the file to begin again",
                    difference(&found, &header)
                );
                Err(Error::file(&self.partial, reason))
            }
            Some(_) => Ok(()),
            None => {
                self.truncate(0)?;
                self.append(&header)
            }
        }
    }

    /// Goes on writing after the first `bytes`.
    fn truncate(&mut self, bytes: u64) -> Result<()> {
        let truncated = (self.file.set_len(bytes)).and_then(|()| self.file.seek(SeekFrom::End(0)));
        truncated.map(drop).map_err(Error::write(&self.partial))
    }

    /// The images of the earlier run, in the order of their results.
    pub fn finished(&self) -> &[FinishedImage] {
        &self.finished
    }

    /// Adds the results of an image.
    pub fn record(&mut self, image: String, failed: bool, results: &[u8]) -> Result<()> {
        self.append(&Entry {
            image,
            failed,
            // All formats are UTF-8.
            results: String::from_utf8_lossy(results).into_owned(),
        })?;
        if let Some(unfinished) = &mut *unfinished() {
            unfinished.has_results = true;
        }
        Ok(())
    }

    fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let append = || {
            let mut bytes = serde_json::to_vec(line)?;
            bytes.push(b'\n');
            (&self.file).write_all(&bytes)
        };
        append().map_err(Error::write(&self.partial))
    }

    /// Writes the results file.
    pub fn finish(self) -> Result<()> {
        let mut results = OutputFile::create(&self.path)?;
        let mut lines = Lines::new(&self.partial, &self.file)?;
        let header: Option<Header> = lines.next().transpose()?;
        let mut write = |text: &str| {
            let written = results.write_all(text.as_bytes());
            written.map_err(Error::write(&self.path))
        };
        write(&header.map(|header| header.header).unwrap_or_default())?;
        while let Some(entry) = lines.next::<Entry>() {
            write(&entry?.results)?;
        }
        results.finish()?;
        self.remove()
    }

    /// Removes the results.
    pub fn remove(self) -> Result<()> {
        *unfinished() = None;
        fs::remove_file(&self.partial).map_err(Error::write(&self.partial))
    }
}

/// The options that differ.
fn difference(found: &Header, expected: &Header) -> String {
    let names = found.options.keys().chain(expected.options.keys());
    let mut names: Vec<&String> = names
        .filter(|name| found.options.get(*name) != expected.options.get(*name))
        .collect();
    names.sort();
    names.dedup();
    let values = |header: &Header, name: &str| match header.options.get(name) {
        Some(values) => values.join(","),
        None => "none".to_owned(),
    };
    let mut texts: Vec<String> = names
        .into_iter()
        .map(|name| {
            let [before, now] = [found, expected].map(|header| values(header, name));
            format!("{name}: {before} there, {now} now")
        })
        .collect();
    if texts.is_empty() {
        texts.push("other columns".to_owned());
    }
    texts.join("; ")
}

/// Reads the lines of unfinished results.
struct Lines<'a> {
    path: &'a Path,
    input: BufReader<&'a File>,
    number: usize,
    /// Bytes of the lines that are whole.
    whole: u64,
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn new(path: &'a Path, mut file: &'a File) -> Result<Self> {
        file.seek(SeekFrom::Start(0)).map_err(Error::io(path))?;
        Ok(Self {
            path,
            input: BufReader::new(file),
            number: 0,
            whole: 0,
            line: Vec::new(),
        })
    }

    /// The next line that is whole.
    fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Option<Result<T>> {
        self.line.clear();
        self.number += 1;
        match self.input.read_until(b'\n', &mut self.line) {
            Err(error) => return Some(Err(Error::io(self.path)(error))),
            Ok(read) if self.line.ends_with(b"\n") => self.whole += read as u64,
            Ok(_) => return None,
        }
        Some(serde_json::from_slice(&self.line).map_err(|error| {
            let reason = format!(
                "line {} is not one of unfinished results: {error}; remove the file to begin again",
                self.number
            );
            Error::file(self.path, reason)
        }))
    }
}

/// The unfinished results of this process.
static UNFINISHED: Mutex<Option<Unfinished>> = Mutex::new(None);

struct Unfinished {
    partial: PathBuf,
    has_results: bool,
}

fn unfinished() -> MutexGuard<'static, Option<Unfinished>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says how the run of this process, which ends early, is continued. Without results, nothing is left of it.
pub fn leave_unfinished() {
    match unfinished().take() {
        Some(left) if left.has_results => output::note(format_args!(
            "the results so far are in {}; the same command with --resume continues",
            printable::path(&left.partial)
        )),
        // There is nobody to tell of a failure.
        Some(left) => drop(fs::remove_file(left.partial)),
        None => {}
    }
}
