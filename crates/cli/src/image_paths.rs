//! The image files that a command's arguments stand for.

use std::io::{self, BufRead};
use std::iter;
use std::path::{Path, PathBuf};

use shadernet::{Error, Result};

use crate::lines::lines;

/// Image files in the order of the arguments.
pub struct ImagePaths {
    /// The files, and errors of reading standard input.
    pub paths: Box<dyn Iterator<Item = Result<PathBuf>> + Send>,
    /// The number of files. `None` if they come from standard input.
    pub count: Option<usize>,
    /// Whether there is one file, and no folder. A folder stands for any number of images.
    pub is_single: bool,
}

impl ImagePaths {
    /// Resolves files, folders and `-`, which stands for a list on standard input. Folders are read now,
    /// standard input when its turn comes.
    ///
    /// # Errors
    /// If a folder cannot be read or holds no images.
    pub fn new(arguments: &[PathBuf]) -> Result<Self> {
        let mut count = Some(0);
        let mut paths: Box<dyn Iterator<Item = Result<PathBuf>> + Send> = Box::new(iter::empty());
        for argument in arguments {
            if argument.as_os_str() == "-" {
                count = None;
                let list = read_list(io::BufReader::new(io::stdin()));
                paths = Box::new(paths.chain(list));
            } else {
                let files = match argument.is_dir() {
                    true => images_in(argument)?,
                    false => vec![argument.clone()],
                };
                count = count.map(|count| count + files.len());
                paths = Box::new(paths.chain(files.into_iter().map(Ok)));
            }
        }
        Ok(Self {
            paths,
            count,
            is_single: count == Some(1) && !arguments.iter().any(|argument| argument.is_dir()),
        })
    }
}

/// The files that `list` names, one per line. Ends after an error.
fn read_list(list: impl BufRead) -> impl Iterator<Item = Result<PathBuf>> {
    lines(list).filter_map(|line| match line {
        Ok(line) => match line.strip_suffix(b"\r").unwrap_or(&line) {
            [] => None,
            name => Some(Ok(path(name))),
        },
        Err(error) => Some(Err(error)),
    })
}

#[cfg(unix)]
fn path(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name).into()
}

/// A name that is not UTF-8 cannot exist here. It is reported as missing later.
#[cfg(not(unix))]
fn path(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

/// The images of a folder in order of their names, without subfolders.
fn images_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Io {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // Other files in the folder are skipped without an error.
        let is_image = (path.extension().and_then(|e| e.to_str()))
            .is_some_and(|extension| EXTENSIONS.contains(&extension.to_lowercase().as_str()));
        if is_image && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(Error::file(
            folder,
            format!(
                "expected images ({}) in this folder, found none; subfolders are not searched",
                EXTENSIONS.join(", ")
            ),
        ));
    }
    found.sort();
    Ok(found)
}

const EXTENSIONS: [&str; 13] = [
    "png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "ppm", "pgm", "pbm", "pam", "pnm",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_have_empty_lines_and_either_line_ending() {
        let list = b"a.png\r\n\n b c.png \nlast" as &[u8];
        let names: Vec<PathBuf> = read_list(list).map(Result::unwrap).collect();
        assert_eq!(names, ["a.png", " b c.png ", "last"].map(PathBuf::from));
    }

    #[test]
    fn a_read_error_is_reported_once() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let list = io::BufReader::new(io::Read::chain(b"a.png\n" as &[u8], Broken));
        let items: Vec<String> = read_list(list)
            .map(|item| match item {
                Ok(path) => path.display().to_string(),
                Err(error) => error.report().to_string(),
            })
            .collect();
        assert_eq!(
            items,
            ["a.png", "standard input: could not be read: broken"]
        );
    }
}
