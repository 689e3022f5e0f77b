//! The header of a safetensors file: a 64-bit length, so many bytes of JSON, then the tensors'
//! bytes without a hole (<https://github.com/huggingface/safetensors#format>).
//!
//! The `safetensors` crate checks lengths, offsets and shapes too, but its errors say neither which
//! tensors overlap nor how many bytes a truncated file lacks, it lets a name stand twice, and one
//! tensor of an element type that it does not know makes the whole file unreadable. Hence this.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::tensor::Shape;

/// The longest header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;
/// What to do about a damaged file.
const REMEDY: &str = "download or export it again";

/// One tensor of a file.
pub(super) struct Entry {
    pub(super) name: String,
    /// As the file has it: `F32`, `I64`.
    pub(super) dtype: String,
    pub(super) shape: Shape,
    /// Where its bytes are, from the start of the file.
    pub(super) bytes: Range<usize>,
}

/// Every tensor of the safetensors file that `file` holds, or what is wrong with it.
///
/// Every range lies within `file` and, for the dtypes that are read, has the length that the shape
/// asks for; no two overlap.
pub(super) fn parse(file: &[u8]) -> Result<Vec<Entry>, String> {
    if file.is_empty() {
        return Err(format!(
            "the file is empty; expected a safetensors file; {REMEDY}"
        ));
    }
    let (json, start) = json(file)?;
    let Header(raw) = serde_json::from_str(json)
        .map_err(|e| format!("its safetensors header cannot be read: {e}; {REMEDY}"))?;
    let mut entries = Vec::with_capacity(raw.len());
    let mut names = HashSet::with_capacity(raw.len());
    for (name, raw) in raw {
        if !names.insert(name.clone()) {
            return Err(format!(
                "its header lists tensor '{name}' twice; export it again"
            ));
        }
        entries.push(raw.checked(name)?);
    }
    check_layout(&mut entries, file.len() - start)?;
    for entry in &mut entries {
        // `check_layout` has seen that every range ends within the file.
        entry.bytes = entry.bytes.start + start..entry.bytes.end + start;
    }
    Ok(entries)
}

/// The JSON text, and where the tensors' bytes begin.
fn json(file: &[u8]) -> Result<(&str, usize), String> {
    if let Some(what) = other_format(file) {
        return Err(format!("expected a safetensors file, found {what}"));
    }
    let Some((length, rest)) = file.split_first_chunk::<8>() else {
        return Err(format!(
            "the file holds {} bytes; a safetensors file begins with 8 that give its header's length; {REMEDY}",
            file.len()
        ));
    };
    let length = u64::from_le_bytes(*length);
    if length > LONGEST_HEADER {
        return Err(format!(
            "its first 8 bytes claim a header of {length} bytes, but the format allows {LONGEST_HEADER} and the file holds {}; it is no safetensors file, or damaged: {REMEDY}",
            file.len()
        ));
    }
    // At most LONGEST_HEADER, which fits any usize.
    let length = length as usize;
    let Some(header) = rest.get(..length) else {
        return Err(format!(
            "its first 8 bytes claim a header of {length} bytes, but only {} follow; the file is truncated or no safetensors file: {REMEDY}",
            rest.len()
        ));
    };
    let text = std::str::from_utf8(header)
        .map_err(|e| format!("its safetensors header is not UTF-8 text: {e}; {REMEDY}"))?;
    Ok((text, 8 + length))
}

/// What else a file is, told by how it begins, with what to do about it.
fn other_format(file: &[u8]) -> Option<&'static str> {
    const BEGINNINGS: [(&[u8], &str); 6] = [
        (
            b"version https://git-lfs",
            "a Git LFS pointer; fetch the file itself with `git lfs pull`",
        ),
        (
            b"PK\x03\x04",
            "a PyTorch checkpoint or other zip archive; convert it with safetensors.torch.save_file",
        ),
        (
            b"\x80\x02",
            "a pickled PyTorch checkpoint; convert it with safetensors.torch.save_file",
        ),
        (b"\x89HDF", "an HDF5 file; convert it to safetensors"),
        (
            b"<!DOCTYPE",
            "a web page; download the file itself, not the page about it",
        ),
        (
            b"<html",
            "a web page; download the file itself, not the page about it",
        ),
    ];
    BEGINNINGS
        .iter()
        .find(|(beginning, _)| file.starts_with(beginning))
        .map(|(_, what)| *what)
}

/// Whether the tensors fill the `data` bytes after the header one after another. Sorts them so.
fn check_layout(entries: &mut [Entry], data: usize) -> Result<(), String> {
    entries.sort_by_key(|e| (e.bytes.start, e.bytes.end));
    let mut end = 0;
    let mut before = "the header";
    for entry in &*entries {
        let (name, start) = (&entry.name, entry.bytes.start);
        if start < end {
            return Err(format!(
                "tensors '{before}' and '{name}' overlap: the first ends at byte {end}, the second starts at {start}; {REMEDY}"
            ));
        }
        if start > end {
            return Err(format!(
                "bytes {end} to {start}, before tensor '{name}', belong to no tensor; {REMEDY}"
            ));
        }
        (before, end) = (name, entry.bytes.end);
    }
    if end > data {
        return Err(format!(
            "the file is truncated: its tensors take {end} bytes, but {data} follow the header; {REMEDY}"
        ));
    }
    if end < data {
        return Err(format!(
            "its tensors take {end} bytes, but {data} follow the header; {REMEDY}"
        ));
    }
    Ok(())
}

/// The header's JSON object, in its order and with names that stand twice.
struct Header(Vec<(String, RawEntry)>);

#[derive(Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl RawEntry {
    fn checked(self, name: String) -> Result<Entry, String> {
        let Self {
            dtype,
            shape,
            data_offsets: (start, end),
        } = self;
        let shape = Shape::from(shape);
        let Some(found) = end.checked_sub(start) else {
            return Err(format!(
                "tensor '{name}' ends at byte {end}, before it starts at {start}; {REMEDY}"
            ));
        };
        if let Some(bits) = bits(&dtype) {
            let expected = shape
                .checked_len()
                .and_then(|len| len.checked_mul(bits))
                .map(|bits| bits.div_ceil(8));
            if expected != Some(found) {
                let expected = expected.map_or("more than addressable".into(), |e| e.to_string());
                return Err(format!(
                    "tensor '{name}' of dtype {dtype} and shape {shape} takes {expected} bytes, but the header gives it {found}; {REMEDY}"
                ));
            }
        }
        Ok(Entry {
            name,
            dtype,
            shape,
            bytes: start..end,
        })
    }
}

/// Bits an element; none for a type newer than this code, whose tensors are left alone.
fn bits(dtype: &str) -> Option<usize> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ"
        | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let entry = map
                .next_value()
                .map_err(|e| A::Error::custom(format!("tensor '{name}': {e}")))?;
            entries.push((name, entry));
        }
        Ok(Header(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.resize(file.len() + data, 0);
        file
    }

    fn reason(header: &str, data: usize) -> String {
        parse(&file(header, data)).err().unwrap_or_default()
    }

    #[test]
    fn a_type_newer_than_this_code_is_left_alone() {
        let header = r#"{"a":{"dtype":"F3","shape":[9],"data_offsets":[0,4]},
            "b":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}"#;
        let entries = parse(&file(header, 8)).unwrap();
        let start = 8 + header.len();
        assert_eq!(entries[1].bytes, start + 4..start + 8);
        assert_eq!(entries[1].shape, Shape::from([0; 0]));
    }

    #[test]
    fn names_that_stand_twice_and_holes_are_refused() {
        let twice = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
            "a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
        assert!(reason(twice, 2).contains("'a' twice"));
        let hole = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}"#;
        assert!(reason(hole, 3).contains("bytes 0 to 2, before tensor 'a'"));
        let short = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
        assert!(reason(short, 3).contains("take 1 bytes, but 3 follow"));
    }

    #[test]
    fn shapes_and_offsets_must_agree() {
        let overflow = format!(
            r#"{{"a":{{"dtype":"F32","shape":[{0},{0}],"data_offsets":[0,4]}}}}"#,
            u64::MAX / 2
        );
        assert!(reason(&overflow, 4).contains("more than addressable"));
        let backwards = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#;
        assert!(reason(backwards, 4).contains("before it starts"));
        let negative = r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#;
        assert!(reason(negative, 4).contains("tensor 'a'"));
    }
}
