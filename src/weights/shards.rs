//! Weights in several files: an index, as `model.safetensors.index.json` of the Hugging Face hub, names the
//! file of each tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde::Deserialize;

use super::header::Entry;
use super::listing::{listed, quoted};
use crate::error::{Error, Result};
use crate::util::read::read_file;

/// How the name of an index ends.
const ENDING: &str = ".index.json";
/// More than any index needs; a header of one file may have as many bytes.
const MAX_INDEX_BYTES: u64 = 100_000_000;

/// An index that has been read.
#[derive(Deserialize)]
pub(super) struct Index {
    /// The file of each tensor, by its name.
    weight_map: BTreeMap<String, String>,
}

/// Whether the file at `path` is an index, by its name.
pub(super) fn is_index(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.ends_with(ENDING))
}

impl Index {
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is not an index, or names a file
    /// that is not next to it.
    pub fn read(path: &Path) -> Result<Self> {
        let expected = "an index of safetensors files";
        let bytes = read_file(path, expected, MAX_INDEX_BYTES)?;
        let index: Self = serde_json::from_slice(&bytes).map_err(|error| {
            let reason = format!(
                "{expected} was expected: a JSON object with a weight_map from each tensor's name to its file"
            );
            Error::file_caused_by(path, reason, error)
        })?;
        match index.files().iter().find(|file| !is_file_name(file)) {
            Some(file) => Err(Error::file(
                path,
                format!(
                    "its weight_map names {}; the name of a file in the same folder was expected",
                    quoted(file)
                ),
            )),
            None => Ok(index),
        }
    }

    /// The files, each once.
    pub fn files(&self) -> BTreeSet<&str> {
        self.weight_map.values().map(String::as_str).collect()
    }

    /// Checks that `files`, by name and with the tensors of their headers, hold the tensors of this index,
    /// each where the index says.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a str, &'a [Entry])>,
    ) -> Result<(), String> {
        let mut absent: BTreeSet<(&str, &str)> = (self.weight_map.iter())
            .map(|(name, file)| (file.as_str(), name.as_str()))
            .collect();
        let advice =
            "the files belong to different checkpoints, or one is damaged: download them again";
        for (file, entries) in files {
            let unlisted = entries.iter().map(|entry| entry.name.as_str());
            let unlisted: Vec<&str> = unlisted
                .filter(|name| !absent.remove(&(file, name)))
                .collect();
            if !unlisted.is_empty() {
                return Err(format!(
                    "its weight_map does not list these tensors of {}: {}; {advice}",
                    quoted(file),
                    listed(unlisted)
                ));
            }
        }
        match absent.first() {
            None => Ok(()),
            Some((file, _)) => {
                let names = absent.iter().filter(|(other, _)| other == file);
                Err(format!(
                    "its weight_map lists tensors that {} does not hold: {}; {advice}",
                    quoted(file),
                    listed(names.map(|(_, name)| *name))
                ))
            }
        }
    }
}

/// Whether this is the name of a file, not a path to another folder, on any system.
fn is_file_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let is_one = matches!(components.next(), Some(Component::Normal(only)) if only == name);
    is_one && components.next().is_none() && !name.contains(['/', '\\', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_folders_are_no_file_names() {
        assert!(is_file_name("model-00001-of-00002.safetensors"));
        for path in [
            "",
            ".",
            "..",
            "../a",
            "/etc/passwd",
            "a/b",
            "a/",
            "./a",
            "..\\a",
            "C:a",
            "C:\\a",
        ] {
            assert!(!is_file_name(path), "{path}");
        }
    }
}
