//! Tensors on the host: the values that are known when a graph is imported, which shapes are computed from.

use std::fmt;

use super::element_type::ElementType;
use crate::tensor::Shape;

/// A tensor whose elements are known. Floating-point numbers of all widths are float32, integers of all
/// widths `i64`.
#[derive(Clone, PartialEq)]
pub(super) struct HostTensor {
    dims: Vec<usize>,
    data: HostData,
}

/// The elements of a [`HostTensor`] in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum HostData {
    Float(Vec<f32>),
    Int(Vec<i64>),
    Bool(Vec<bool>),
}

/// What the elements of a [`HostTensor`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostKind {
    Float,
    Int,
    Bool,
}

impl HostKind {
    /// `len` times zero or `false`.
    pub fn zeros(self, len: usize) -> HostData {
        match self {
            Self::Float => HostData::Float(vec![0.0; len]),
            Self::Int => HostData::Int(vec![0; len]),
            Self::Bool => HostData::Bool(vec![false; len]),
        }
    }
}

impl fmt::Display for HostKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float => "floating-point numbers",
            Self::Int => "integers",
            Self::Bool => "booleans",
        })
    }
}

impl HostData {
    pub fn kind(&self) -> HostKind {
        match self {
            Self::Float(_) => HostKind::Float,
            Self::Int(_) => HostKind::Int,
            Self::Bool(_) => HostKind::Bool,
        }
    }

    /// The elements at `positions`; `None` where one of them is beyond the end.
    pub fn pick(&self, positions: &[usize]) -> Option<Self> {
        fn picked<T: Copy>(values: &[T], positions: &[usize]) -> Option<Vec<T>> {
            positions.iter().map(|&i| values.get(i).copied()).collect()
        }
        Some(match self {
            Self::Float(values) => Self::Float(picked(values, positions)?),
            Self::Int(values) => Self::Int(picked(values, positions)?),
            Self::Bool(values) => Self::Bool(picked(values, positions)?),
        })
    }

    /// `len` times the only element; `None` where there is not exactly one.
    pub fn repeated(&self, len: usize) -> Option<Self> {
        Some(match self {
            Self::Float(values) => Self::Float(vec![only(values)?; len]),
            Self::Int(values) => Self::Int(vec![only(values)?; len]),
            Self::Bool(values) => Self::Bool(vec![only(values)?; len]),
        })
    }

    /// Writes `values` to `positions`; `None` where the kinds differ, or where a position is beyond the end.
    pub fn place(&mut self, positions: &[usize], values: &Self) -> Option<()> {
        fn placed<T: Copy>(to: &mut [T], positions: &[usize], values: &[T]) -> Option<()> {
            for (&position, &value) in positions.iter().zip(values) {
                *to.get_mut(position)? = value;
            }
            Some(())
        }
        match (self, values) {
            (Self::Float(to), Self::Float(values)) => placed(to, positions, values),
            (Self::Int(to), Self::Int(values)) => placed(to, positions, values),
            (Self::Bool(to), Self::Bool(values)) => placed(to, positions, values),
            _ => None,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Float(data) => data.len(),
            Self::Int(data) => data.len(),
            Self::Bool(data) => data.len(),
        }
    }
}

impl HostTensor {
    /// A tensor of `dims`, or `None` where the number of elements does not fit.
    pub fn new(dims: impl Into<Vec<usize>>, data: HostData) -> Option<Self> {
        let dims = dims.into();
        let len = dims
            .iter()
            .try_fold(1_usize, |len, &dim| len.checked_mul(dim));
        (len == Some(data.len())).then_some(Self { dims, data })
    }

    /// Integers along one dimension.
    pub fn ints(values: impl Into<Vec<i64>>) -> Self {
        let values = values.into();
        Self {
            dims: vec![values.len()],
            data: HostData::Int(values),
        }
    }

    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    pub fn data(&self) -> &HostData {
        &self.data
    }

    pub fn into_data(self) -> HostData {
        self.data
    }

    pub fn kind(&self) -> HostKind {
        self.data.kind()
    }

    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// The elements as integers; `None` for floating-point numbers.
    pub fn as_ints(&self) -> Option<Vec<i64>> {
        match &self.data {
            HostData::Int(values) => Some(values.clone()),
            HostData::Bool(values) => Some(values.iter().map(|&value| value.into()).collect()),
            HostData::Float(_) => None,
        }
    }

    /// The elements as float32.
    pub fn to_floats(&self) -> Vec<f32> {
        match &self.data {
            HostData::Float(values) => values.clone(),
            HostData::Int(values) => values.iter().map(|&value| value as f32).collect(),
            HostData::Bool(values) => values
                .iter()
                .map(|&value| f32::from(u8::from(value)))
                .collect(),
        }
    }

    /// The only element, of whatever rank.
    pub fn scalar(&self) -> Option<f32> {
        match self.to_floats()[..] {
            [value] => Some(value),
            _ => None,
        }
    }
}

impl fmt::Debug for HostTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            0..=16 => write!(f, "{} {:?}", Shape::from(&self.dims[..]), self.data),
            _ => write!(f, "{}", Shape::from(&self.dims[..])),
        }
    }
}

fn only<T: Copy>(values: &[T]) -> Option<T> {
    match values {
        [value] => Some(*value),
        _ => None,
    }
}

/// The integer of type `to` with the low bits of `value`. `None` where `to` is not a type of integers, and
/// for those of uint64 that `i64` cannot hold.
pub(super) fn wrapped(value: i64, to: ElementType) -> Option<i64> {
    // The sign is extended from the highest bit that stays.
    let signed = |bits: u32| {
        let unused = i64::BITS.saturating_sub(bits);
        value.wrapping_shl(unused).wrapping_shr(unused)
    };
    match to {
        ElementType::INT8 => Some(signed(8)),
        ElementType::INT16 => Some(signed(16)),
        ElementType::INT32 => Some(signed(32)),
        ElementType::INT64 => Some(value),
        ElementType::UINT8 => Some(value & 0xFF),
        ElementType::UINT16 => Some(value & 0xFFFF),
        ElementType::UINT32 => Some(value & 0xFFFF_FFFF),
        ElementType::UINT64 => (value >= 0).then_some(value),
        _ => None,
    }
}

/// The distance in row-major order between neighbors along each dimension. Saturates, which only a tensor
/// without elements can bring about.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut stride = 1_usize;
    let mut strides: Vec<usize> = (dims.iter().rev())
        .map(|&dim| {
            let this = stride;
            stride = stride.saturating_mul(dim);
            this
        })
        .collect();
    strides.reverse();
    strides
}

/// The dimensions that two shapes broadcast to by NumPy's rules.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    // Missing dimensions are the first, and count as 1.
    let padded = |dims: &[usize]| {
        let missing = rank.saturating_sub(dims.len());
        let ones = std::iter::repeat_n(1, missing);
        ones.chain(dims.iter().copied()).collect::<Vec<_>>()
    };
    (padded(a).into_iter().zip(padded(b)))
        .map(|dims| match dims {
            (1, dim) | (dim, 1) => Some(dim),
            (a, b) => (a == b).then_some(a),
        })
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{} and {} do not broadcast", Shape::from(a), Shape::from(b)))
}
