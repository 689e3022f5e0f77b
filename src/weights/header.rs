//! The header of a safetensors file: a 64-bit length, that many bytes of JSON, then the tensors' bytes
//! without gaps (<https://github.com/huggingface/safetensors#format>).
//!
//! The `safetensors` crate checks lengths, offsets and shapes too. But its errors neither name the
//! overlapping tensors nor the number of bytes that a truncated file lacks, it accepts duplicate names,
//! and one tensor of an unknown element type makes the whole file unreadable. Hence this parser.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::listing::quoted;
use crate::tensor::Shape;

/// The key of the header that is no tensor.
pub(super) const METADATA: &str = "__metadata__";

/// The largest header that the format allows.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// The most dimensions of a tensor.
const MAX_RANK: usize = 64;
/// The bytes of the header's length, with which a file begins.
pub(super) const LENGTH_BYTES: usize = 8;
/// The advice for a damaged file.
const REMEDY: &str = "download or export it again";

/// One tensor of a file.
pub(super) struct Entry {
    pub(super) name: String,
    /// The name in the file: `F32`, `I64`.
    pub(super) dtype: String,
    pub(super) shape: Shape,
    /// Where its bytes are, from the start of the file.
    pub(super) bytes: Range<usize>,
    /// Elements from one index of each dimension to the next, where they are not in row-major order or not one after
    /// the other: a view of PyTorch. `bytes` is from the first to the last of them.
    pub(super) strides: Option<Vec<usize>>,
}

/// What a header holds.
pub(super) struct Content {
    /// In the order of their bytes.
    pub(super) tensors: Vec<Entry>,
    /// The file's `__metadata__`.
    pub(super) metadata: BTreeMap<String, String>,
}

/// The header of a safetensors file, given `bytes` from its beginning, or what is wrong with it. The file has
/// `file_len` bytes, of which those after the header need not be given.
///
/// Every range is within the file and, for known dtypes, has the length that the shape requires; no two
/// ranges overlap.
pub(super) fn parse(bytes: &[u8], file_len: usize) -> Result<Content, String> {
    if bytes.is_empty() {
        return Err(format!(
            "the file is empty; expected a safetensors file; {REMEDY}"
        ));
    }
    let (json, start) = json(bytes, file_len)?;
    let Header {
        tensors: raw,
        metadata,
    } = serde_json::from_str(json)
        .map_err(|e| format!("its safetensors header cannot be read: {e}; {REMEDY}"))?;
    let mut tensors = Vec::with_capacity(raw.len());
    let mut names = HashSet::with_capacity(raw.len());
    for (name, raw) in raw {
        if !names.insert(name.clone()) {
            return Err(format!(
                "its header lists tensor {} twice; export it again",
                quoted(&name)
            ));
        }
        tensors.push(raw.checked(name)?);
    }
    check_layout(&mut tensors, file_len.saturating_sub(start))?;
    for entry in &mut tensors {
        // `check_layout` has checked that every range ends within the file.
        let Range { start: first, end } = entry.bytes;
        entry.bytes = first.saturating_add(start)..end.saturating_add(start);
    }
    Ok(Content { tensors, metadata })
}

/// The number of bytes that a file's length and header take together, given the bytes it begins with; `None`
/// where they are too few, or claim more than the format allows.
pub(super) fn len(beginning: &[u8]) -> Option<usize> {
    let (length, _) = beginning.split_first_chunk::<LENGTH_BYTES>()?;
    let length = u64::from_le_bytes(*length);
    let length = usize::try_from(length)
        .ok()
        .filter(|_| length <= MAX_HEADER_BYTES)?;
    length.checked_add(LENGTH_BYTES)
}

/// The JSON text, and the offset of the tensors' bytes.
fn json(bytes: &[u8], file_len: usize) -> Result<(&str, usize), String> {
    if let Some(format) = other_format(bytes) {
        return Err(format!("expected a safetensors file, found {format}"));
    }
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(format!(
            "the file holds {file_len} bytes; a safetensors file begins with 8 bytes for its header's length; {REMEDY}"
        ));
    };
    let length = u64::from_le_bytes(*length);
    let Some(end) = len(bytes) else {
        return Err(format!(
            "its first 8 bytes claim a header of {length} bytes, but the format allows {MAX_HEADER_BYTES} and the file holds {file_len}; it is not a safetensors file, or is damaged: {REMEDY}"
        ));
    };
    let Some(header) = bytes.get(LENGTH_BYTES..end) else {
        return Err(format!(
            "its first 8 bytes claim a header of {length} bytes, but only {} follow; the file is truncated or not a safetensors file: {REMEDY}",
            rest.len()
        ));
    };
    let text = std::str::from_utf8(header)
        .map_err(|e| format!("its safetensors header is not UTF-8 text: {e}; {REMEDY}"))?;
    Ok((text, end))
}

/// Another known format, detected from the file's first bytes, with what to do about it.
fn other_format(file: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 5] = [
        (
            b"version https://git-lfs",
            "a Git LFS pointer; fetch the file itself with `git lfs pull`",
        ),
        (
            b"\x80\x02",
            "a PyTorch checkpoint in the form before version 1.6; load it with torch.load and save it again with torch.save",
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
    // The form before the pickles, an archive of tar.
    if file.get(257..262) == Some(b"ustar") {
        return Some(
            "a tar archive, perhaps a PyTorch checkpoint of a version before 0.1.10; load it with torch.load and save it again with torch.save",
        );
    }
    SIGNATURES
        .iter()
        .find(|(signature, _)| file.starts_with(signature))
        .map(|(_, description)| *description)
}

/// Sorts the tensors by offset, and checks that they fill the `data` bytes after the header without gaps
/// or overlaps.
fn check_layout(entries: &mut [Entry], data: usize) -> Result<(), String> {
    entries.sort_by_key(|e| (e.bytes.start, e.bytes.end));
    let mut end = 0;
    let mut before = "the header".to_owned();
    for entry in &*entries {
        let (name, start) = (quoted(&entry.name), entry.bytes.start);
        if start < end {
            return Err(format!(
                "tensors {before} and {name} overlap: the first ends at byte {end}, the second starts at {start}; {REMEDY}"
            ));
        }
        if start > end {
            return Err(format!(
                "bytes {end} to {start}, before tensor {name}, belong to no tensor; {REMEDY}"
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

/// The header's JSON object, in its order and including duplicate names.
struct Header {
    tensors: Vec<(String, RawEntry)>,
    metadata: BTreeMap<String, String>,
}

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
        if shape.len() > MAX_RANK {
            return Err(format!(
                "tensor {} has {} dimensions, more than the {MAX_RANK} of PyTorch and NumPy; {REMEDY}",
                quoted(&name),
                shape.len()
            ));
        }
        let shape = Shape::from(shape);
        let Some(found) = end.checked_sub(start) else {
            return Err(format!(
                "tensor {} ends at byte {end}, before it starts at {start}; {REMEDY}",
                quoted(&name)
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
                    "tensor {} of dtype {dtype} and shape {shape} takes {expected} bytes, but the header gives it {found}; {REMEDY}",
                    quoted(&name)
                ));
            }
        }
        Ok(Entry {
            name,
            dtype,
            shape,
            bytes: start..end,
            strides: None,
        })
    }
}

/// Bits per element; `None` for an unknown (newer) type, whose tensors' lengths are not checked.
pub(super) fn bits(dtype: &str) -> Option<usize> {
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

/// Whether this type holds whole numbers or truth values, which no trained parameter does.
pub(super) fn is_whole(dtype: &str) -> bool {
    matches!(
        dtype,
        "BOOL" | "U8" | "I8" | "I16" | "U16" | "I32" | "U32" | "I64" | "U64"
    )
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
        let mut tensors = Vec::new();
        let mut metadata = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                // The format asks for text; other values are kept as JSON, since they are of no consequence.
                if let Value::Object(entries) = map.next_value()? {
                    metadata.extend(entries.into_iter().map(|(key, value)| match value {
                        Value::String(text) => (key, text),
                        other => (key, other.to_string()),
                    }));
                }
                continue;
            }
            let entry = map
                .next_value()
                .map_err(|e| A::Error::custom(format!("tensor {}: {e}", quoted(&name))))?;
            tensors.push((name, entry));
        }
        Ok(Header { tensors, metadata })
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
        let file = file(header, data);
        parse(&file, file.len()).err().unwrap_or_default()
    }

    #[test]
    fn unknown_dtypes_are_not_checked() {
        let header = r#"{"a":{"dtype":"F3","shape":[9],"data_offsets":[0,4]},
            "b":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}"#;
        // The tensors' bytes need not be there.
        let entries = parse(&file(header, 0), 8 + header.len() + 8)
            .unwrap()
            .tensors;
        let start = 8 + header.len();
        assert_eq!(entries[1].bytes, start + 4..start + 8);
        assert_eq!(entries[1].shape, Shape::from([0; 0]));
    }

    #[test]
    fn duplicate_names_and_gaps_are_refused() {
        let twice = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
            "a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
        assert!(reason(twice, 2).contains("'a' twice"));
        let gap = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}"#;
        assert!(reason(gap, 3).contains("bytes 0 to 2, before tensor 'a'"));
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
