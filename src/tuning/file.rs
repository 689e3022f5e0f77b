//! Tuning files: lines of text, of which the last is a checksum of the others.

use std::fmt::Write as _;
use std::path::Path;

use super::{Identity, Tuning};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernels::ConvAlgorithm;
use crate::output_file::write_with_folder;
use crate::util::fnv::fnv1a64;
use crate::util::read::read_text_file;

/// The first line of a file; the number is the version of the format.
const FIRST_LINE: &str = "shadernet tuning 1";
/// Larger files are rejected: a network has about a hundred lines of about a hundred bytes.
const MAX_BYTES: u64 = 16 << 20;

impl Tuning {
    /// The name of a file for `gpu` in a folder with files for several devices. Every adapter and backend
    /// has its own; it is the same for all drivers and versions, whose files replace each other.
    pub fn file_name(gpu: &Gpu) -> String {
        let Identity {
            adapter, backend, ..
        } = Identity::of(gpu);
        let plain: String = (adapter.chars().take(40))
            .map(|c| match c.is_ascii_alphanumeric() {
                true => c.to_ascii_lowercase(),
                false => '-',
            })
            .collect();
        let hash = fnv1a64(&adapter) & u64::from(u32::MAX);
        format!("tuning-{backend}-{plain}-{hash:08x}.txt")
    }

    /// Reads a file written by [`Self::save`].
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] where it is another kind of file, or damaged. Whether it is for a
    /// device is checked by [`Self::fits`], which sessions call.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read_text_file(path, "a tuning file", MAX_BYTES)?;
        Self::parse(&text).map_err(|reason| Error::file(path, reason))
    }

    /// Reads the text of such a file. Algorithms that this version does not know are skipped with a
    /// warning in the log.
    ///
    /// # Errors
    /// A message that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.lines().next() != Some(FIRST_LINE) {
            return Err("it is no tuning file of this version's format".to_owned());
        }
        let damaged = || "its checksum does not match; it is damaged".to_owned();
        let text = text.strip_suffix('\n').ok_or_else(damaged)?;
        let (_, sum) = text.rsplit_once('\n').ok_or_else(damaged)?;
        let body = text.strip_suffix(sum).ok_or_else(damaged)?;
        if sum != checksum_line(body) {
            return Err(damaged());
        }
        // Not `lines`, which drops a carriage return: what is read is written again as it was.
        let mut lines = body.split_terminator('\n').skip(1);
        let mut field = |name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            let value = line.and_then(|rest| rest.strip_prefix(':'));
            let value = value.ok_or_else(|| format!("it has no line '{name}:' where it should be"));
            value.map(|value| value.trim().to_owned())
        };
        let mut tuning = Self::of(Identity {
            adapter: field("adapter")?,
            backend: field("backend")?,
            driver: field("driver")?,
            version: field("version")?,
        });
        for line in lines {
            tuning.read_line(line)?;
        }
        Ok(tuning)
    }

    /// `use KERNEL: SIGNATURE` or `quarantine KERNEL: SIGNATURE: REASON`.
    fn read_line(&mut self, line: &str) -> Result<(), String> {
        let unknown = || format!("it has an unknown line: '{line}'");
        let (head, rest) = line.split_once(": ").ok_or_else(unknown)?;
        let (verb, name) = head.split_once(' ').ok_or_else(unknown)?;
        let kernel: ConvAlgorithm = match name.parse() {
            Ok(kernel) => kernel,
            Err(reason) => {
                tracing::warn!("a tuned algorithm is not used: {reason}");
                return Ok(());
            }
        };
        match verb {
            "use" => self.choose(rest, kernel),
            "quarantine" => {
                let (signature, reason) = rest.split_once(": ").ok_or_else(unknown)?;
                self.quarantine(kernel, signature, reason);
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// The text of a file, which is easy to read and to compare.
    pub fn to_text(&self) -> String {
        let Identity {
            adapter,
            backend,
            driver,
            version,
        } = &self.identity;
        let mut text = format!(
            "{FIRST_LINE}\nadapter: {adapter}\nbackend: {backend}\ndriver: {driver}\nversion: {version}\n"
        );
        // Writing to a string cannot fail.
        for (signature, kernel) in &self.algorithms {
            let _ = writeln!(text, "use {kernel}: {signature}");
        }
        for (kernel, (signature, reason)) in &self.quarantined {
            let _ = writeln!(text, "quarantine {kernel}: {signature}: {reason}");
        }
        let sum = checksum_line(&text);
        text + &sum + "\n"
    }

    /// Writes a file as [`crate::output_file`] does, and its folder if that does not exist.
    ///
    /// # Errors
    /// As [`OutputFile::check`](crate::output_file::OutputFile::check).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_with_folder(path.as_ref(), self.to_text().as_bytes())
    }
}

/// The last line, without its line break, of a file whose other lines are `body`.
pub(crate) fn checksum_line(body: &str) -> String {
    format!("checksum: {:016x}", fnv1a64(body))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tuning() -> Tuning {
        let mut tuning = Tuning::of(Identity {
            adapter: "A GPU".to_owned(),
            backend: "vulkan".to_owned(),
            driver: "its 1.2".to_owned(),
            version: "0.1.0".to_owned(),
        });
        tuning.choose(
            "f32 1x2x3x4 kernel 3x3",
            ConvAlgorithm::Winograd { tile: 4 },
        );
        tuning.choose("f16 1x2x3x4 kernel 1x1", ConvAlgorithm::Direct);
        tuning.quarantine(ConvAlgorithm::Subgroup, "f32 1x1", "off by: 1\nor so");
        tuning
    }

    #[test]
    fn files_are_read_as_written() {
        let text = tuning().to_text();
        assert_eq!(Tuning::parse(&text), Ok(tuning()), "{text}");
        let empty = Tuning::of(tuning().identity);
        assert_eq!(Tuning::parse(&empty.to_text()), Ok(empty));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("tuning.txt");
        tuning().save(&path).unwrap();
        assert_eq!(Tuning::load(&path).unwrap(), tuning());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn damaged_files_are_rejected() {
        let text = tuning().to_text();
        for len in 0..text.len() {
            assert!(Tuning::parse(&text[..len]).is_err(), "{len}");
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(damaged) = String::from_utf8(bytes) {
                assert!(Tuning::parse(&damaged).is_err(), "{at}: {damaged}");
            }
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(Tuning::load(folder.path()).is_err());
        let path = folder.path().join("tuning.txt");
        assert!(matches!(Tuning::load(&path), Err(Error::Io { .. })));
        fs::write(&path, [0xff; 10]).unwrap();
        assert!(Tuning::load(&path).is_err());
        fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let error = Tuning::load(&path).unwrap_err().to_string();
        assert!(error.contains("a tuning file of at most"), "{error}");
    }

    #[test]
    fn algorithms_of_other_versions_are_skipped() {
        let text = tuning().to_text().replace("winograd-4", "winograd-9");
        let (body, _) = text.split_at(text.rfind("checksum").unwrap());
        let text = format!("{body}{}\n", checksum_line(body));
        let read = Tuning::parse(&text).unwrap();
        assert_eq!(read.choices().count(), 1);
        let odd = text.replace("use direct", "sue direct");
        let (body, _) = odd.split_at(odd.rfind("checksum").unwrap());
        let odd = format!("{body}{}\n", checksum_line(body));
        assert!(Tuning::parse(&odd).unwrap_err().contains("sue direct"));
    }

    #[test]
    fn only_tunings_of_one_device_are_merged() {
        let mut merged = tuning();
        let mut other = Tuning::of(tuning().identity);
        other.choose(
            "f16 1x2x3x4 kernel 1x1",
            ConvAlgorithm::Winograd { tile: 2 },
        );
        other.choose("another", ConvAlgorithm::Direct);
        merged.merge(&other).unwrap();
        assert_eq!(merged.choices().count(), 3);
        let first = merged.choices().find(|(name, _)| name.starts_with("f16"));
        assert_eq!(first.unwrap().1, ConvAlgorithm::Winograd { tile: 2 });
        assert_eq!(merged.quarantined().len(), 1);

        other.identity.driver += "1";
        let before = merged.clone();
        assert!(merged.merge(&other).unwrap_err().contains("1.21"));
        assert_eq!(merged, before);
    }
}
