//! A file's bytes, read or memory-mapped.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::{Error, Result};

/// The bytes of a file.
pub(crate) enum FileBytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
    /// Of a program's own, which several may share.
    Shared(Arc<Cow<'static, [u8]>>),
    /// Its first bytes only, of a file of this length.
    Beginning(Vec<u8>, usize),
}

/// What a file is expected to be, for messages.
#[derive(Clone, Copy)]
pub(crate) struct FileKind {
    /// With its article: `a safetensors file`.
    pub description: &'static str,
    /// A typical file name.
    pub example: &'static str,
}

impl FileBytes {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path, kind: FileKind) -> Result<Self> {
        check_is_file(path, kind)?;
        Ok(Self::Owned(fs::read(path).map_err(Error::io(path))?))
    }

    /// Maps the file at `path`.
    ///
    /// # Safety
    /// The file must not be modified or truncated, by any process, before the bytes are dropped.
    pub(crate) unsafe fn map(path: &Path, kind: FileKind) -> Result<Self> {
        check_is_file(path, kind)?;
        let file = fs::File::open(path).map_err(Error::io(path))?;
        if file.metadata().map_err(Error::io(path))?.len() == 0 {
            // Some systems refuse empty maps; the parser reports an empty file.
            return Ok(Self::Owned(Vec::new()));
        }
        // SAFETY: the map is read-only, and the caller promises that the file does not change.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path))?;
        Ok(Self::Mapped(map))
    }

    /// Reads as much of the beginning of the file at `path` as `len` tells from the first `probe` bytes; only
    /// those where it tells nothing.
    pub(crate) fn beginning(
        path: &Path,
        kind: FileKind,
        probe: usize,
        len: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Self> {
        check_is_file(path, kind)?;
        let read = || -> io::Result<Self> {
            let mut file = fs::File::open(path)?;
            let file_len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            let mut bytes = Vec::new();
            file.by_ref().take(probe as u64).read_to_end(&mut bytes)?;
            if let Some(len) = len(&bytes) {
                file.rewind()?;
                bytes.clear();
                file.take(len as u64).read_to_end(&mut bytes)?;
            }
            Ok(Self::Beginning(bytes, file_len))
        };
        read().map_err(Error::io(path))
    }

    /// The bytes that are there.
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) | Self::Beginning(bytes, _) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    /// The length of the file.
    pub(crate) fn file_len(&self) -> usize {
        match self {
            Self::Beginning(_, len) => *len,
            whole => whole.as_slice().len(),
        }
    }
}

/// Refuses folders, pipes and devices.
fn check_is_file(
    path: &Path,
    FileKind {
        description,
        example,
    }: FileKind,
) -> Result<()> {
    let metadata = fs::metadata(path).map_err(Error::io(path))?;
    if metadata.is_dir() {
        return Err(Error::file(
            path,
            format!(
                "expected {description}, found a folder; name the file in it, such as {example}"
            ),
        ));
    }
    if !metadata.is_file() {
        return Err(Error::file(
            path,
            format!("expected {description}, found a pipe or device; copy it to a file first"),
        ));
    }
    Ok(())
}
