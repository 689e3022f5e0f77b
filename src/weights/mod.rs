//! Trained parameters: tensors by name, from safetensors files or from memory.
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

mod check;
mod dialect;
mod dtype;
mod file_bytes;
pub mod generate;
mod header;
mod write;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::path::Path;

use bytemuck::AnyBitPattern;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

pub use check::CheckReport;
pub(crate) use dialect::Dialect;
pub use dtype::Dtype;
pub(crate) use file_bytes::{FileBytes, FileKind};
pub use write::write_safetensors;

use crate::error::{Error, Result};
use crate::tensor::{Shape, Tensor};

const SAFETENSORS: FileKind = FileKind {
    description: "a safetensors file",
    example: "model.safetensors",
};

/// Tensors by name, in a file or in memory.
pub struct Weights {
    source: String,
    file: FileBytes,
    tensors: BTreeMap<String, Stored>,
    /// The names of renamed tensors in the file, by their names here.
    renamed: HashMap<String, String>,
}

struct Stored {
    shape: Shape,
    /// The name in safetensors files, of a supported dtype or not.
    dtype: String,
    data: Data,
}

enum Data {
    /// A range of the file's bytes, of the length that shape and dtype require.
    InFile(Range<usize>),
    Float32(Vec<f32>),
    /// Generated when it is read, with this gain; see [`generate`].
    Generated(f64),
}

impl Weights {
    /// Reads a safetensors file into memory and checks its header. [`Self::open_mmap`] takes less memory.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is not a safetensors file or
    /// is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = FileBytes::read(path, SAFETENSORS)?;
        Self::parse(path.display().to_string(), bytes)
    }

    /// Maps a safetensors file into memory and checks its header. Tensors are read from disk when they
    /// are used; see the [module's documentation](self#reading-and-memory-mapping).
    ///
    /// ```
    /// # use shadernet::tensor::Tensor;
    /// # use shadernet::weights::{Dtype, Weights, write_safetensors};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("model.safetensors");
    /// # write_safetensors(&path, [("a", &Tensor::zeros([1]))], Dtype::F32)?;
    /// // SAFETY: the file is in a folder of this process, and nothing changes it.
    /// let weights = unsafe { Weights::open_mmap(&path)? };
    /// assert_eq!(weights.read("a")?[..], [0.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    /// Until the weights are dropped, no process may modify or truncate the file. Renaming another file
    /// over it or removing it is allowed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub unsafe fn open_mmap(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        // SAFETY: the caller promises that the file does not change while these weights exist, which
        // own the map.
        let bytes = unsafe { FileBytes::map(path, SAFETENSORS)? };
        Self::parse(path.display().to_string(), bytes)
    }

    /// Parses a safetensors file in memory. Messages use `name` for the file.
    ///
    /// # Errors
    /// [`Error::File`] where `bytes` are not a safetensors file or a damaged one.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self> {
        Self::parse(name.into(), FileBytes::Owned(bytes))
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
            file: FileBytes::Owned(Vec::new()),
            tensors: tensors.map(|(name, data)| (name, stored(data))).collect(),
            renamed: HashMap::new(),
        }
    }

    fn parse(source: String, file: FileBytes) -> Result<Self> {
        let entries = header::parse(file.as_slice()).map_err(|r| Error::file(&source, r))?;
        let stored = |entry: header::Entry| {
            let stored = Stored {
                shape: entry.shape,
                dtype: entry.dtype,
                data: Data::InFile(entry.bytes),
            };
            (entry.name, stored)
        };
        Ok(Self {
            tensors: entries.into_iter().map(stored).collect(),
            renamed: HashMap::new(),
            source,
            file,
        })
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
        let problem = |reason| self.problem(format!("'{name}': {reason}"));
        let Some(stored) = self.tensors.get(name) else {
            return Err(self.problem(self.missing(name, self.names())));
        };
        let len = stored.shape.len();
        if range.start > range.end || range.end > len {
            return Err(problem(format!(
                "elements {range:?} were requested, but it holds {len}"
            )));
        }
        let bytes = match &stored.data {
            Data::Float32(data) => return Ok(Cow::Borrowed(&data[range])),
            Data::Generated(gain) => {
                return Ok(generate::values(name, &stored.shape, *gain, range).into());
            }
            Data::InFile(bytes) => &self.file.as_slice()[bytes.clone()],
        };
        let dtype = Dtype::from_safetensors(&stored.dtype)
            .ok_or_else(|| problem(check::unsupported_dtype(&stored.dtype)))?;
        // Within the tensor's bytes: `header` has checked that their length matches shape and dtype.
        let bytes = &bytes[range.start * dtype.size()..range.end * dtype.size()];
        Ok(match dtype {
            Dtype::F32 => elements(bytes, f32::from_le_bytes),
            Dtype::F16 => elements(bytes, f16::from_le_bytes).to_f32_vec().into(),
            Dtype::Bf16 => elements(bytes, bf16::from_le_bytes).to_f32_vec().into(),
        })
    }

    /// Releases the pages of a mapped file that have been read so far. Until then they count as this
    /// process's memory. They can be read again, only more slowly. Does nothing for weights in memory.
    pub(crate) fn release_pages(&self) {
        #[cfg(unix)]
        if let FileBytes::Mapped(map) = &self.file {
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

/// Little-endian bytes as elements: borrowed where they are aligned, decoded otherwise. A file's header
/// may have any length, so its data may be unaligned.
pub(crate) fn elements<T: AnyBitPattern, const SIZE: usize>(
    bytes: &[u8],
    decode: fn([u8; SIZE]) -> T,
) -> Cow<'_, [T]> {
    if cfg!(target_endian = "little")
        && let Ok(elements) = bytemuck::try_cast_slice(bytes)
    {
        return Cow::Borrowed(elements);
    }
    let (chunks, _) = bytes.as_chunks::<SIZE>();
    Cow::Owned(chunks.iter().map(|chunk| decode(*chunk)).collect())
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
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_at_any_alignment() {
        let numbers: Vec<f32> = (0..5).map(|i| i as f32 - 1.5).collect();
        for shift in 0..4 {
            let mut bytes = vec![0_u8; shift];
            bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
            assert_eq!(elements(&bytes[shift..], f32::from_le_bytes)[..], numbers);
        }
    }

    #[test]
    fn ranges_are_checked() {
        let tensor = Tensor::from_fn([2, 3], |i| i as f32);
        let weights = Weights::from_tensors("t", [("a".to_owned(), tensor)]);
        assert_eq!(weights.read_range("a", 2..4).unwrap()[..], [2.0, 3.0]);
        assert!(weights.read_range("a", 6..6).unwrap().is_empty());
        let text = weights.read_range("a", 4..7).unwrap_err().to_string();
        assert!(text.contains("4..7") && text.contains("holds 6"), "{text}");
        let text = weights.read("A").unwrap_err().to_string();
        assert!(text.contains("did you mean 'a'?"), "{text}");
    }
}
