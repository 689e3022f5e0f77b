//! How every file is written, by this crate and by the command:
//!
//! - A regular file is written under a temporary name in the same folder and renamed when it is complete, so
//!   that its path never holds a part of a file, and a failure leaves the old file as it was. On Unix, the new
//!   file has the permissions and the owner of the old one. Where it could not have the same owner, or where
//!   the old file has other hard links, the complete new content is copied into the old file instead.
//!   Extended attributes are not kept.
//! - Symbolic links are followed: the file that they lead to is replaced, or created.
//! - A read-only file is not replaced, although the rename would succeed.
//! - Devices, pipes and sockets are written to directly, such as `/dev/null` or a FIFO, and so are the open
//!   files of this process: `/dev/stdout`, `/dev/fd/3`.
//! - The folder must exist. A folder in place of the file is an error.
//!
//! [`OutputFile::check`] finds out before a long computation.
//!
//! Temporary files are named `.shadernet-XXXXXX.tmp`, and are removed when writing fails. A process that is
//! ended by a signal can remove its own with [`remove_unfinished`]. What a killed process left is removed by
//! the next one that writes to the same folder: a file or folder of such a name that is an hour old, and that
//! is not locked, as it is while its process lives.
//!
//! ```
//! use std::io::Write;
//!
//! use shadernet::output_file::{self, OutputFile};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("results.txt");
//! OutputFile::check(&path)?;
//! let mut file = OutputFile::create(&path)?;
//! write!(file, "three")?;
//! assert!(!path.exists());
//! file.finish()?;
//! assert_eq!(std::fs::read(&path)?, b"three");
//!
//! output_file::write(&path, b"four")?;
//! assert_eq!(std::fs::read(&path)?, b"four");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod destination;
mod temporary;

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use destination::Destination;
pub use destination::folder_of;
pub(crate) use destination::follow_links;
use temporary::TemporaryFile;
pub(crate) use temporary::TemporaryFolder;
pub use temporary::{Unfinished, remove_unfinished};

/// A file that is being written; see the [module](self). Dropped before [`Self::finish`], it leaves the
/// destination as it was.
#[derive(Debug)]
pub struct OutputFile {
    /// As it was given, for errors.
    path: PathBuf,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    /// A device, pipe or socket, or an open file of this process.
    Stream(File),
    File {
        temporary: TemporaryFile,
        /// With symbolic links followed.
        target: PathBuf,
        /// The existing file, if it is overwritten rather than replaced.
        overwritten: Option<File>,
    },
}

impl OutputFile {
    /// Whether [`Self::create`] will succeed at `path`, as far as it can be known. Changes nothing, and does
    /// not open devices and pipes.
    ///
    /// # Errors
    /// [`Error::File`] where `path` is a folder or a read-only file, or its folder does not exist;
    /// [`Error::Write`] where the file or its folder cannot be written.
    pub fn check(path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match Destination::find(path)? {
            Destination::Stream(_) => Ok(()),
            Destination::Descriptor(descriptor) => duplicate(path, descriptor).map(drop),
            Destination::File { target, existing } => {
                Self::replacing(path, target, existing).map(drop)
            }
        }
    }

    /// Begins to write `path`. A FIFO without a reader is waited for.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let stream = match Destination::find(path)? {
            Destination::File { target, existing } => {
                return Self::replacing(path, target, existing);
            }
            Destination::Stream(target) => {
                (File::options().write(true).open(target)).map_err(Error::write(path))?
            }
            Destination::Descriptor(descriptor) => duplicate(path, descriptor)?,
        };
        Ok(Self {
            path: path.to_owned(),
            inner: Inner::Stream(stream),
        })
    }

    fn replacing(path: &Path, target: PathBuf, existing: Option<Metadata>) -> Result<Self> {
        // Opened for writing, because nobody else's file is replaced.
        let existing = match existing {
            Some(metadata) => {
                let file = File::options().write(true).open(&target);
                Some((file.map_err(Error::write(path))?, metadata))
            }
            None => None,
        };
        let temporary = TemporaryFile::new(folder_of(&target), existing.is_some());
        let temporary = temporary.map_err(Error::write(path))?;
        let overwritten =
            existing.and_then(
                |(file, metadata)| match temporary.take_attributes(&metadata) {
                    true => None,
                    false => Some(file),
                },
            );
        Ok(Self {
            path: path.to_owned(),
            inner: Inner::File {
                temporary,
                target,
                overwritten,
            },
        })
    }

    /// Puts the complete file in its place.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(self) -> Result<()> {
        let finished = match self.inner {
            Inner::Stream(mut stream) => stream.flush(),
            Inner::File {
                temporary,
                target,
                overwritten,
            } => match overwritten {
                Some(existing) => temporary.copy_into(existing),
                None => temporary.persist(&target),
            },
        };
        finished.map_err(Error::write(&self.path))
    }

    /// The file that writing to `path` replaces or creates, with symbolic links followed; `None` for devices,
    /// pipes and open files of this process. To find out whether two paths are one file.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn target(path: impl AsRef<Path>) -> Result<Option<PathBuf>> {
        Ok(match Destination::find(path.as_ref())? {
            Destination::File { target, .. } => Some(target),
            Destination::Stream(_) | Destination::Descriptor(_) => None,
        })
    }

    fn file(&mut self) -> &mut File {
        match &mut self.inner {
            Inner::Stream(stream) => stream,
            Inner::File { temporary, .. } => temporary.file(),
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

/// Writes a whole file with an [`OutputFile`].
///
/// # Errors
/// As [`OutputFile::check`].
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let mut file = OutputFile::create(&path)?;
    file.write_all(bytes).map_err(Error::write(&path))?;
    file.finish()
}

/// Whether files can be written to an existing folder.
///
/// # Errors
/// [`Error::Write`].
pub fn check_folder(folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    if !folder.exists() {
        return Err(Error::file(
            folder,
            "there is no such folder; create it first",
        ));
    }
    let temporary = TemporaryFile::new(folder, true);
    temporary.map(drop).map_err(Error::write(folder))
}

/// As [`write`], and creates the folder of `path`.
pub(crate) fn write_with_folder(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::create_dir_all(folder_of(path)).map_err(Error::write(path))?;
    write(path, bytes)
}

/// The open file `descriptor` of this process. Opening it by its path would begin at its start, and is
/// impossible for sockets.
#[cfg(unix)]
fn duplicate(path: &Path, descriptor: std::os::fd::RawFd) -> Result<File> {
    // SAFETY: the number is not negative, as it was read from a path. It need not be open, in which case
    // duplicating it fails, and nothing else is done with it.
    let descriptor = unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) };
    let owned = descriptor
        .try_clone_to_owned()
        .map_err(Error::write(path))?;
    Ok(owned.into())
}

#[cfg(not(unix))]
fn duplicate(_: &Path, descriptor: std::convert::Infallible) -> Result<File> {
    match descriptor {}
}

#[cfg(test)]
mod tests;
