//! The one error type. Every message names the file, node or device, says what was expected and
//! what was found, and where there is something to do, says that too.
//!
//! ```
//! let error = shadernet::zoo::build("resnet81", &Default::default()).unwrap_err();
//! assert!(error.to_string().contains("resnet18"), "{error}");
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use crate::tensor::Shape;
use crate::util::did_you_mean::nearest_few;

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong. Match on the variant; print it for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// A file was read, and what it holds cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was expected, what was found, and what to do.
        reason: String,
    },

    /// Weights do not fit a graph. Every problem is listed, not the first only.
    #[error("{source_name}: {} of the network's tensors cannot be used:\n  {}", problems.len(), problems.join("\n  "))]
    Weights {
        /// The file, or the name the weights were given.
        source_name: String,
        /// One line a tensor.
        problems: Vec<String>,
    },

    /// A node of a graph cannot be what it was asked to be, or cannot take its inputs.
    #[error("node '{node}' ({kind}): {reason}")]
    Node {
        /// The node's name.
        node: String,
        /// The operator, in PyTorch's terms.
        kind: &'static str,
        /// What was expected and what was found.
        reason: String,
    },

    /// A session was given other inputs than its graph has.
    #[error("{0}")]
    Inputs(String),

    /// A tensor's data does not fill its shape.
    #[error("a tensor of shape {shape} holds {} elements, but {found} were given",
        shape.checked_len().map_or_else(|| "more than addressable".to_owned(), |len| len.to_string()))]
    TensorLength {
        /// The shape asked for.
        shape: Shape,
        /// The number of elements given.
        found: usize,
    },

    /// A name is not among those that are known: an architecture, a pass, a layer, a backend, …
    #[error(transparent)]
    UnknownName(#[from] UnknownName),

    /// No adapter answers the request.
    #[error("{0}")]
    NoAdapter(String),

    /// A limit of the device is in the way.
    #[error("{what} needs {needed} {unit}, but {device} allows {limit} ({name}); {advice}")]
    Limit {
        /// The node, value or tensor that needs it.
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

    /// The device refused something or failed.
    #[error("{device}: {context}: {message}")]
    Device {
        /// The adapter's name.
        device: String,
        /// What was being done.
        context: String,
        /// What the device or driver said.
        message: String,
    },

    /// The device is gone: destroyed, reset by its driver, or unplugged.
    #[error(
        "{device}: {context}: the device was lost ({reason}); open another, and give it to Session::restore"
    )]
    DeviceLost {
        /// The adapter's name.
        device: String,
        /// What was being done.
        context: String,
        /// What is known of the cause.
        reason: String,
    },

    /// The device has no memory left.
    #[error("{device}: {context}: out of memory{}; close what else uses the device, or use float16, a smaller image or batch",
        needed.map_or_else(String::new, |bytes| format!(": {bytes} bytes are needed in all")))]
    OutOfMemory {
        /// The adapter's name.
        device: String,
        /// What was being done.
        context: String,
        /// Bytes that it takes in all, where that is known.
        needed: Option<u64>,
    },
}

/// A name that is not among those that are known, with the known names most like it. What
/// [`str::parse`] returns of every type of this crate that has names.
///
/// ```
/// use shadernet::gpu::Backend;
///
/// let error = "vulcan".parse::<Backend>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown backend 'vulcan'; did you mean 'vulkan'? (known: vulkan, gl, metal, dx12, cpu)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownName {
    /// What it should be the name of, in the singular: `architecture`.
    pub kind: &'static str,
    /// The name that was given.
    pub name: String,
    /// At most three known names that may be meant, the most alike first.
    pub nearest: Vec<String>,
    /// All known names.
    pub known: Vec<String>,
}

impl UnknownName {
    /// `name` is not among `known`.
    pub fn new<S: AsRef<str>>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = S>,
    ) -> Self {
        let known: Vec<String> = (known.into_iter())
            .map(|name| name.as_ref().to_owned())
            .collect();
        Self {
            kind,
            name: name.to_owned(),
            nearest: nearest_few(name, known.iter().map(String::as_str), MOST_NEAREST),
            known,
        }
    }
}

/// Known names that an [`UnknownName`] suggests at the most.
const MOST_NEAREST: usize = 3;
/// Known names that are all listed; of more, the number.
const MOST_LISTED: usize = 24;

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} '{}'", self.kind, self.name)?;
        if !self.nearest.is_empty() {
            let quoted = self.nearest.iter().map(|name| format!("'{name}'"));
            let quoted: Vec<String> = quoted.collect();
            write!(f, "; did you mean {}?", quoted.join(" or "))?;
        }
        match self.known.len() {
            0 => Ok(()),
            1..=MOST_LISTED => write!(f, " (known: {})", self.known.join(", ")),
            count => write!(f, " ({count} are known)"),
        }
    }
}

impl std::error::Error for UnknownName {}

impl Error {
    /// With how much is needed in all, where it is about memory.
    pub(crate) fn with_needed_bytes(mut self, bytes: u64) -> Self {
        if let Self::OutOfMemory { needed, .. } = &mut self {
            *needed = Some(bytes);
        }
        self
    }

    /// An [`Error::Io`] about `path`.
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    /// An [`Error::File`] about `path`.
    pub(crate) fn file(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::File {
            path: path.as_ref().to_owned(),
            reason: reason.into(),
        }
    }
}
