//! Checksums of the Hugging Face hub.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What the hub calls a file by: SHA-256 of large files, else Git's SHA-1 of the file as a blob.
pub enum Checksum {
    Sha256(String),
    GitBlob(String),
}

impl Checksum {
    pub fn parse(etag: &str) -> Option<Self> {
        match etag.len() {
            64 if is_hex(etag) => Some(Self::Sha256(etag.to_lowercase())),
            40 if is_hex(etag) => Some(Self::GitBlob(etag.to_lowercase())),
            _ => None,
        }
    }

    /// Whether this is the checksum of the file at `path`.
    pub fn is_of(&self, path: &Path) -> io::Result<bool> {
        let file = File::open(path)?;
        match self {
            Self::Sha256(expected) => Ok(*expected == digest(Sha256::new(), file)?),
            Self::GitBlob(expected) => {
                let mut hash = Sha1::new();
                hash.update(format!("blob {}\0", file.metadata()?.len()));
                Ok(*expected == digest(hash, file)?)
            }
        }
    }
}

/// The digest of what `hash` has and `file`, in hexadecimal digits.
fn digest(mut hash: impl Digest, mut file: File) -> io::Result<String> {
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes)? {
            0 => break,
            read => hash.update(&bytes[..read]),
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

pub fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_git_and_the_hub() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "hello\n").unwrap();
        // `git hash-object file` and `sha256sum file`.
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        for right in [git, sha256] {
            assert!(Checksum::parse(right).unwrap().is_of(&path).unwrap());
            let wrong = right.replace('c', "d");
            assert!(!Checksum::parse(&wrong).unwrap().is_of(&path).unwrap());
        }
        for other in ["", "abc", "../../x", &git.replace('c', "/")] {
            assert!(Checksum::parse(other).is_none());
        }
    }
}
