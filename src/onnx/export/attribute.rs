//! Attributes of nodes.

use super::super::proto::AttributeProto;

/// `AttributeProto.AttributeType`.
const FLOAT: i32 = 1;
const INT: i32 = 2;
const STRING: i32 = 3;
const INTS: i32 = 7;

pub(super) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto {
        f,
        ..of(name, FLOAT)
    }
}

pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..of(name, INT) }
}

pub(super) fn flag(name: &str, is_set: bool) -> AttributeProto {
    int(name, i64::from(is_set))
}

pub(super) fn string(name: &str, text: &'static str) -> AttributeProto {
    AttributeProto {
        s: bytes::Bytes::from_static(text.as_bytes()),
        ..of(name, STRING)
    }
}

pub(super) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto {
        ints: ints.to_vec(),
        ..of(name, INTS)
    }
}

/// Sizes, as [`ints`].
pub(super) fn sizes(name: &str, sizes: &[usize]) -> AttributeProto {
    ints(name, &to_ints(sizes))
}

/// As ONNX has sizes. Those of a graph are below 2^32.
pub(super) fn to_int(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn to_ints(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().copied().map(to_int).collect()
}

fn of(name: &str, kind: i32) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        kind,
        ..AttributeProto::default()
    }
}
