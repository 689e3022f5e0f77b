//! Trained parameters: tensors by name, from safetensors files, PyTorch's checkpoints or memory.
//!
//! [`Weights::check`] compares them with a graph and reports all mismatches at once;
//! [`Weights::read`] returns a tensor as float32, borrowed where it is stored as float32.
//!
//! # Reading and memory mapping
//!
//! [`Weights::open`] reads the whole file into memory and is safe. [`Weights::open_mmap`] maps the file
//! instead: its tensors are read from disk when they are used, and a session releases the pages of
//! tensors that it has uploaded, so that loading a network takes hardly more memory than its weights
//! take on the device. In return it is `unsafe`: while a file is mapped, no process may change or
//! truncate it. A change gives wrong values; reading past the end of a truncated file ends the process
//! with a signal (`SIGBUS` on Unix). Replacing the file by renaming another over it, as
//! [`write_safetensors`] and [`Weights::save`] do, is fine: the map keeps the old file.
//!
//! [`ModelFolder`](crate::model_folder::ModelFolder) offers the same choice, through
//! [`mmap_weights`](crate::model_folder::ModelFolder::mmap_weights).
//!
//! ```
//! use shadernet::graph::{GraphBuilder, Linear};
//! use shadernet::tensor::Tensor;
//! use shadernet::weights::Weights;
//!
//! let mut b = GraphBuilder::new("tiny");
//! let x = b.input("input", &[None, Some(2)]);
//! let x = b.linear("fc", x, Linear::new(2, 3).bias(false));
//! b.output(x);
//! let graph = b.build()?;
//!
//! let tensor = Tensor::new([3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! let weights = Weights::from_tensors("by hand", [("fc.weight".to_owned(), tensor)]);
//! assert!(weights.check(&graph)?.unused.is_empty());
//! assert_eq!(weights.read("fc.weight")?[..2], [1.0, 2.0]);
//! # Ok::<(), shadernet::Error>(())
//! ```

// What a file says about itself is not to be trusted.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

mod check;
mod decode;
mod dialect;
mod dtype;
mod file_bytes;
pub mod generate;
mod header;
mod listing;
mod names;
mod open;
#[cfg(feature = "onnx")]
mod parts;
mod pytorch;
mod shards;
mod strided;
mod write;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use check::CheckReport;
pub(crate) use decode::elements;
#[cfg(feature = "onnx")]
pub(crate) use decode::to_float32;
pub(crate) use dialect::Dialect;
pub use dtype::Dtype;
pub(crate) use file_bytes::{FileBytes, FileKind};
pub use write::{SavedWeights, write_safetensors};

use crate::error::{Error, Result};
use crate::tensor::{Shape, Tensor};
use listing::quoted;
use names::Place;

/// Tensors by name, in files or in memory.
pub struct Weights {
    source: String,
    files: Vec<Arc<FileBytes>>,
    tensors: BTreeMap<String, Stored>,
    /// The `__metadata__` of the files.
    metadata: BTreeMap<String, String>,
    /// The names of renamed tensors in the file, by their names here.
    renamed: HashMap<String, String>,
    /// Where the file has the tensors of the network that they were renamed for.
    place: Option<Place>,
}

#[derive(Clone)]
struct Stored {
    shape: Shape,
    /// The name in safetensors files, of a supported dtype or not.
    dtype: String,
    data: Data,
}

#[derive(Clone)]
enum Data {
    /// A range of the bytes of one of the files, of the length that shape and dtype require.
    InFile {
        file: usize,
        bytes: Range<usize>,
    },
    /// The same, but with the distance in elements from one index of each dimension to the next.
    Strided {
        file: usize,
        bytes: Range<usize>,
        strides: Vec<usize>,
    },
    Float32(Vec<f32>),
    /// As in a file, of the length that shape and dtype require.
    #[cfg(feature = "onnx")]
    Bytes(bytes::Bytes),
    /// All elements are this number.
    #[cfg(feature = "onnx")]
    Filled(f32),
    /// Generated when it is read, with this gain; see [`generate`].
    Generated(f64),
}

impl Stored {
    /// The bytes of all elements in a file; `None` where there are more than can be addressed, and for a tensor in
    /// memory.
    fn byte_len(&self) -> Option<usize> {
        match &self.data {
            Data::InFile { bytes, .. } => Some(bytes.len()),
            Data::Strided { .. } => {
                let bits = header::bits(&self.dtype)?;
                Some(self.shape.checked_len()?.checked_mul(bits)?.div_ceil(8))
            }
            #[cfg(feature = "onnx")]
            Data::Bytes(bytes) => Some(bytes.len()),
            _ => None,
        }
    }
}

impl Weights {
    /// These weights as [`Self::open_headers`] returns them.
    pub(crate) fn headers(&self) -> Self {
        Self {
            source: self.source.clone(),
            files: Vec::new(),
            tensors: self.tensors.clone(),
            metadata: self.metadata.clone(),
            renamed: self.renamed.clone(),
            place: self.place.clone(),
        }
    }

    /// Weights from tensors in memory. Messages use `name` in place of a file's name. Of several tensors
    /// with the same name, the last is kept.
    pub fn from_tensors(
        name: impl Into<String>,
        tensors: impl IntoIterator<Item = (String, Tensor)>,
    ) -> Self {
        let data = |tensor: Tensor| {
            let shape = tensor.shape().clone();
            (shape, Data::Float32(tensor.into_data()))
        };
        let tensors = tensors.into_iter();
        Self::from_float32(name, tensors.map(|(name, tensor)| (name, data(tensor))))
    }

    /// Float32 weights that are not in a file.
    fn from_float32(
        name: impl Into<String>,
        tensors: impl Iterator<Item = (String, (Shape, Data))>,
    ) -> Self {
        let stored = |(shape, data)| Stored {
            shape,
            dtype: Dtype::F32.safetensors().to_owned(),
            data,
        };
        Self {
            source: name.into(),
            files: Vec::new(),
            tensors: tensors.map(|(name, data)| (name, stored(data))).collect(),
            metadata: BTreeMap::new(),
            renamed: HashMap::new(),
            place: None,
        }
    }

    /// Adds an entry to the `__metadata__` that [`Self::save`] writes.
    ///
    /// ```
    /// use shadernet::tensor::Tensor;
    /// use shadernet::weights::{Dtype, Weights};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("vectors.safetensors");
    /// let tensors = [("vectors".to_owned(), Tensor::new([1, 2], vec![0.6, 0.8])?)];
    /// let vectors = Weights::from_tensors("vectors", tensors).with_metadata("layer", "fc7");
    /// vectors.save(&path, Dtype::F32)?;
    /// assert_eq!(Weights::open(&path)?.metadata("layer"), Some("fc7"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// The entry `key` of the file's `__metadata__`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The file's path, or the name that was passed instead.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of all tensors, in alphabetical order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor with this name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The shape of a tensor, if there is one with this name.
    pub fn shape(&self, name: &str) -> Option<&Shape> {
        self.tensors.get(name).map(|t| &t.shape)
    }

    /// The dtype of a tensor, if it is supported.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        Dtype::from_safetensors(self.dtype_name(name)?)
    }

    /// The name of a tensor's dtype in safetensors files, supported (`F16`) or not (`I64`).
    pub fn dtype_name(&self, name: &str) -> Option<&str> {
        self.tensors.get(name).map(|t| t.dtype.as_str())
    }

    /// A tensor's elements in row-major order: borrowed where they are stored as aligned float32 in this
    /// machine's byte order, converted otherwise.
    ///
    /// # Errors
    /// [`Error::Weights`] where there is no such tensor or its dtype is not supported.
    pub fn read(&self, name: &str) -> Result<Cow<'_, [f32]>> {
        let len = self.shape(name).map_or(0, Shape::len);
        self.read_range(name, 0..len)
    }

    /// A range of a tensor's elements, so that a large tensor can be read in parts.
    ///
    /// # Errors
    /// As [`Weights::read`], and where the range exceeds the tensor.
    pub fn read_range(&self, name: &str, range: Range<usize>) -> Result<Cow<'_, [f32]>> {
        let problem = |reason: String| self.problem(format!("{}: {reason}", quoted(name)));
        let Some(stored) = self.tensors.get(name) else {
            return Err(self.not_found(name));
        };
        let len = stored.shape.len();
        if range.start > range.end || range.end > len {
            return Err(problem(format!(
                "elements {range:?} were requested, but it holds {len}"
            )));
        }
        match &stored.data {
            // As many numbers as the shape has: the range was checked.
            Data::Float32(data) => Ok(Cow::Borrowed(&data[range])),
            #[cfg(feature = "onnx")]
            Data::Filled(value) => Ok(vec![*value; range.len()].into()),
            Data::Generated(gain) => Ok(generate::values(name, &stored.shape, *gain, range).into()),
            _ => {
                let dtype = Dtype::from_safetensors(&stored.dtype)
                    .ok_or_else(|| problem(check::unsupported_dtype(&stored.dtype)))?;
                let missing = || problem("its bytes were not read".to_owned());
                let too_large = |x: f64| {
                    problem(format!(
                        "{x:e} is beyond the range of float32, which is used"
                    ))
                };
                match self.bytes(stored, range).ok_or_else(missing)? {
                    Cow::Borrowed(bytes) => decode::to_float32(dtype, bytes).map_err(too_large),
                    Cow::Owned(bytes) => {
                        let values = decode::to_float32(dtype, &bytes).map_err(too_large)?;
                        Ok(Cow::Owned(values.into_owned()))
                    }
                }
            }
        }
    }

    /// As [`Self::bytes`], of all elements, also of a type whose size is not known.
    fn all_bytes<'a>(&'a self, stored: &'a Stored) -> Option<Cow<'a, [u8]>> {
        match &stored.data {
            Data::InFile { file, bytes } => {
                let file = self.files.get(*file)?.as_slice();
                file.get(bytes.clone()).map(Cow::Borrowed)
            }
            _ => self.bytes(stored, 0..stored.shape.len()),
        }
    }

    /// The bytes of a range of a tensor's elements as they are in its file, but in row-major order; `None` for tensors
    /// in memory, and where only headers were read.
    fn bytes<'a>(&'a self, stored: &'a Stored, range: Range<usize>) -> Option<Cow<'a, [u8]>> {
        let bits = header::bits(&stored.dtype)?;
        let in_file = |file: usize, bytes: &Range<usize>| {
            let file: &'a FileBytes = self.files.get(file)?;
            file.as_slice().get(bytes.clone())
        };
        let part = |bytes: &'a [u8]| {
            let end = range.end.checked_mul(bits)?.div_ceil(8);
            bytes.get(range.start.checked_mul(bits)? / 8..end)
        };
        match &stored.data {
            Data::InFile { file, bytes } => part(in_file(*file, bytes)?).map(Cow::Borrowed),
            Data::Strided {
                file,
                bytes,
                strides,
            } => {
                let (bytes, dims) = (in_file(*file, bytes)?, stored.shape.dims());
                strided::in_order(bytes, bits.div_ceil(8), dims, strides, range).map(Cow::Owned)
            }
            #[cfg(feature = "onnx")]
            Data::Bytes(bytes) => part(bytes).map(Cow::Borrowed),
            #[cfg(feature = "onnx")]
            Data::Filled(_) => None,
            Data::Float32(_) | Data::Generated(_) => None,
        }
    }

    /// Removes all tensors but those for which `keep`, given their names, is true: a graph may be a part of the
    /// network in a file, and [`Self::check`] refuses other tensors of the same blocks.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.tensors.retain(|name, _| keep(name));
    }

    /// Releases the pages of mapped files that have been read so far. Until then they count as this
    /// process's memory. They can be read again, only more slowly. Does nothing for weights in memory.
    pub(crate) fn release_pages(&self) {
        #[cfg(unix)]
        for file in &self.files {
            let FileBytes::Mapped(map) = &**file else {
                continue;
            };
            // SAFETY: the map is shared and read-only: its pages hold the file's content, which the
            // operating system loads again when they are accessed.
            let done = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
            if let Err(error) = done {
                tracing::debug!("{}: cannot release mapped pages: {error}", self.source);
            }
        }
    }

    /// An [`Error::Weights`] with one problem.
    fn problem(&self, problem: String) -> Error {
        Error::Weights {
            source_name: self.source.clone(),
            problems: vec![problem],
        }
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Weights({}: {} tensors)",
            self.source,
            self.tensors.len()
        )
    }
}

#[cfg(test)]
mod tests;
