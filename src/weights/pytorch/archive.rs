//! The zip archive that `torch.save` writes: `NAME/data.pkl`, and the bytes of each storage as `NAME/data/KEY`, not
//! compressed.

use std::collections::HashMap;
use std::ops::Range;

use rawzip::{CompressionMethod, ZipArchive};

use super::super::listing::quoted;

/// Where the files of an archive are, by their names without the folder that all are in.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    files: HashMap<String, Range<usize>>,
    /// The first that is compressed.
    compressed: Option<String>,
}

/// More files than a checkpoint has tensors.
const MAX_FILES: usize = 1 << 20;

impl<'a> Archive<'a> {
    /// Reads the archive's directory.
    pub fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let damaged = |error: rawzip::Error| {
            format!(
                "a PyTorch checkpoint or other zip archive that is damaged or truncated: {error}; download or save it again"
            )
        };
        let archive = ZipArchive::from_slice(bytes).map_err(damaged)?;
        let mut entries = archive.entries();
        let mut files = HashMap::new();
        let mut compressed = None;
        while let Some(header) = entries.next_entry().map_err(damaged)? {
            if header.is_dir() {
                continue;
            }
            let path = String::from_utf8_lossy(header.file_path().as_bytes()).into_owned();
            if header.compression_method() != CompressionMethod::STORE {
                compressed.get_or_insert(path.clone());
            }
            let entry = archive.get_entry(header.wayfinder()).map_err(damaged)?;
            let (start, end) = entry.compressed_data_range();
            let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
            let range = range.filter(|&(start, end)| bytes.get(start..end).is_some());
            let (start, end) =
                range.ok_or_else(|| format!("{} is not in the file", quoted(&path)))?;
            // All are in a folder that is named like the file that was saved.
            let name = path.split_once('/').map_or(path.as_str(), |(_, name)| name);
            if files.len() >= MAX_FILES {
                return Err(format!("its zip archive has more than {MAX_FILES} files"));
            }
            if files.insert(name.to_owned(), start..end).is_some() {
                return Err(format!("its zip archive has {} twice", quoted(&path)));
            }
        }
        Ok(Self {
            bytes,
            files,
            compressed,
        })
    }

    /// Refuses archives of compressed files, which could be of any size. `torch.save` stores them as they are.
    pub fn expect_stored(&self) -> Result<(), String> {
        match &self.compressed {
            None => Ok(()),
            Some(path) => Err(format!(
                "{} is compressed; torch.save stores files as they are: save it with torch.save, not with a zip program",
                quoted(path)
            )),
        }
    }

    /// The bytes of a file.
    pub fn file(&self, name: &str) -> Option<&'a [u8]> {
        self.bytes.get(self.place(name)?)
    }

    /// Where a file's bytes are in the archive.
    pub fn place(&self, name: &str) -> Option<Range<usize>> {
        self.files.get(name).cloned()
    }

    /// Whether there is a file below this folder.
    pub fn has_folder(&self, folder: &str) -> bool {
        self.files.keys().any(|name| name.starts_with(folder))
    }
}
