//! The numbers a network has learned: safetensors files, memory-mapped, and tensors by name.
//!
//! [`Weights::check`] holds them against a graph and lists everything that does not fit at once;
//! [`Weights::read`] answers a tensor as float32, borrowed from the file where it is stored so.
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
pub mod generate;
mod header;
mod write;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;

use bytemuck::AnyBitPattern;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use memmap2::Mmap;

pub use check::Checked;
pub(crate) use dialect::Dialect;
pub use dtype::Dtype;
pub use write::write_safetensors;

use crate::error::{Error, Result};
use crate::tensor::{Shape, Tensor};

/// Tensors by name, in a file or in memory.
pub struct Weights {
    source: String,
    file: FileBytes,
    tensors: BTreeMap<String, Stored>,
    /// What tensors are called in the file, where that is not what they are called here.
    renamed: HashMap<String, String>,
}

/// The bytes that [`Data::InFile`] points into.
pub(crate) enum FileBytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

struct Stored {
    shape: Shape,
    /// What safetensors calls it, be it one that is read or not.
    dtype: String,
    data: Data,
}

enum Data {
    /// A range of the file's bytes, of the length that shape and dtype ask for.
    InFile(Range<usize>),
    Float32(Vec<f32>),
    /// Made when it is read; the gain of [`generate`].
    Generated(f64),
}

impl Weights {
    /// Opens a safetensors file. The header is read and checked; the tensors are mapped, and read
    /// from the disk when they are asked for.
    ///
    /// The file must not be cut short while it is in use: the operating system would end the
    /// process. Replacing it by renaming another over it is fine.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be opened, [`Error::File`] where it is no safetensors
    /// file or a damaged one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = FileBytes::open(path, "a safetensors file", "model.safetensors")?;
        Self::parse(path.display().to_string(), bytes)
    }

    /// Reads a safetensors file that is in memory already; `name` stands for the file in messages.
    ///
    /// # Errors
    /// [`Error::File`] where `bytes` are no safetensors file or a damaged one.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self> {
        Self::parse(name.into(), FileBytes::Owned(bytes))
    }

    /// Weights of tensors in memory; `name` stands for a file in messages. Of tensors of one name,
    /// the last is kept.
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

    /// Weights that are not in a file.
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

    /// The file, or the name the weights were given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of all tensors, in alphabetical order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor's shape.
    pub fn shape(&self, name: &str) -> Option<&Shape> {
        self.tensors.get(name).map(|t| &t.shape)
    }

    /// A tensor's dtype, where it is one that is read.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        Dtype::from_safetensors(self.dtype_name(name)?)
    }

    /// What safetensors calls a tensor's dtype, be it one that is read (`F16`) or not (`I64`).
    pub fn dtype_name(&self, name: &str) -> Option<&str> {
        self.tensors.get(name).map(|t| t.dtype.as_str())
    }

    /// A tensor's elements in row-major order: borrowed where they are stored as float32 in a way
    /// this machine can read in place, converted otherwise.
    ///
    /// # Errors
    /// [`Error::Weights`] where there is no such tensor, or its dtype cannot be read.
    pub fn read(&self, name: &str) -> Result<Cow<'_, [f32]>> {
        let len = self.shape(name).map_or(0, Shape::len);
        self.read_range(name, 0..len)
    }

    /// A range of a tensor's elements, so that a large one can be read piece by piece.
    ///
    /// # Errors
    /// As [`Weights::read`], and where the range leaves the tensor.
    pub fn read_range(&self, name: &str, range: Range<usize>) -> Result<Cow<'_, [f32]>> {
        let problem = |reason| self.problem(format!("'{name}': {reason}"));
        let Some(stored) = self.tensors.get(name) else {
            return Err(self.problem(self.missing(name, self.names())));
        };
        let len = stored.shape.len();
        if range.start > range.end || range.end > len {
            return Err(problem(format!(
                "elements {range:?} were asked for, but it holds {len}"
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
            .ok_or_else(|| problem(check::unreadable(&stored.dtype)))?;
        // Within the tensor's bytes: `header` saw that they are as many as shape and dtype need.
        let bytes = &bytes[range.start * dtype.size()..range.end * dtype.size()];
        Ok(match dtype {
            Dtype::F32 => elements(bytes, f32::from_le_bytes),
            Dtype::F16 => elements(bytes, f16::from_le_bytes).to_f32_vec().into(),
            Dtype::Bf16 => elements(bytes, bf16::from_le_bytes).to_f32_vec().into(),
        })
    }

    /// Says that what was read so far will not be read again soon: pages of a mapped file count as
    /// this process's memory until then. Reading them again is only slower.
    pub(crate) fn release_pages(&self) {
        #[cfg(unix)]
        if let FileBytes::Mapped(map) = &self.file {
            // SAFETY: the map is shared and read-only, so that its pages are the file's and are
            // mapped again, the same, when they are touched.
            let done = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
            if let Err(error) = done {
                tracing::debug!("{}: pages are kept: {error}", self.source);
            }
        }
    }

    /// An [`Error::Weights`] of one problem.
    fn problem(&self, problem: String) -> Error {
        Error::Weights {
            source_name: self.source.clone(),
            problems: vec![problem],
        }
    }
}

/// Little-endian bytes as elements: in place where they lie aligned, decoded otherwise. A file's
/// header may have any length, so that nothing after it need be aligned.
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

impl FileBytes {
    /// Maps the file at `path`, which is to be `what`, such as `example`.
    pub(crate) fn open(path: &Path, what: &str, example: &str) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(Error::io(path))?;
        if metadata.is_dir() {
            return Err(Error::file(
                path,
                format!("expected {what}, found a folder; name the file in it, such as {example}"),
            ));
        }
        // Pipes and devices cannot be mapped.
        if !metadata.is_file() {
            return Err(Error::file(
                path,
                format!("expected {what}, found a pipe or device; copy it to a file first"),
            ));
        }
        let file = fs::File::open(path).map_err(Error::io(path))?;
        if metadata.len() == 0 {
            // An empty map is an error on some systems; an empty file is one to who reads it.
            return Ok(Self::Owned(Vec::new()));
        }
        // SAFETY: the map is read-only and private to the reader that asked for it, which hands out
        // nothing that outlives it. What remains is that another process may write the file while
        // it is mapped: every value read from it is a number for which any bit pattern is valid,
        // and headers are parsed once, into memory of our own. Cutting the file short is documented
        // at `Weights::open`, and is what every reader of mapped weights accepts.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path))?;
        Ok(Self::Mapped(map))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
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
        assert!(text.contains("there is 'a'"), "{text}");
    }
}
