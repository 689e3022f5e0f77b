//! Which pictures a command was given.

use std::io::{self, BufRead};
use std::iter;
use std::path::{Path, PathBuf};

use shadernet::{Error, Result};

/// The pictures to be looked at.
pub struct Sources {
    /// Their files in the order given, or why standard input could not be read on.
    pub paths: Box<dyn Iterator<Item = Result<PathBuf>> + Send>,
    /// How many, unless they come from standard input.
    pub known: Option<usize>,
}

/// The picture files that `arguments` stand for: files, folders, and `-` for a list on standard
/// input. Folders are looked into at once, standard input when its turn comes.
pub fn sources(arguments: &[PathBuf]) -> Result<Sources> {
    let mut known = Some(0);
    let mut paths: Box<dyn Iterator<Item = Result<PathBuf>> + Send> = Box::new(iter::empty());
    for argument in arguments {
        if argument.as_os_str() == "-" {
            known = None;
            paths = Box::new(paths.chain(listed(io::BufReader::new(io::stdin()))));
        } else {
            let files = match argument.is_dir() {
                true => pictures_in(argument)?,
                false => vec![argument.clone()],
            };
            known = known.map(|count| count + files.len());
            paths = Box::new(paths.chain(files.into_iter().map(Ok)));
        }
    }
    Ok(Sources { paths, known })
}

/// The files that `list` names, one a line. Ends after an error.
fn listed(list: impl BufRead) -> impl Iterator<Item = Result<PathBuf>> {
    let mut lines = list.split(b'\n');
    let mut failed = false;
    iter::from_fn(move || {
        while !failed {
            match lines.next()? {
                Ok(line) => match line.strip_suffix(b"\r").unwrap_or(&line) {
                    [] => {}
                    name => return Some(Ok(path(name))),
                },
                Err(source) => {
                    failed = true;
                    return Some(Err(Error::Io {
                        path: "standard input".into(),
                        source,
                    }));
                }
            }
        }
        None
    })
}

#[cfg(unix)]
fn path(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name).into()
}

/// A name that is not text stands for no file here, and is reported as one that is not there.
#[cfg(not(unix))]
fn path(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

/// The pictures of a folder, not of its subfolders, by name.
fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Io {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // By ending: other files in a folder are nobody's mistake.
        let is_picture = (path.extension().and_then(|e| e.to_str()))
            .is_some_and(|ending| ENDINGS.contains(&ending.to_lowercase().as_str()));
        if is_picture && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(Error::file(
            folder,
            format!(
                "expected pictures ({}) in this folder, found none; its subfolders are not looked into",
                ENDINGS.join(", ")
            ),
        ));
    }
    found.sort();
    Ok(found)
}

const ENDINGS: [&str; 13] = [
    "png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "ppm", "pgm", "pbm", "pam", "pnm",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_have_empty_lines_and_either_line_end() {
        let list = b"a.png\r\n\n b c.png \nlast" as &[u8];
        let names: Vec<PathBuf> = listed(list).map(Result::unwrap).collect();
        assert_eq!(names, ["a.png", " b c.png ", "last"].map(PathBuf::from));
    }

    #[test]
    fn a_list_that_cannot_be_read_on_says_so_once() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let list = io::BufReader::new(io::Read::chain(b"a.png\n" as &[u8], Broken));
        let items: Vec<String> = listed(list)
            .map(|item| match item {
                Ok(path) => path.display().to_string(),
                Err(error) => error.report().to_string(),
            })
            .collect();
        assert_eq!(
            items,
            ["a.png", "standard input: cannot be read or written: broken"]
        );
    }
}
