//! Tuning files: lines of text.

use std::path::Path;

use super::Tuning;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::device_file::{Format, Identity};
use crate::kernels::ConvAlgorithm;
use crate::output_file::write_with_folder;
use crate::util::read::read_text_file;

const FORMAT: Format = Format {
    first_line: "shadernet tuning 1",
    name: "a tuning file",
};
/// Larger files are rejected: a network has about a hundred lines of about a hundred bytes.
const MAX_BYTES: u64 = 16 << 20;

impl Tuning {
    /// The name of a file for `gpu` in a folder with files for several devices. Every adapter and backend
    /// has its own; it is the same for all drivers and versions, whose files replace each other.
    pub fn file_name(gpu: &Gpu) -> String {
        Identity::of(gpu.info()).file_name("tuning")
    }

    /// Reads a file written by [`Self::save`].
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] where it is another kind of file, or damaged. Whether it is for a
    /// device is checked by [`Self::fits`], which sessions call.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read_text_file(path, FORMAT.name, MAX_BYTES)?;
        Self::parse(&text).map_err(|reason| Error::file(path, reason))
    }

    /// Reads the text of such a file. Algorithms that this version does not know are skipped with a
    /// warning in the log.
    ///
    /// # Errors
    /// A message that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (identity, lines) = FORMAT.parse(text)?;
        let mut tuning = Self::of(identity);
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
        let chosen = (self.algorithms.iter())
            .map(|(signature, kernel)| format!("use {kernel}: {signature}"));
        let quarantined = (self.quarantined.iter()).map(|(kernel, (signature, reason))| {
            format!("quarantine {kernel}: {signature}: {reason}")
        });
        (self.identity).to_text(&FORMAT, chosen.chain(quarantined))
    }

    /// Writes a file as [`crate::output_file`] does, and its folder if that does not exist.
    ///
    /// # Errors
    /// As [`OutputFile::check`](crate::output_file::OutputFile::check).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_with_folder(path.as_ref(), self.to_text().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::gpu::device_file::checksum_line;

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
