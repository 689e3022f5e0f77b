//! Model folders that are being written.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::output_file::{TemporaryFolder, folder_of, follow_links};

/// A folder under construction, with a temporary name in its target's parent. It is removed unless
/// [`Self::finish`] is called.
pub(super) struct UnfinishedFolder {
    temporary: TemporaryFolder,
    /// As it was given, for errors.
    path: PathBuf,
    /// With symbolic links followed.
    target: PathBuf,
}

impl UnfinishedFolder {
    /// # Errors
    /// Where `path` is a file or a folder that is not empty, or cannot be created.
    pub fn new(path: &Path) -> Result<Self> {
        let occupied = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => path.exists(),
        };
        if occupied {
            return Err(Error::file(
                path,
                "a new or empty folder was expected, found a file or a folder with files in it; name \
                 another, or remove it first",
            ));
        }
        let target = follow_links(path);
        let parent = folder_of(&target);
        if !parent.is_dir() {
            let parent = parent.display();
            let reason = format!("there is no folder {parent} to create it in; create it first");
            return Err(Error::file(path, reason));
        }
        let temporary = TemporaryFolder::new(parent).map_err(Error::write(path))?;
        if let Ok(existing) = fs::metadata(&target) {
            let permissions = existing.permissions();
            fs::set_permissions(temporary.path(), permissions).map_err(Error::write(path))?;
        }
        Ok(Self {
            temporary,
            path: path.to_owned(),
            target,
        })
    }

    /// Calls `write` with the temporary path of the file `name`. Errors have the path that it will get.
    pub fn write<T>(&self, name: &str, write: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        write(&self.temporary.path().join(name)).map_err(|error| match error {
            Error::Write { source, .. } => Error::write(self.path.join(name))(source),
            error => error,
        })
    }

    /// Renames the folder to its target. An existing empty folder is replaced.
    pub fn finish(self) -> Result<()> {
        // Not all systems can rename a folder over an empty one.
        if self.target.is_dir() {
            fs::remove_dir(&self.target).map_err(Error::write(&self.path))?;
        }
        let persisted = self.temporary.persist(&self.target);
        persisted.map_err(Error::write(&self.path))
    }
}
