//! Where results are written.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use shadernet::output_file::OutputFile;
use shadernet::{Error, Result};

use super::Failure;
use super::partial_results::{FinishedImage, PartialResults, RunOptions};

/// Where results are written.
pub enum Destination {
    StandardOutput,
    /// A file that exists once all results are there.
    File(PathBuf, OutputFile),
    /// The same, of a run that can be continued.
    Resumable(PartialResults),
}

impl Destination {
    /// The file at `path`, or standard output, which begins with `header`.
    pub fn open(path: Option<&Path>, header: &str) -> Result<Self, Failure> {
        let mut this = match path {
            Some(path) => Self::File(path.to_owned(), OutputFile::create(path)?),
            None => Self::StandardOutput,
        };
        this.write(header.as_bytes())?;
        Ok(this)
    }

    /// As [`Self::open`], for a run of certain options that can be continued if it is interrupted, where `path` is a
    /// regular file.
    pub fn open_resumable(
        path: Option<&Path>,
        header: &str,
        options: &RunOptions,
        resume: bool,
    ) -> Result<Self, Failure> {
        let partial = match path {
            Some(path) => PartialResults::open(path, header.to_owned(), options, resume)?,
            None => None,
        };
        match partial {
            Some(partial) => Ok(Self::Resumable(partial)),
            None if resume => Err(Failure::Usage(
                "--resume: a results file was expected, which a run continues to write".to_owned(),
            )),
            None => Self::open(path, header),
        }
    }

    /// The images of an earlier run whose results are not written again.
    pub fn finished(&self) -> &[FinishedImage] {
        match self {
            Self::Resumable(partial) => partial.finished(),
            _ => &[],
        }
    }

    /// Writes all results of `image`.
    pub fn record(&mut self, image: String, failed: bool, results: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Resumable(partial) => Ok(partial.record(image, failed, results)?),
            _ => self.write(results),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::StandardOutput => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                Ok(out.flush()?)
            }
            Self::File(path, file) => Ok(file.write_all(bytes).map_err(Error::write(path))?),
            // It has its header, and the results of images.
            Self::Resumable(_) => Ok(()),
        }
    }

    /// Completes the file, which did not exist before.
    pub fn finish(self) -> Result<()> {
        match self {
            Self::StandardOutput => Ok(()),
            Self::File(_, file) => file.finish(),
            Self::Resumable(partial) => partial.finish(),
        }
    }

    /// Leaves the file as it was, without any results.
    pub fn discard(self) -> Result<()> {
        match self {
            Self::Resumable(partial) => partial.remove(),
            _ => Ok(()),
        }
    }
}
