//! The crate's error type.
//!
//! A message names the file, node or device, what was expected and what was found, and says what to do about
//! it where that is known. [`Error::kind`] is what programs branch on. What caused an error is its
//! [`source`](std::error::Error::source), whose text the error's own does not repeat; [`Error::report`]
//! prints both. Names from files and drivers are escaped and shortened in the text of an error
//! ([`crate::printable`]), and exact in its fields.
//!
//! ```
//! use shadernet::ErrorKind;
//!
//! let error = shadernet::zoo::build("resnet81", &Default::default()).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::UnknownName);
//! assert!(error.to_string().contains("resnet18"), "{error}");
//!
//! let error = shadernet::weights::Weights::open("no/such/file").unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Io);
//! assert!(error.report().to_string().starts_with("no/such/file: could not be read: "));
//! ```

mod unknown_name;

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};

pub use unknown_name::UnknownName;

use crate::printable;

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The cause of an error, of any type.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Everything that can go wrong in this crate. Branch on [`Self::kind`] or match on the variant;
/// [`Self::report`] is the whole message for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system could not read a file or folder.
    #[error("{}: could not be read", printable::path(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },

    /// The operating system could not write or create a file or folder.
    #[error("{}: could not be written", printable::path(path))]
    Write {
        /// The file or folder. Never a temporary one.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },

    /// A file was read, but its content cannot be used.
    #[error("{}: {}", printable::path(path), printable::line(reason))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was expected, what was found, and what to do.
        reason: String,
        /// The error of the decoder or parser, where there is one.
        source: Option<BoxError>,
    },

    /// Weights do not fit a graph. The text lists the first twenty problems.
    #[error("{}: {} cannot be used:{}", printable::path(source_name), count(problems.len()), listed(problems))]
    Weights {
        /// The file, or the name that the weights were given.
        source_name: String,
        /// One line per tensor, of all that have a problem.
        problems: Vec<String>,
    },

    /// A node of a graph has invalid parameters, or inputs that it cannot take.
    #[error(
        "node '{}' ({kind}): {}",
        printable::name(node),
        printable::line(reason)
    )]
    Node {
        /// The node's name.
        node: String,
        /// The operator, in PyTorch's terms.
        kind: &'static str,
        /// What was expected and what was found.
        reason: String,
    },

    /// An argument cannot be used: a tensor, texture, buffer or option.
    #[error("{}", printable::line(.0))]
    Inputs(String),

    /// A tensor's data does not fill its shape.
    #[error("a tensor of shape {shape:?} holds {} elements, but {found} were given",
        expected.map_or_else(|| "more than addressable".to_owned(), |len| len.to_string()))]
    TensorLength {
        /// The extents of the tensor.
        shape: Vec<usize>,
        /// The number of elements that it holds; `None` where that cannot be addressed.
        expected: Option<usize>,
        /// The number of elements given.
        found: usize,
    },

    /// A name is not known: of an architecture, a pass, a layer, a backend, …
    #[error(transparent)]
    UnknownName(#[from] UnknownName),

    /// No adapter matches the request.
    #[error("{}", printable::line(.0))]
    NoAdapter(String),

    /// Something exceeds a limit of the device.
    #[error(
        "{} needs {needed} {unit}, but {} allows {limit} ({name}); {advice}",
        printable::line(what),
        printable::name(device)
    )]
    Limit {
        /// The node, value or tensor that exceeds the limit.
        what: String,
        /// How much it needs.
        needed: u64,
        /// `bytes`, `workgroups`, …
        unit: &'static str,
        /// The adapter's name.
        device: String,
        /// How much the device allows.
        limit: u64,
        /// WebGPU's name of the limit.
        name: &'static str,
        /// What to do about it.
        advice: &'static str,
    },

    /// The device refused a call, or failed.
    #[error("{}: {}", printable::name(device), printable::line(context))]
    Device {
        /// The adapter's name.
        device: String,
        /// What was being done.
        context: String,
        /// The error of wgpu or the driver.
        source: BoxError,
    },

    /// The device is lost: destroyed, reset by its driver, or unplugged.
    #[error(
        "{}: {}: the device was lost ({}); open another, and pass it to Session::restore",
        printable::name(device),
        printable::line(context),
        printable::line(reason)
    )]
    DeviceLost {
        /// The adapter's name.
        device: String,
        /// What was being done.
        context: String,
        /// What is known of the cause.
        reason: String,
    },

    /// The host's callback said that the work should end.
    #[error("stopped by the host's progress callback")]
    Stopped,

    /// The device is out of memory.
    #[error("{}: {}: out of memory{}; close what else uses its memory, or use a smaller image or batch{}",
        printable::name(device), printable::line(context),
        needed.map_or_else(String::new, |bytes| format!(": it needs {} in all", gigabytes(bytes))),
        if device == CPU { "" } else { ", or float16" })]
    OutOfMemory {
        /// The adapter's name.
        device: String,
        /// What was being done.
        context: String,
        /// Total bytes needed, where known.
        needed: Option<u64>,
    },
}

/// At most this many problems of [`Error::Weights`] are listed.
const MAX_LISTED: usize = 20;

fn count(tensors: usize) -> String {
    match tensors {
        1 => "1 tensor".to_owned(),
        count => format!("{count} tensors"),
    }
}

/// Problems in a line each.
fn listed(problems: &[String]) -> String {
    let lines = problems.iter().take(MAX_LISTED);
    let mut text: String = lines
        .map(|problem| format!("\n  {}", printable::line(problem)))
        .collect();
    if let Some(more @ 1..) = problems.len().checked_sub(MAX_LISTED) {
        text += &format!("\n  and {more} more");
    }
    text
}

/// The name of the CPU in messages.
pub(crate) const CPU: &str = "the CPU";

/// `3.2 GB`.
pub(crate) fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// The kinds of [`enum@Error`] that programs branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system could not read or write a file.
    Io,
    /// A file's content cannot be used.
    InvalidFile,
    /// Weights do not fit the graph.
    InvalidWeights,
    /// A graph's node has invalid parameters or inputs.
    InvalidGraph,
    /// An argument cannot be used.
    InvalidInput,
    /// A name is not known.
    UnknownName,
    /// No adapter matches the request.
    NoAdapter,
    /// A limit of the device is exceeded.
    Limit,
    /// The device refused a call, or failed.
    Device,
    /// The device is lost; another one can take over.
    DeviceLost,
    /// The device is out of memory.
    OutOfMemory,
    /// The host's callback ended the work.
    Stopped,
}

impl ErrorKind {
    /// Whether it is about what was to be computed, such as one image of a batch, rather than about the device: other
    /// inputs may still be computed.
    pub fn is_of_input(self) -> bool {
        matches!(self, Self::InvalidInput | Self::Limit | Self::OutOfMemory)
    }
}

impl Error {
    /// The kind, for programs to branch on.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::Write { .. } => ErrorKind::Io,
            Self::File { .. } => ErrorKind::InvalidFile,
            Self::Weights { .. } => ErrorKind::InvalidWeights,
            Self::Node { .. } => ErrorKind::InvalidGraph,
            Self::Inputs(_) | Self::TensorLength { .. } => ErrorKind::InvalidInput,
            Self::UnknownName(_) => ErrorKind::UnknownName,
            Self::NoAdapter(_) => ErrorKind::NoAdapter,
            Self::Limit { .. } => ErrorKind::Limit,
            Self::Device { .. } => ErrorKind::Device,
            Self::DeviceLost { .. } => ErrorKind::DeviceLost,
            Self::OutOfMemory { .. } => ErrorKind::OutOfMemory,
            Self::Stopped => ErrorKind::Stopped,
        }
    }

    /// The error with its causes, `error: cause: cause`, for messages to people.
    pub fn report(&self) -> Report<'_> {
        Report(self)
    }

    /// An [`Error::Io`] about `path`, for [`Result::map_err`](std::result::Result::map_err).
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    /// An [`Error::Write`] about `path`, for [`Result::map_err`](std::result::Result::map_err).
    pub fn write(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Write { path, source }
    }

    /// An [`Error::File`] about `path` without a source.
    pub fn file(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::File {
            path: path.as_ref().to_owned(),
            reason: reason.into(),
            source: None,
        }
    }

    /// An [`Error::File`] about `path` that another error caused. `reason` must not repeat its text.
    pub fn file_caused_by(
        path: impl AsRef<Path>,
        reason: impl Into<String>,
        source: impl Into<BoxError>,
    ) -> Self {
        Self::File {
            path: path.as_ref().to_owned(),
            reason: reason.into(),
            source: Some(source.into()),
        }
    }

    /// An [`Error::Inputs`] about a network whose outputs are not finite numbers. `found` says which.
    pub(crate) fn not_numbers(found: &str) -> Self {
        Self::Inputs(format!(
            "the network's outputs are not numbers ({found}): float16 may be too narrow for them, which holds \
             numbers up to 65504 (compute in float32, and store the weights in it), or the weights are damaged"
        ))
    }

    /// Adds the total of bytes needed to an [`Error::OutOfMemory`]; leaves other errors alone.
    pub(crate) fn with_needed_bytes(mut self, bytes: u64) -> Self {
        if let Self::OutOfMemory { needed, .. } = &mut self {
            *needed = Some(bytes);
        }
        self
    }
}

/// An error with its causes, see [`Error::report`].
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(&'a Error);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let reason = match self.0 {
                // Drivers' and compilers' errors have several lines.
                Error::Device { .. } => printable::lines(&error.to_string()),
                _ => printable::line(&error.to_string()),
            };
            // wgpu's errors repeat the text of their sources.
            if !text.contains(&reason) {
                text += ": ";
                text += &reason;
            }
            cause = error.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests;
