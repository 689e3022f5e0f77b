use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype as FileDtype, Metadata, TensorInfo};

use super::{Dtype, Weights};
use crate::error::{Error, Result};
use crate::output_file::OutputFile;
use crate::tensor::{Shape, Tensor};

/// Writes tensors to a safetensors file at `path`, with all elements converted to `dtype`; values beyond
/// the range of float16 become infinity.
///
/// The file is written as [`crate::output_file`] says: `path` never holds a partial file, and a pipe or device
/// is written to directly.
///
/// # Errors
/// As [`OutputFile::check`]; [`Error::File`] where two tensors have the same name.
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
    let (entries, tensors): (Vec<Entry>, Vec<&Tensor>) = tensors
        .into_iter()
        .map(|(name, tensor)| {
            let entry = Entry {
                name: name.into(),
                shape: tensor.shape().clone(),
                dtype,
            };
            (entry, tensor)
        })
        .unzip();
    write_entries(path.as_ref(), entries, |i| {
        Ok(Cow::Borrowed(tensors[i].data()))
    })
}

impl Weights {
    /// Writes all tensors to a safetensors file at `path`: those of two or more dimensions as `matrices`,
    /// vectors as float32. Vectors are biases and batch norms, about a hundredth of all elements; their
    /// smallest variances are below the range of float16. PyTorch's counters `num_batches_tracked`, which
    /// carry no information, are omitted.
    ///
    /// As with [`write_safetensors`], `path` never holds a partial file. Tensors are converted one at a
    /// time.
    ///
    /// # Errors
    /// As [`OutputFile::check`]; [`Error::Weights`] where a tensor has an unsupported dtype or a value beyond
    /// the range of `matrices`.
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
    pub fn save(&self, path: impl AsRef<Path>, matrices: Dtype) -> Result<()> {
        let names =
            (self.tensors.iter()).filter(|(name, _)| !name.ends_with("num_batches_tracked"));
        let mut entries: Vec<Entry> = names
            .map(|(name, stored)| Entry {
                name: name.clone(),
                shape: stored.shape.clone(),
                dtype: match stored.shape.rank() {
                    0 | 1 => Dtype::F32,
                    _ => matrices,
                },
            })
            .collect();
        // Tensors with larger elements first, so that all are aligned.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.dtype.size()));
        let unsupported = (entries.iter()).filter(|entry| self.dtype(&entry.name).is_none());
        let problems: Vec<String> = unsupported
            .map(|entry| {
                let dtype = self.dtype_name(&entry.name).unwrap_or_default();
                format!(
                    "'{}': {}",
                    entry.name,
                    super::check::unsupported_dtype(dtype)
                )
            })
            .collect();
        if !problems.is_empty() {
            return Err(Error::Weights {
                source_name: self.source.clone(),
                problems,
            });
        }
        let listed: Vec<(String, Dtype)> = (entries.iter())
            .map(|entry| (entry.name.clone(), entry.dtype))
            .collect();
        write_entries(path.as_ref(), entries, |i| {
            let (name, dtype) = &listed[i];
            let data = self.read(name)?;
            match data.iter().find(|x| x.is_finite() && !fits(**x, *dtype)) {
                Some(x) => Err(self.problem(format!(
                    "'{name}': {x} is beyond the range of {dtype}; keep it as float32"
                ))),
                None => Ok(data),
            }
        })
    }
}

/// Whether a finite value stays finite as `dtype`.
fn fits(x: f32, dtype: Dtype) -> bool {
    match dtype {
        Dtype::F32 => true,
        Dtype::F16 => f16::from_f32(x).is_finite(),
        Dtype::Bf16 => bf16::from_f32(x).is_finite(),
    }
}

/// A tensor to write.
struct Entry {
    name: String,
    shape: Shape,
    dtype: Dtype,
}

/// Writes the tensors of `entries`; `read` returns the elements of an entry by its index.
fn write_entries<'a>(
    path: &Path,
    entries: Vec<Entry>,
    mut read: impl FnMut(usize) -> Result<Cow<'a, [f32]>>,
) -> Result<()> {
    let header = header(&entries).map_err(|r| Error::file(path, r))?;
    let mut out = BufWriter::with_capacity(1 << 20, OutputFile::create(path)?);
    let failed = || Error::write(path);
    out.write_all(&(header.len() as u64).to_le_bytes())
        .map_err(failed())?;
    out.write_all(&header).map_err(failed())?;
    for (i, entry) in entries.iter().enumerate() {
        write_elements(&mut out, &read(i)?, entry.dtype).map_err(failed())?;
    }
    let file = out.into_inner();
    let file = file.map_err(|error| failed()(error.into_error()))?;
    file.finish()
}

/// The JSON header, padded so that the data after it is aligned for every dtype.
fn header(entries: &[Entry]) -> Result<Vec<u8>, String> {
    let mut sorted: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    sorted.sort_unstable();
    if let Some([name, _]) = sorted.array_windows().find(|[a, b]| a == b) {
        return Err(format!(
            "two tensors are named '{name}'; give each its own name"
        ));
    }
    let mut end = 0;
    let infos = entries.iter().map(|entry| {
        let start = end;
        end += entry.shape.len() * entry.dtype.size();
        let info = TensorInfo {
            dtype: match entry.dtype {
                Dtype::F32 => FileDtype::F32,
                Dtype::F16 => FileDtype::F16,
                Dtype::Bf16 => FileDtype::BF16,
            },
            shape: entry.shape.dims().to_vec(),
            data_offsets: (start, end),
        };
        (entry.name.clone(), info)
    });
    let infos = infos.collect();
    let metadata = Metadata::new(None, infos).map_err(|e| e.to_string())?;
    let mut json = serde_json::to_vec(&metadata).map_err(|e| e.to_string())?;
    json.resize(json.len().next_multiple_of(8), b' ');
    Ok(json)
}

fn write_elements(out: &mut impl Write, elements: &[f32], dtype: Dtype) -> io::Result<()> {
    for &x in elements {
        match dtype {
            Dtype::F32 => out.write_all(&x.to_le_bytes())?,
            Dtype::F16 => out.write_all(&f16::from_f32(x).to_le_bytes())?,
            Dtype::Bf16 => out.write_all(&bf16::from_f32(x).to_le_bytes())?,
        }
    }
    Ok(())
}
