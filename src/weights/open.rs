//! Opens files of weights.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::file_bytes::{FileBytes, FileKind};
use super::listing::quoted;
use super::shards::{self, Index};
use super::{Data, Stored, Weights, header, pytorch};
use crate::error::{Error, Result};

const SAFETENSORS: FileKind = FileKind {
    description: "a safetensors file",
    example: "model.safetensors",
};

impl Weights {
    /// Reads a safetensors file, or a checkpoint of `torch.save`, into memory and checks its header.
    /// [`Self::open_mmap`] takes less memory.
    ///
    /// Of a checkpoint, only tensors are read, whose names are the keys that lead to them, joined by dots; no code in it
    /// is run. Where training code keeps a network under a key of its own (`state_dict`, `model`, `model_ema`, …), only
    /// that is read, and an average of the weights rather than the last ones, as timm does.
    ///
    /// Weights in several files are opened by their index, whose name ends with `.index.json`: a JSON object in
    /// the format of the Hugging Face hub, whose `weight_map` names the file of each tensor, in the index's
    /// folder.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read; [`Error::File`] where it is not a safetensors file or is
    /// damaged, and where the files of an index do not hold the tensors that it lists.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path.as_ref(), |path| FileBytes::read(path, SAFETENSORS))
    }

    /// Maps a safetensors file, or those of an index, into memory and checks the header. Tensors are read from
    /// disk when they are used; see the [module's documentation](crate::weights#reading-and-memory-mapping).
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
    /// Until the weights are dropped, no process may modify or truncate the file, or the files that an index
    /// names. Renaming another file over one of them or removing it is allowed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub unsafe fn open_mmap(path: impl AsRef<Path>) -> Result<Self> {
        // SAFETY: the caller promises that the files do not change while these weights exist, which own the
        // maps.
        let map = |path: &Path| unsafe { FileBytes::map(path, SAFETENSORS) };
        Self::open_with(path.as_ref(), map)
    }

    /// Only names, shapes and dtypes: the headers are read, tensors cannot be.
    pub(crate) fn open_headers(path: &Path) -> Result<Self> {
        Self::open_with(path, |path| {
            let beginning =
                FileBytes::beginning(path, SAFETENSORS, header::LENGTH_BYTES, header::len)?;
            // The directory of an archive is at its end.
            match pytorch::is_archive(beginning.as_slice()) {
                true => FileBytes::read(path, SAFETENSORS),
                false => Ok(beginning),
            }
        })
    }

    /// The file at `path`, or the files of the index at `path`, opened by `open`.
    fn open_with(path: &Path, open: impl Fn(&Path) -> Result<FileBytes>) -> Result<Self> {
        let source = path.display().to_string();
        if !shards::is_index(path) {
            return Self::parse(source, open(path)?);
        }
        let index = Index::read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let names: Vec<&str> = index.files().into_iter().collect();
        let mut files = Vec::new();
        let mut contents = Vec::new();
        for name in &names {
            let shard = folder.join(name);
            if !shard.exists() {
                let reason = format!(
                    "its weight_map names {}, which is missing; download it into the same folder",
                    quoted(name)
                );
                return Err(Error::file(path, reason));
            }
            let file = open(&shard)?;
            contents.push(content(&file).map_err(|reason| Error::file(&shard, reason))?);
            files.push(Arc::new(file));
        }
        let tensors = contents.iter().map(|content| content.tensors.as_slice());
        (index.check(names.iter().copied().zip(tensors)))
            .map_err(|reason| Error::file(path, reason))?;
        Ok(Self::from_headers(source, files, contents))
    }

    /// Parses a safetensors file in memory: a vector, or what `include_bytes!` returns. Messages use `name` for
    /// the file.
    ///
    /// # Errors
    /// [`Error::File`] where `bytes` are not a safetensors file or a damaged one.
    pub fn from_bytes(
        name: impl Into<String>,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Result<Self> {
        Self::from_shared(name.into(), Arc::new(bytes.into()))
    }

    /// As [`Self::from_bytes`], without a copy.
    pub(crate) fn from_shared(name: String, bytes: Arc<Cow<'static, [u8]>>) -> Result<Self> {
        Self::parse(name, FileBytes::Shared(bytes))
    }

    fn parse(source: String, file: FileBytes) -> Result<Self> {
        let content = content(&file).map_err(|reason| Error::file(&source, reason))?;
        Ok(Self::from_headers(
            source,
            vec![Arc::new(file)],
            vec![content],
        ))
    }

    /// Files with their headers, in the same order.
    fn from_headers(
        source: String,
        files: Vec<Arc<FileBytes>>,
        headers: Vec<header::Content>,
    ) -> Self {
        let mut tensors = BTreeMap::new();
        let mut metadata = BTreeMap::new();
        for (file, content) in headers.into_iter().enumerate() {
            tensors.extend(content.tensors.into_iter().map(|entry| {
                let stored = Stored {
                    shape: entry.shape,
                    dtype: entry.dtype,
                    data: match entry.strides {
                        None => Data::InFile {
                            file,
                            bytes: entry.bytes,
                        },
                        Some(strides) => Data::Strided {
                            file,
                            bytes: entry.bytes,
                            strides,
                        },
                    },
                };
                (entry.name, stored)
            }));
            metadata.extend(content.metadata);
        }
        Self {
            source,
            files,
            tensors,
            metadata,
            renamed: HashMap::new(),
            place: None,
        }
    }
}

/// The tensors of a file, or what is wrong with it.
fn content(file: &FileBytes) -> Result<header::Content, String> {
    let bytes = file.as_slice();
    match pytorch::is_archive(bytes) {
        true => pytorch::parse(bytes),
        false => header::parse(bytes, file.file_len()),
    }
}
