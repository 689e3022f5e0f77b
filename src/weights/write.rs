use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype as FileDtype, Metadata, TensorInfo};

use super::Dtype;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Writes tensors as a safetensors file at `path`, every element as `dtype`; float16 takes what is
/// beyond its range to infinity.
///
/// A file is written under another name in the same folder and renamed when complete, so that
/// `path` never holds half of one. A pipe or device is written to directly.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written; [`Error::File`] where `path` is a folder or a
/// tensor's name stands twice.
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
    let path = path.as_ref();
    let (names, tensors): (Vec<String>, Vec<&Tensor>) = tensors
        .into_iter()
        .map(|(name, tensor)| (name.into(), tensor))
        .unzip();
    let header = header(names, &tensors, dtype).map_err(|r| Error::file(path, r))?;
    let write = |file: &File| -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for tensor in &tensors {
            write_elements(&mut out, tensor.data(), dtype)?;
        }
        out.flush()
    };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(Error::file(
            path,
            "expected a file to write to, found a folder; name a file in it",
        )),
        // Renaming a file over /dev/null or a named pipe would destroy it.
        Ok(found) if !found.is_file() => {
            let file = File::options().write(true).open(path);
            file.and_then(|file| write(&file)).map_err(Error::io(path))
        }
        _ => {
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            if !folder.is_dir() {
                let folder = folder.display();
                return Err(Error::file(
                    path,
                    format!("there is no folder {folder} to write it to; make one first"),
                ));
            }
            write_beside(path, folder, write).map_err(Error::io(path))
        }
    }
}

/// Lets `write` fill a temporary file in `folder`, where `path` is, then renames it to `path`.
fn write_beside(
    path: &Path,
    folder: &Path,
    write: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".shadernet-").suffix(".tmp");
    // Temporary files are the owner's alone unless told otherwise; results are like any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder).map_err(|error| {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match error.kind() {
            // Without the temporary file's name, which the caller never asked for.
            kind @ (PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull) => {
                kind.into()
            }
            _ => error,
        }
    })?;
    write(file.as_file())?;
    file.persist(path)?;
    Ok(())
}

/// The JSON header, padded so that what follows is aligned for every dtype.
fn header(names: Vec<String>, tensors: &[&Tensor], dtype: Dtype) -> Result<Vec<u8>, String> {
    let file_dtype = match dtype {
        Dtype::F32 => FileDtype::F32,
        Dtype::F16 => FileDtype::F16,
        Dtype::Bf16 => FileDtype::BF16,
    };
    let mut sorted = names.clone();
    sorted.sort_unstable();
    if let Some([name, _]) = sorted.array_windows().find(|[a, b]| a == b) {
        return Err(format!(
            "tensor '{name}' cannot be written twice; give each its own name"
        ));
    }
    let mut end = 0;
    let infos = tensors.iter().map(|tensor| {
        let start = end;
        end += tensor.data().len() * dtype.size();
        TensorInfo {
            dtype: file_dtype,
            shape: tensor.shape().dims().to_vec(),
            data_offsets: (start, end),
        }
    });
    let infos = names.into_iter().zip(infos).collect();
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
