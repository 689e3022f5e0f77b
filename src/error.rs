//! The one error type. Every message names the file, node or device, says what was expected and
//! what was found, and where there is something to do, says that too.
//!
//! ```
//! let error = shadernet::zoo::build("resnet81", &Default::default()).unwrap_err();
//! assert!(error.to_string().contains("resnet18"), "{error}");
//! ```

use std::path::{Path, PathBuf};

use crate::tensor::Shape;

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

    /// No architecture of that name.
    #[error("unknown architecture '{name}'{}; `shadernet models` lists those known",
        suggestion.map_or_else(String::new, |s| format!(" (did you mean '{s}'?)")))]
    UnknownArchitecture {
        /// The name asked for.
        name: String,
        /// The nearest known name, where one is near.
        suggestion: Option<&'static str>,
    },

    /// No graph pass of that name.
    #[error("unknown pass '{name}'{}; the passes are {}",
        suggestion.map_or_else(String::new, |s| format!(" (did you mean '{s}'?)")), known.join(", "))]
    UnknownPass {
        /// The name asked for.
        name: String,
        /// All there are.
        known: Vec<&'static str>,
        /// The nearest known name, where one is near.
        suggestion: Option<&'static str>,
    },

    /// A network has no value of that name.
    #[error("{network} has no layer '{name}'{}", match nearest.is_empty() {
        true => String::new(),
        false => format!("; the nearest are {}", nearest.join(", ")),
    })]
    UnknownLayer {
        /// The network's name.
        network: String,
        /// The name asked for.
        name: String,
        /// The names most like it, the nearest first.
        nearest: Vec<String>,
    },

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
