use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use serde::{Serialize, Serializer};

use super::header::{LENGTH_BYTES, METADATA, bits};
use super::listing::quoted;
use super::{Dtype, Stored, Weights};
use crate::error::{Error, Result};
use crate::output_file::OutputFile;
use crate::tensor::Tensor;

/// Writes tensors to a safetensors file at `path`, with all elements converted to `dtype`, one of
/// [`Dtype::WRITABLE`]; values beyond the range of float16 become infinity.
///
/// The file is written as [`crate::output_file`] says: `path` never holds a partial file, and a pipe or device
/// is written to directly.
///
/// # Errors
/// As [`OutputFile::check`]; [`Error::File`] where two tensors have the same name; [`Error::Inputs`] where
/// `dtype` can only be read.
///
/// ```
/// use shadernet::tensor::Tensor;
/// use shadernet::weights::{Dtype, Weights, write_safetensors};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("output.safetensors");
/// let tensor = Tensor::new([2], vec![0.5, -1.0])?;
/// write_safetensors(&path, [("output.0", &tensor)], Dtype::F32)?;
/// assert_eq!(Weights::open(&path)?.read("output.0")?[..], [0.5, -1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_safetensors<'a, S: Into<String>>(
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = (S, &'a Tensor)>,
    dtype: Dtype,
) -> Result<()> {
    check_writable(dtype)?;
    let (entries, tensors): (Vec<Entry>, Vec<&Tensor>) = tensors
        .into_iter()
        .map(|(name, tensor)| {
            let entry = Entry::converted(name.into(), tensor.shape().dims(), dtype);
            (entry, tensor)
        })
        .unzip();
    write_entries(path.as_ref(), &entries, &BTreeMap::new(), |i| {
        Ok(Elements::Convert(Cow::Borrowed(tensors[i].data()), dtype))
    })
}

impl Weights {
    /// Writes all tensors to a safetensors file at `path`: those of two or more dimensions as `matrices`, one
    /// of [`Dtype::WRITABLE`], vectors as float32. Vectors are biases and batch norms, about a hundredth of all
    /// elements; their smallest variances are below the range of float16. Tensors that are not of a type in
    /// [`Dtype::ALL`], such as counters, are written as they are. The file's `__metadata__` is kept; where it
    /// does not name the format, PyTorch's is added, which other loaders expect.
    ///
    /// As with [`write_safetensors`], `path` never holds a partial file. Tensors are converted one at a
    /// time.
    ///
    /// # Errors
    /// As [`OutputFile::check`]; [`Error::Weights`] where a tensor has a value beyond the range of `matrices`;
    /// [`Error::Inputs`] where `matrices` can only be read.
    ///
    /// ```
    /// use shadernet::tensor::Tensor;
    /// use shadernet::weights::{Dtype, Weights};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("half.safetensors");
    /// let tensors = [
    ///     ("fc.weight".to_owned(), Tensor::new([1, 2], vec![0.5, 0.1])?),
    ///     ("fc.bias".to_owned(), Tensor::new([1], vec![0.1])?),
    /// ];
    /// Weights::from_tensors("by hand", tensors).save(&path, Dtype::F16)?;
    /// let half = Weights::open(&path)?;
    /// assert_eq!(half.read("fc.weight")?[..], [0.5, 0.099975586]);
    /// assert_eq!(half.read("fc.bias")?[..], [0.1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>, matrices: Dtype) -> Result<SavedWeights> {
        check_writable(matrices)?;
        let converted = |stored: &Stored| -> Option<Dtype> {
            Dtype::from_safetensors(&stored.dtype)?;
            Some(match stored.shape.rank() {
                0 | 1 => Dtype::F32,
                _ => matrices,
            })
        };
        let mut tensors: Vec<(Entry, &Stored)> = (self.tensors.iter())
            .map(|(name, stored)| {
                let entry = match converted(stored) {
                    Some(dtype) => Entry::converted(name.clone(), stored.shape.dims(), dtype),
                    None => Entry {
                        name: name.clone(),
                        dtype: stored.dtype.clone().into(),
                        shape: stored.shape.dims(),
                        bytes: stored.byte_len(),
                    },
                };
                (entry, stored)
            })
            .collect();
        // Tensors with larger elements first, so that all are aligned.
        tensors.sort_by_key(|(entry, _)| std::cmp::Reverse(bits(&entry.dtype)));
        let (entries, tensors): (Vec<Entry>, Vec<&Stored>) = tensors.into_iter().unzip();
        let is_matrix = |(entry, stored): &(&Entry, &&Stored)| {
            entry.dtype == matrices.safetensors() && stored.shape.rank() > 1
        };
        let saved = SavedWeights {
            tensors: entries.len(),
            matrices: entries.iter().zip(&tensors).filter(is_matrix).count(),
            bytes: (entries.iter().filter_map(|entry| entry.bytes)).fold(0, u64_sum),
        };
        write_entries(path.as_ref(), &entries, &self.metadata, |i| {
            let (name, stored) = (&entries[i].name, tensors[i]);
            let Some(dtype) = converted(stored) else {
                let bytes = self.all_bytes(stored).unwrap_or_default();
                return Ok(Elements::Copy(bytes));
            };
            let data = self.read(name)?;
            self.check_range(name, &data, dtype)?;
            Ok(Elements::Convert(data, dtype))
        })?;
        Ok(saved)
    }

    /// Writes the elements of the tensor `name` as `dtype` to `out`, of the file `path`, in parts: no tensor is in
    /// memory as a whole.
    #[cfg(feature = "onnx")]
    pub(crate) fn write_elements(
        &self,
        name: &str,
        dtype: Dtype,
        out: &mut impl Write,
        path: &Path,
    ) -> Result<()> {
        let len = self.shape(name).map_or(0, crate::tensor::Shape::len);
        for start in (0..len).step_by(PART) {
            let data = self.read_range(name, start..start.saturating_add(PART).min(len))?;
            self.check_range(name, &data, dtype)?;
            write_elements(out, &data, dtype).map_err(Error::write(path))?;
        }
        Ok(())
    }

    /// Refuses finite values that would not be finite as `dtype`.
    fn check_range(&self, name: &str, data: &[f32], dtype: Dtype) -> Result<()> {
        match data.iter().find(|x| x.is_finite() && !fits(**x, dtype)) {
            Some(x) => Err(self.problem(format!(
                "{}: {x} is beyond the range of {dtype}; keep it as float32",
                quoted(name)
            ))),
            None => Ok(()),
        }
    }
}

/// The elements that [`Weights::write_elements`] reads at once.
#[cfg(feature = "onnx")]
const PART: usize = 1 << 24;

/// What [`Weights::save`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedWeights {
    /// The number of tensors.
    pub tensors: usize,
    /// How many of them have two or more dimensions, and are stored as asked.
    pub matrices: usize,
    /// The bytes of all elements.
    pub bytes: u64,
}

fn u64_sum(sum: u64, bytes: usize) -> u64 {
    sum.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX))
}

fn check_writable(dtype: Dtype) -> Result<()> {
    match Dtype::WRITABLE.contains(&dtype) {
        true => Ok(()),
        false => {
            let [f32, f16, bf16] = Dtype::WRITABLE;
            Err(Error::Inputs(format!(
                "tensors are written as {f32}, {f16} or {bf16}; {dtype} can only be read"
            )))
        }
    }
}

/// Whether a finite value stays finite as `dtype`.
fn fits(x: f32, dtype: Dtype) -> bool {
    match dtype {
        Dtype::F16 => f16::from_f32(x).is_finite(),
        Dtype::Bf16 => bf16::from_f32(x).is_finite(),
        _ => true,
    }
}

/// A tensor to write.
struct Entry<'a> {
    name: String,
    /// The name in safetensors files.
    dtype: Cow<'static, str>,
    shape: &'a [usize],
    /// `None` where there are more than can be addressed.
    bytes: Option<usize>,
}

impl<'a> Entry<'a> {
    /// A tensor whose elements are converted to `dtype`.
    fn converted(name: String, shape: &'a [usize], dtype: Dtype) -> Self {
        let bytes = (shape.iter()).try_fold(dtype.size(), |bytes, &dim| bytes.checked_mul(dim));
        Self {
            name,
            dtype: dtype.safetensors().into(),
            shape,
            bytes,
        }
    }
}

/// The elements of a tensor to write.
enum Elements<'a> {
    Convert(Cow<'a, [f32]>, Dtype),
    /// In bytes, as they are.
    Copy(Cow<'a, [u8]>),
}

/// Writes the tensors of `entries`; `read` returns the elements of an entry by its index.
fn write_entries<'a>(
    path: &Path,
    entries: &[Entry],
    metadata: &BTreeMap<String, String>,
    mut read: impl FnMut(usize) -> Result<Elements<'a>>,
) -> Result<()> {
    let header = header(entries, metadata).map_err(|r| Error::file(path, r))?;
    let mut out = BufWriter::with_capacity(1 << 20, OutputFile::create(path)?);
    let failed = || Error::write(path);
    out.write_all(&(header.len() as u64).to_le_bytes())
        .map_err(failed())?;
    out.write_all(&header).map_err(failed())?;
    for i in 0..entries.len() {
        match read(i)? {
            Elements::Convert(elements, dtype) => write_elements(&mut out, &elements, dtype),
            Elements::Copy(bytes) => out.write_all(&bytes),
        }
        .map_err(failed())?;
    }
    let file = out.into_inner();
    let file = file.map_err(|error| failed()(error.into_error()))?;
    file.finish()
}

/// The JSON header, padded so that the data after it is aligned for every dtype.
fn header(entries: &[Entry], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
    let mut sorted: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    sorted.sort_unstable();
    if let Some([name, _]) = sorted.array_windows().find(|[a, b]| a == b) {
        return Err(format!(
            "two tensors are named {}; give each its own name",
            quoted(name)
        ));
    }
    if let Some(entry) = entries.iter().find(|entry| entry.name == METADATA) {
        return Err(format!(
            "a tensor is named '{}', which the format reserves; rename it",
            entry.name
        ));
    }
    let mut metadata = metadata.clone();
    metadata
        .entry("format".to_owned())
        .or_insert_with(|| "pt".to_owned());
    let mut tensors = Vec::with_capacity(entries.len());
    let mut start = 0_usize;
    for entry in entries {
        let end = entry.bytes.and_then(|bytes| start.checked_add(bytes));
        let end = end.ok_or("its tensors are larger than any file")?;
        let tensor = TensorInfo {
            dtype: &entry.dtype,
            shape: entry.shape,
            data_offsets: [start, end],
        };
        tensors.push((entry.name.as_str(), tensor));
        start = end;
    }
    let mut json = serde_json::to_vec(&Header { metadata, tensors }).map_err(|e| e.to_string())?;
    json.resize(json.len().next_multiple_of(LENGTH_BYTES), b' ');
    Ok(json)
}

/// A header as JSON.
struct Header<'a> {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(&'a str, TensorInfo<'a>)>,
}

#[derive(Serialize)]
struct TensorInfo<'a> {
    dtype: &'a str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Value<'a> {
            Metadata(&'a BTreeMap<String, String>),
            Tensor(&'a TensorInfo<'a>),
        }
        let metadata = (METADATA, Value::Metadata(&self.metadata));
        let tensors = (self.tensors.iter()).map(|(name, tensor)| (*name, Value::Tensor(tensor)));
        serializer.collect_map(std::iter::once(metadata).chain(tensors))
    }
}

fn write_elements(out: &mut impl Write, elements: &[f32], dtype: Dtype) -> io::Result<()> {
    for &x in elements {
        match dtype {
            Dtype::F16 => out.write_all(&f16::from_f32(x).to_le_bytes())?,
            Dtype::Bf16 => out.write_all(&bf16::from_f32(x).to_le_bytes())?,
            // `check_writable` leaves float32 only.
            _ => out.write_all(&x.to_le_bytes())?,
        }
    }
    Ok(())
}
