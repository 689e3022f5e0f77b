//! The first directory of tags of a TIFF or of a block of EXIF.
//!
//! Layout: TIFF Revision 6.0, section 2; BigTIFF has 8 bytes where TIFF has 2 or 4.

/// Tags and where their values are. All positions are within the bytes that it was read from.
#[derive(Debug)]
pub struct Directory<'a> {
    bytes: &'a [u8],
    pub is_big_endian: bool,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    tag: u16,
    kind: u16,
    count: usize,
    at: usize,
}

/// The types of integers.
const BYTE: u16 = 1;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const SBYTE: u16 = 6;
const UNDEFINED: u16 = 7;
const SSHORT: u16 = 8;
const SLONG: u16 = 9;
const IFD: u16 = 13;
const LONG8: u16 = 16;
const SLONG8: u16 = 17;
const IFD8: u16 = 18;

impl<'a> Directory<'a> {
    /// Reads the first directory of `bytes`, which begin with a TIFF's or a BigTIFF's header.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (is_big_endian, is_big_tiff) = match bytes.get(..4)? {
            b"II*\0" => (false, false),
            b"II+\0" => (false, true),
            b"MM\0*" => (true, false),
            b"MM\0+" => (true, true),
            _ => return None,
        };
        let mut directory = Self {
            bytes,
            is_big_endian,
            entries: Vec::new(),
        };
        let offset_size = if is_big_tiff { 8 } else { 4 };
        let position = |at, size| usize::try_from(directory.unsigned(at, size)?).ok();
        let start = position(if is_big_tiff { 8 } else { 4 }, offset_size)?;
        let count_size = if is_big_tiff { 8 } else { 2 };
        let count = position(start, count_size)?;
        let mut at = start.checked_add(count_size)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let step = 4_usize.checked_add(offset_size.checked_mul(2)?)?;
            let Some(end) = at.checked_add(step).filter(|&end| end <= bytes.len()) else {
                break; // What there is of a truncated directory is used.
            };
            let tag = u16::try_from(directory.unsigned(at, 2)?).ok()?;
            let kind = u16::try_from(directory.unsigned(at.checked_add(2)?, 2)?).ok()?;
            let count = position(at.checked_add(4)?, offset_size)?;
            let inline = end.checked_sub(offset_size)?;
            let is_inline = count
                .checked_mul(size_of_kind(kind))
                .is_some_and(|size| size <= offset_size);
            let values_at = if is_inline {
                inline
            } else {
                position(inline, offset_size)?
            };
            entries.push(Entry {
                tag,
                kind,
                count,
                at: values_at,
            });
            at = end;
        }
        directory.entries = entries;
        Some(directory)
    }

    fn entry(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    pub fn has(&self, tag: u16) -> bool {
        self.entry(tag).is_some()
    }

    /// An integer of `size` bytes.
    fn unsigned(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let append = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        Some(if self.is_big_endian {
            bytes.iter().fold(0, append)
        } else {
            bytes.iter().rev().fold(0, append)
        })
    }

    /// The values of a tag of unsigned integers. None without the tag, or where a part of them is not within
    /// the bytes.
    pub fn integers(&self, tag: u16) -> Option<Vec<u64>> {
        let entry = self.entry(tag)?;
        let size = match entry.kind {
            BYTE | UNDEFINED | SHORT | LONG | IFD | LONG8 | IFD8 => size_of_kind(entry.kind),
            _ => return None,
        };
        let end = entry.at.checked_add(entry.count.checked_mul(size)?)?;
        if end > self.bytes.len() {
            return None;
        }
        (entry.at..end)
            .step_by(size)
            .map(|at| self.unsigned(at, size))
            .collect()
    }

    /// The first value of a tag of unsigned integers.
    pub fn integer(&self, tag: u16) -> Option<u64> {
        let entry = self.entry(tag)?;
        match entry.kind {
            BYTE | UNDEFINED | SHORT | LONG | IFD | LONG8 | IFD8 if entry.count > 0 => {
                self.unsigned(entry.at, size_of_kind(entry.kind))
            }
            _ => None,
        }
    }

    /// The bytes of a tag.
    pub fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entry(tag)?;
        let size = entry.count.checked_mul(size_of_kind(entry.kind))?;
        self.bytes.get(entry.at..entry.at.checked_add(size)?)
    }

    /// The first value of a tag of integers of any sign, except of single unsigned bytes, which Pillow does
    /// not take for a number either.
    pub fn small(&self, tag: u16) -> Option<u8> {
        let entry = self.entry(tag)?;
        match entry.kind {
            SHORT | LONG | IFD | LONG8 | IFD8 | SBYTE | SSHORT | SLONG | SLONG8
                if entry.count > 0 =>
            {
                // A negative number is no small one, whatever its size.
                u8::try_from(self.unsigned(entry.at, size_of_kind(entry.kind))?).ok()
            }
            _ => None,
        }
    }
}

/// The bytes of a value of a type; 8 for types that are not known.
fn size_of_kind(kind: u16) -> usize {
    match kind {
        BYTE | 2 | SBYTE | UNDEFINED => 1,
        SHORT | SSHORT => 2,
        LONG | SLONG | 11 | IFD => 4,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_directories_do_not_panic() {
        let whole = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        assert_eq!(Directory::read(whole).unwrap().small(0x112), Some(6));
        for length in 0..whole.len() {
            let _ = Directory::read(&whole[..length]).map(|directory| directory.small(0x112));
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = *whole;
                damaged[at] = value;
                if let Some(directory) = Directory::read(&damaged) {
                    directory.small(0x112);
                    directory.integers(0x112);
                    directory.bytes(0x112);
                }
            }
        }
    }
}
