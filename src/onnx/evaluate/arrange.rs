//! Operators that copy elements of their inputs to other places.

use super::super::host::{HostData, HostTensor, broadcast, strides};
use super::super::node::axis_of;
use super::call::{Call, dims_of, int_of, listed, mask_of, place_of};
use super::elementwise::{common_kind, converted};
use super::{check_len, check_rank, tensor};
use crate::tensor::Shape;

/// The places along an axis that one dimension of a result is taken from.
#[derive(Clone)]
pub(super) enum Picks {
    Steps {
        start: usize,
        step: isize,
        len: usize,
    },
    /// The first `period` places over and over.
    Cycle {
        period: usize,
        len: usize,
    },
    Listed(Vec<usize>),
}

impl Picks {
    pub fn span(start: usize, len: usize) -> Self {
        Self::Steps {
            start,
            step: 1,
            len,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Steps { len, .. } | Self::Cycle { len, .. } => *len,
            Self::Listed(places) => places.len(),
        }
    }

    /// The distances from the beginning, `stride` for each place.
    pub fn offsets(&self, stride: usize) -> Option<Vec<usize>> {
        match self {
            Self::Steps { start, step, len } => (0..*len)
                .map(|i| {
                    let distance = isize::try_from(i).ok()?.checked_mul(*step)?;
                    start.checked_add_signed(distance)?.checked_mul(stride)
                })
                .collect(),
            Self::Cycle { period, len } => (0..*len)
                .map(|i| i.checked_rem(*period)?.checked_mul(stride))
                .collect(),
            Self::Listed(places) => places.iter().map(|i| i.checked_mul(stride)).collect(),
        }
    }
}

/// One dimension of a result: the places along an axis of the source, and the source's stride there.
pub(super) type Axis = (Picks, usize);

/// The positions in a source of a result's elements, and the result's dimensions.
pub(super) fn positions(axes: &[Axis]) -> Result<(Vec<usize>, Vec<usize>), String> {
    let dims: Vec<usize> = axes.iter().map(|(picks, _)| picks.len()).collect();
    let len = check_len(&dims)?;
    let mut positions = vec![];
    // Beside a dimension of 0, others may be too large to list.
    if len > 0 {
        let mut tables = vec![];
        let mut base = 0_usize;
        for (picks, stride) in axes {
            let offsets = (picks.offsets(*stride)).ok_or("a position in its input overflows")?;
            match offsets[..] {
                // The walk has no need to stop there.
                [only] => base = base.saturating_add(only),
                _ => tables.push(offsets),
            }
        }
        positions.reserve_exact(len);
        walk(&tables, base, &mut positions);
    }
    Ok((positions, dims))
}

fn walk(tables: &[Vec<usize>], base: usize, positions: &mut Vec<usize>) {
    // A sum that saturates is beyond the end of any source.
    match tables {
        [] => positions.push(base),
        [last] => positions.extend(last.iter().map(|offset| base.saturating_add(*offset))),
        [first, rest @ ..] => {
            for offset in first {
                walk(rest, base.saturating_add(*offset), positions);
            }
        }
    }
}

pub(super) fn take(source: &HostTensor, axes: &[Axis]) -> Result<HostTensor, String> {
    let (positions, dims) = positions(axes)?;
    let data = (source.data().pick(&positions)).ok_or("a position is beyond its input")?;
    tensor(dims, data)
}

/// All of a tensor's axes, as they are.
pub(super) fn whole(source: &HostTensor) -> Vec<Axis> {
    let dims = source.dims().iter();
    dims.map(|&dim| Picks::span(0, dim))
        .zip(strides(source.dims()))
        .collect()
}

/// `source` broadcast to `dims`.
pub(super) fn expanded(source: &HostTensor, dims: &[usize]) -> Result<HostTensor, String> {
    if source.dims() == dims {
        return Ok(source.clone());
    }
    let mut axes = vec![];
    let missing = dims.len().saturating_sub(source.rank());
    let from = source.dims().iter().zip(strides(source.dims()));
    let padded = std::iter::repeat_n((&1, 0), missing).chain(from);
    for (&dim, (&from, stride)) in dims.iter().zip(padded) {
        axes.push((Picks::span(0, dim), if from == 1 { 0 } else { stride }));
    }
    take(source, &axes)
}

pub(super) fn expand(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "input")?;
    let shape = dims_of(&call.ints(1, "shape")?)?;
    expanded(input, &broadcast(input.dims(), &shape)?)
}

pub(super) fn transpose(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "data")?;
    let axes = whole(input);
    let axes: Vec<Axis> = match call.node.ints("perm") {
        None => axes.into_iter().rev().collect(),
        Some(perm) => {
            let mismatch = || {
                format!(
                    "its 'perm' {} does not permute {} dimensions",
                    listed(perm),
                    input.rank()
                )
            };
            let mut axes: Vec<_> = axes.into_iter().map(Some).collect();
            if perm.len() != axes.len() {
                return Err(mismatch());
            }
            // Each is taken once.
            let permuted = perm.iter().map(|&axis| {
                let axis = usize::try_from(axis).ok()?;
                axes.get_mut(axis)?.take()
            });
            permuted.collect::<Option<_>>().ok_or_else(mismatch)?
        }
    };
    take(input, &axes)
}

pub(super) fn tile(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "input")?;
    let repeats = dims_of(&call.ints(1, "repeats")?)?;
    if repeats.len() != input.rank() {
        return Err(format!(
            "{} repeats for {} dimensions",
            repeats.len(),
            input.rank()
        ));
    }
    let mut axes = vec![];
    for ((&dim, repeats), stride) in (input.dims().iter().zip(repeats)).zip(strides(input.dims())) {
        let len = (dim.checked_mul(repeats))
            .ok_or_else(|| format!("{repeats} times a dimension of {dim} do not fit"))?;
        axes.push((Picks::Cycle { period: dim, len }, stride));
    }
    take(input, &axes)
}

pub(super) fn concat(call: &Call) -> Result<HostTensor, String> {
    let inputs = call.all()?;
    let first = *inputs.first().ok_or("it has no inputs")?;
    let axis = call.node.int("axis").ok_or("its 'axis' is missing")?;
    let axis = axis_of(axis, first.rank())?;
    let kind = common_kind(inputs.iter().copied())?;

    let mut dims = first.dims().to_vec();
    let mut sum = 0_usize;
    for input in &inputs {
        let others = |dims: &[usize]| {
            let dims = dims.iter().enumerate().filter(|(i, _)| *i != axis);
            dims.map(|(_, &dim)| dim).collect::<Vec<_>>()
        };
        if input.rank() != first.rank() || others(input.dims()) != others(first.dims()) {
            return Err(format!(
                "{} and {} differ in more than dimension {axis}",
                Shape::from(first.dims()),
                Shape::from(input.dims())
            ));
        }
        let dim = input.dims().get(axis).copied().unwrap_or(0);
        sum = sum.checked_add(dim).ok_or("its dimensions do not fit")?;
    }
    // `axis` is below the rank.
    if let Some(dim) = dims.get_mut(axis) {
        *dim = sum;
    }

    let mut data = kind.zeros(check_len(&dims)?);
    let mut start = 0_usize;
    for input in inputs {
        let mut axes: Vec<Axis> = (whole(input).into_iter().zip(strides(&dims)))
            .map(|((picks, _), stride)| (picks, stride))
            .collect();
        if let Some((picks, _)) = axes.get_mut(axis) {
            let dim = picks.len();
            *picks = Picks::span(start, dim);
            // The sum of all has been checked.
            start = start.saturating_add(dim);
        }
        let (positions, _) = positions(&axes)?;
        let part = converted(input.clone(), kind);
        (data.place(&positions, &part)).ok_or("a position is beyond its result")?;
    }
    tensor(dims, data)
}

pub(super) fn gather(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "data")?;
    let indices = call.input(1, "indices")?;
    let axis = axis_of(call.node.int_or("axis", 0), input.rank())?;
    let HostData::Int(places) = indices.data() else {
        return Err(format!("its indices are {}", indices.kind()));
    };
    let dim = input.dims().get(axis).copied().unwrap_or(0);
    let places = places.iter().map(|&index| place_of(index, dim));
    let places = places.collect::<Result<Vec<_>, _>>()?;

    let mut axes = whole(input);
    if let Some((picks, _)) = axes.get_mut(axis) {
        *picks = Picks::Listed(places);
    }
    let gathered = take(input, &axes)?;
    // The indices' dimensions are in the place of the axis.
    let mut dims = input.dims().to_vec();
    dims.splice(axis..=axis, indices.dims().iter().copied());
    tensor(dims, gathered.into_data())
}

/// All but `data` are attributes before version 10.
pub(super) fn slice(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "data")?;
    let starts = (call.setting(10, "starts", 1)?).ok_or("its 'starts' are missing")?;
    let ends = (call.setting(10, "ends", 2)?).ok_or("its 'ends' are missing")?;
    let count = starts.len();
    check_rank(count)?;
    let axes = match call.setting(10, "axes", 3)? {
        Some(axes) => axes,
        None => (0..int_of(count)?).collect(),
    };
    let steps = (call.setting(10, "steps", 4)?).unwrap_or_else(|| vec![1; count]);
    if [ends.len(), axes.len(), steps.len()] != [count; 3] {
        return Err(format!(
            "{count} starts, {} ends, {} axes and {} steps",
            ends.len(),
            axes.len(),
            steps.len()
        ));
    }
    mask_of(&axes, input.rank())?;

    let mut picked = whole(input);
    for ((axis, step), (start, end)) in axes
        .into_iter()
        .zip(steps)
        .zip(starts.into_iter().zip(ends))
    {
        if let Some((picks, _)) = picked.get_mut(axis_of(axis, input.rank())?) {
            *picks = sliced(picks.len(), start, end, step)?;
        }
    }
    take(input, &picked)
}

fn sliced(dim: usize, start: i64, end: i64, step: i64) -> Result<Picks, String> {
    if step == 0 {
        return Err("a step of its slice is zero".to_owned());
    }
    if dim == 0 {
        return Ok(Picks::span(0, 0));
    }
    let dim = int_of(dim)?;
    // The places that a slice may start at, and those before which it may end.
    let (starts, ends) = match step > 0 {
        true => ((0, dim), (0, dim)),
        false => ((0, dim.saturating_sub(1)), (-1, dim.saturating_sub(1))),
    };
    let bound = |at: i64, (low, high): (i64, i64)| {
        let at = if at < 0 { at.saturating_add(dim) } else { at };
        at.clamp(low, high)
    };
    let (start, end) = (bound(start, starts), bound(end, ends));
    let len = match (end > start) == (step > 0) {
        true => start.abs_diff(end).div_ceil(step.unsigned_abs()),
        false => 0,
    };
    Ok(Picks::Steps {
        // Neither is negative or above the dimension.
        start: usize::try_from(start).unwrap_or(0),
        len: usize::try_from(len).unwrap_or(0),
        // Where a step does not fit, there is only one place.
        step: isize::try_from(step).unwrap_or(0),
    })
}

/// The sizes of the parts are an attribute before version 13. Without them, parts are equal; from version 18
/// on, the last may be smaller.
pub(super) fn split(call: &Call) -> Result<Vec<HostTensor>, String> {
    let (node, input) = (call.node, call.input(0, "input")?);
    let axis = axis_of(node.int_or("axis", 0), input.rank())?;
    let dim = input.dims().get(axis).copied().unwrap_or(0);
    let outputs = node.proto.output.len();
    let parts = node.int("num_outputs").filter(|_| node.opset >= 18);
    if let Some(parts) = parts
        && parts != int_of(outputs)?
    {
        return Err(format!(
            "its 'num_outputs' is {parts}, and it has {outputs}"
        ));
    }

    let sizes = match call.setting(13, "split", 1)? {
        Some(_) if parts.is_some() => {
            return Err("it has both 'split' and 'num_outputs'".to_owned());
        }
        Some(sizes) => sizes
            .iter()
            .map(|&size| usize::try_from(size).map_err(|_| format!("a part of {size} elements")))
            .collect::<Result<Vec<_>, _>>()?,
        None => equal_parts(dim, outputs, node.opset >= 18)?,
    };
    let sum = (sizes.iter()).try_fold(0_usize, |sum, &size| sum.checked_add(size));
    if sizes.len() != outputs || sum != Some(dim) {
        return Err(format!(
            "a dimension of {dim} is split into {} parts of {} elements in total for {outputs} outputs",
            sizes.len(),
            sum.unwrap_or(usize::MAX)
        ));
    }
    check_len(input.dims())?;
    let mut start = 0_usize;
    let parts = sizes.into_iter().map(|size| {
        let mut axes = whole(input);
        if let Some((picks, _)) = axes.get_mut(axis) {
            *picks = Picks::span(start, size);
        }
        // The sum of all has been checked.
        start = start.saturating_add(size);
        take(input, &axes)
    });
    parts.collect()
}

fn equal_parts(dim: usize, parts: usize, uneven: bool) -> Result<Vec<usize>, String> {
    let unequal = || format!("a dimension of {dim} does not split into {parts} equal parts");
    let rest = dim.checked_rem(parts).ok_or_else(unequal)?;
    if rest != 0 && !uneven {
        return Err(unequal());
    }
    let size = dim.div_ceil(parts);
    let mut sizes = vec![size; parts];
    // Nothing may be left for the last.
    let before = size.checked_mul(parts.saturating_sub(1));
    let last = before.and_then(|before| dim.checked_sub(before));
    *sizes.last_mut().ok_or_else(unequal)? = last.ok_or_else(unequal)?;
    Ok(sizes)
}
