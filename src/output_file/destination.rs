//! What a path to write to leads to.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{self, Path, PathBuf};

use crate::error::{Error, Result};
use crate::printable;

/// As Linux follows.
const MAX_LINKS: usize = 40;

#[cfg(unix)]
type Descriptor = std::os::fd::RawFd;
/// Only on Unix do paths lead to open files.
#[cfg(not(unix))]
type Descriptor = std::convert::Infallible;

pub(super) enum Destination {
    /// A device, pipe or socket.
    Stream(PathBuf),
    /// An open file of this process, such as `/dev/stdout`.
    Descriptor(Descriptor),
    /// A regular file, with symbolic links followed.
    File {
        target: PathBuf,
        /// `None` if it does not exist yet.
        existing: Option<Metadata>,
    },
}

impl Destination {
    pub fn find(path: &Path) -> Result<Self> {
        let target = follow_links(path);
        if let Some(descriptor) = descriptor(&target) {
            return Ok(Self::Descriptor(descriptor));
        }
        match fs::metadata(&target) {
            Ok(found) if found.is_dir() => Err(Error::file(
                path,
                "expected a file to write to, found a folder; name a file in it",
            )),
            Ok(found) if found.permissions().readonly() => Err(Error::file(
                path,
                "the file is read-only and is not replaced; name another, or make it writable",
            )),
            Ok(found) if !found.is_file() => Ok(Self::Stream(target)),
            Ok(found) => Ok(Self::File {
                target,
                existing: Some(found),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let ends_in_separator = (target.to_string_lossy()).ends_with(path::is_separator);
                if ends_in_separator || target.file_name().is_none() {
                    return Err(Error::file(path, "expected the name of a file to write to"));
                }
                let folder = folder_of(&target);
                if !folder.is_dir() {
                    let folder = printable::path(folder);
                    let reason =
                        format!("there is no folder {folder} to write it to; create it first");
                    return Err(Error::file(path, reason));
                }
                Ok(Self::File {
                    target,
                    existing: None,
                })
            }
            Err(error) => Err(Error::write(path)(error)),
        }
    }
}

/// Where the symbolic link `path` leads, whether or not something is there; otherwise `path`. Links to open
/// files of this process are not followed, because theirs lead to names such as `pipe:[1]`.
pub(crate) fn follow_links(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        if descriptor(&target).is_some() {
            break;
        }
        match fs::read_link(&target) {
            Ok(next) => target = folder_of(&target).join(next),
            Err(_) => break,
        }
    }
    target
}

/// The folder that `path` is in: `.` for a name alone.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The open file of this process that `path` stands for.
#[cfg(unix)]
fn descriptor(path: &Path) -> Option<Descriptor> {
    let number: u16 = path.file_name()?.to_str()?.parse().ok()?;
    let folder = fs::canonicalize(folder_of(path)).ok()?;
    let is_own = |own: &str| fs::canonicalize(own).is_ok_and(|own| own == folder);
    // Linux, and other systems.
    (is_own("/proc/self/fd") || is_own("/dev/fd")).then_some(number.into())
}

#[cfg(not(unix))]
fn descriptor(_: &Path) -> Option<Descriptor> {
    None
}
