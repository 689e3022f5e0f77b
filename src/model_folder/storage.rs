//! Where a model folder's weights are.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "onnx")]
use super::onnx::OnnxNetwork;
#[cfg(feature = "onnx")]
use crate::error::Error;
use crate::error::Result;
use crate::weights::Weights;

#[derive(Clone)]
pub(super) enum Storage {
    /// In a safetensors file, or in several that the index at this path names.
    File(PathBuf),
    /// As `File`, to be mapped. Made only by [`super::ModelFolder::mmap_weights`], whose caller promises that the
    /// files do not change.
    Mapped(PathBuf),
    /// The bytes of a safetensors file.
    Memory(Arc<Cow<'static, [u8]>>),
    /// In an ONNX file, with the network.
    #[cfg(feature = "onnx")]
    Onnx(OnnxNetwork),
}

impl Storage {
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Mapped(path) => Some(path),
            Self::Memory(_) => None,
            #[cfg(feature = "onnx")]
            Self::Onnx(network) => Some(network.model.path()),
        }
    }

    /// The weights; messages use `name` for a file in memory.
    pub fn open(&self, name: &Path) -> Result<Weights> {
        match self {
            Self::File(path) => Weights::open(path),
            // SAFETY: the caller of `mmap_weights` promised this for this path.
            Self::Mapped(path) => unsafe { Weights::open_mmap(path) },
            Self::Memory(bytes) => {
                Weights::from_shared(name.display().to_string(), Arc::clone(bytes))
            }
            #[cfg(feature = "onnx")]
            Self::Onnx(_) => Err(Error::file(
                name,
                "an ONNX file holds the network with its weights; copy the file itself",
            )),
        }
    }

    /// Names, shapes and dtypes of the weights.
    pub fn headers(&self, name: &Path) -> Result<Weights> {
        match self {
            Self::File(path) | Self::Mapped(path) => Weights::open_headers(path),
            _ => self.open(name),
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Mapped(path) => f.debug_tuple("Mapped").field(path).finish(),
            #[cfg(feature = "onnx")]
            Self::Onnx(network) => f.debug_tuple("Onnx").field(network).finish(),
            Self::Memory(bytes) => write!(f, "Memory({} bytes)", bytes.len()),
        }
    }
}
