//! Reading files of unknown size.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// Reads the file at `path`, of which `expected` (`a list of names`) has at most `max_bytes`.
///
/// What counts is what is read, not the length that the file system reports, which is 0 for pipes and devices
/// and may change while the file is read.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] where the file has more than `max_bytes`.
pub fn read_file(path: &Path, expected: &str, max_bytes: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io(path))?;
    let mut bytes = Vec::new();
    (file.take(max_bytes.saturating_add(1)))
        .read_to_end(&mut bytes)
        .map_err(Error::io(path))?;
    match u64::try_from(bytes.len()).is_ok_and(|read| read <= max_bytes) {
        true => Ok(bytes),
        false => Err(Error::file(
            path,
            format!("{expected} of at most {max_bytes} bytes was expected; this file has more"),
        )),
    }
}

/// As [`read_file`], of text in UTF-8.
///
/// # Errors
/// As [`read_file`], and [`Error::File`] where the file is not UTF-8.
pub fn read_text_file(path: &Path, expected: &str, max_bytes: u64) -> Result<String> {
    let bytes = read_file(path, expected, max_bytes)?;
    String::from_utf8(bytes).map_err(|_| {
        let reason = format!("{expected} was expected; this file is not UTF-8 text");
        Error::file(path, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_may_have_as_many_bytes_as_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_file(&path, "a list", 5).unwrap(), b"12345");
        let error = read_file(&path, "a list", 4).unwrap_err().to_string();
        assert!(error.contains("a list of at most 4 bytes"), "{error}");
        std::fs::write(&path, [0xff]).unwrap();
        let error = read_text_file(&path, "a list", 5).unwrap_err().to_string();
        assert!(error.contains("not UTF-8"), "{error}");
        let missing = read_file(&folder.path().join("missing"), "a list", 4).unwrap_err();
        assert!(matches!(missing, Error::Io { .. }), "{missing}");
    }

    /// Their metadata says that they are empty.
    #[cfg(unix)]
    #[test]
    fn devices_and_pipes_are_read_up_to_the_bound() {
        let error = read_file(Path::new("/dev/zero"), "a list", 1000).unwrap_err();
        assert!(error.to_string().contains("at most 1000 bytes"), "{error}");
        assert!(
            read_file(Path::new("/dev/null"), "a list", 0)
                .unwrap()
                .is_empty()
        );
    }
}
