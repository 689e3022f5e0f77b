//! Element types of ONNX tensors.

use std::fmt;

use super::host::HostKind;
use crate::weights::Dtype;

/// The element type of a tensor in an ONNX file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ElementType(pub(super) i32);

impl ElementType {
    pub(super) const FLOAT: Self = Self(1);
    pub(super) const UINT8: Self = Self(2);
    pub(super) const INT8: Self = Self(3);
    pub(super) const UINT16: Self = Self(4);
    pub(super) const INT16: Self = Self(5);
    pub(super) const INT32: Self = Self(6);
    pub(super) const INT64: Self = Self(7);
    pub(super) const BOOL: Self = Self(9);
    pub(super) const FLOAT16: Self = Self(10);
    pub(super) const DOUBLE: Self = Self(11);
    pub(super) const UINT32: Self = Self(12);
    pub(super) const UINT64: Self = Self(13);
    pub(super) const BFLOAT16: Self = Self(16);

    /// Bytes per element; `None` for types that are not supported.
    pub(super) fn size(self) -> Option<usize> {
        match self {
            Self::UINT8 | Self::INT8 | Self::BOOL => Some(1),
            Self::UINT16 | Self::INT16 | Self::FLOAT16 | Self::BFLOAT16 => Some(2),
            Self::FLOAT | Self::INT32 | Self::UINT32 => Some(4),
            Self::INT64 | Self::DOUBLE | Self::UINT64 => Some(8),
            _ => None,
        }
    }

    /// The same type of weights; `None` for integers.
    pub(super) fn dtype(self) -> Option<Dtype> {
        match self {
            Self::FLOAT => Some(Dtype::F32),
            Self::FLOAT16 => Some(Dtype::F16),
            Self::BFLOAT16 => Some(Dtype::Bf16),
            Self::DOUBLE => Some(Dtype::F64),
            _ => None,
        }
    }

    /// What elements of the type are.
    pub(super) fn kind(self) -> HostKind {
        match self {
            Self::BOOL => HostKind::Bool,
            other if other.is_float() => HostKind::Float,
            _ => HostKind::Int,
        }
    }

    /// Whether it is a type of real numbers.
    pub fn is_float(self) -> bool {
        self.dtype().is_some()
    }
}

/// ONNX's name.
impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 26] = [
            "undefined",
            "float",
            "uint8",
            "int8",
            "uint16",
            "int16",
            "int32",
            "int64",
            "string",
            "bool",
            "float16",
            "double",
            "uint32",
            "uint64",
            "complex64",
            "complex128",
            "bfloat16",
            "float8e4m3fn",
            "float8e4m3fnuz",
            "float8e5m2",
            "float8e5m2fnuz",
            "uint4",
            "int4",
            "float4e2m1",
            "float8e8m0",
            "uint2",
        ];
        match usize::try_from(self.0).ok().and_then(|at| NAMES.get(at)) {
            Some(name) => f.write_str(name),
            None => write!(f, "type {}", self.0),
        }
    }
}
