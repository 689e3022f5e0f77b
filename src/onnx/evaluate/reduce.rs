//! Operators that combine elements along axes.

use super::super::host::{HostData, HostTensor};
use super::super::node::axis_of;
use super::arrange::{Axis, Picks, positions, take, whole};
use super::call::{Call, mask_of};
use super::number::{self, maximum, minimum, rounded};
use super::{check_len, tensor};

/// What elements are combined to.
pub(super) struct Reduction {
    /// The version from which on the axes are an input.
    axes_since: i64,
    float: fn(&[f32]) -> f32,
    int: fn(&[i64]) -> Result<i64, String>,
    bool: Option<fn(&[bool]) -> bool>,
}

pub(super) const SUM: Reduction = Reduction {
    axes_since: 13,
    float: |values| rounded(values.iter().map(|&x| f64::from(x)).sum()),
    int: sum,
    bool: None,
};

pub(super) const PROD: Reduction = Reduction {
    axes_since: 18,
    float: |values| rounded(values.iter().map(|&x| f64::from(x)).product()),
    int: |values| values.iter().try_fold(1, |a, &b| number::mul(a, b)),
    bool: None,
};

pub(super) const MAX: Reduction = Reduction {
    axes_since: 18,
    float: |values| values.iter().copied().fold(f32::NEG_INFINITY, maximum),
    int: |values| (values.iter().copied().max()).ok_or_else(|| extreme_of_none("largest")),
    bool: Some(|values| values.iter().any(|&x| x)),
};

pub(super) const MIN: Reduction = Reduction {
    axes_since: 18,
    float: |values| values.iter().copied().fold(f32::INFINITY, minimum),
    int: |values| (values.iter().copied().min()).ok_or_else(|| extreme_of_none("smallest")),
    bool: Some(|values| values.iter().all(|&x| x)),
};

pub(super) const MEAN: Reduction = Reduction {
    axes_since: 18,
    float: |values| {
        let sum: f64 = values.iter().map(|&x| f64::from(x)).sum();
        rounded(sum / values.len() as f64)
    },
    // Lengths fit, and zero is an error.
    int: |values| number::div(sum(values)?, i64::try_from(values.len()).unwrap_or(0)),
    bool: None,
};

fn sum(values: &[i64]) -> Result<i64, String> {
    values.iter().try_fold(0, |a, &b| number::add(a, b))
}

/// By the specification, the end of the range of the integers' type, which is not known here.
fn extreme_of_none(which: &str) -> String {
    format!("it takes the {which} of no integers")
}

pub(super) fn reduce(call: &Call, reduction: &Reduction) -> Result<HostTensor, String> {
    let (node, input) = (call.node, call.input(0, "data")?);
    let axes = (call.setting(reduction.axes_since, "axes", 1)?).unwrap_or_default();
    if axes.is_empty() && node.opset >= reduction.axes_since && node.flag("noop_with_empty_axes") {
        return Ok(input.clone());
    }
    let gone = match axes.is_empty() {
        true => vec![true; input.rank()],
        false => mask_of(&axes, input.rank())?,
    };

    // The elements that are combined come to lie side by side.
    let (mut kept, mut combined, mut dims) = (vec![], vec![], vec![]);
    for ((axis, &dim), gone) in whole(input).into_iter().zip(input.dims()).zip(gone) {
        match gone {
            true => combined.push(axis),
            false => kept.push(axis),
        }
        match (gone, node.int_or("keepdims", 1) != 0) {
            (false, _) => dims.push(dim),
            (true, true) => dims.push(1),
            (true, false) => {}
        }
    }
    let count = check_len(&dims)?;
    if count == 0 {
        return tensor(dims, input.kind().zeros(0));
    }
    kept.append(&mut combined);
    let values = match input.len() {
        // Dimensions beside one of 0 may be of any size.
        0 => input.kind().zeros(0),
        _ => take(input, &kept)?.into_data(),
    };
    let data = match values {
        HostData::Float(values) => {
            HostData::Float(each(&values, count, |part| Ok((reduction.float)(part)))?)
        }
        HostData::Int(values) => HostData::Int(each(&values, count, reduction.int)?),
        HostData::Bool(values) => {
            let function = reduction.bool.ok_or("its input is booleans")?;
            HostData::Bool(each(&values, count, |part| Ok(function(part)))?)
        }
    };
    tensor(dims, data)
}

/// `count` parts of equal size, combined.
fn each<T: Copy>(
    values: &[T],
    count: usize,
    function: impl Fn(&[T]) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    match values.len().checked_div(count) {
        None | Some(0) => Ok(vec![function(&[])?; count]),
        Some(len) => values.chunks_exact(len).map(function).collect(),
    }
}

pub(super) fn cum_sum(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "x")?;
    let HostData::Int(axis) = call.scalar(1, "axis")? else {
        return Err("its axis is not an integer".to_owned());
    };
    let axis = axis_of(axis.first().copied().unwrap_or(0), input.rank())?;
    check_len(input.dims())?;

    // The first elements along the axis, and the others' distances from them.
    let mut firsts = whole(input);
    let mut along = vec![];
    if input.len() > 0
        && let Some((picks, stride)) = firsts.get_mut(axis)
    {
        along = (picks.offsets(*stride)).ok_or("a position in its input overflows")?;
        *picks = Picks::span(0, 1);
    }
    if call.node.flag("reverse") {
        along.reverse();
    }
    let lines = Lines {
        firsts: &firsts,
        along: &along,
        exclusive: call.node.flag("exclusive"),
    };
    let data = match input.data() {
        HostData::Float(values) => HostData::Float(lines.sums(values, |a, b| Ok(a + b))?),
        HostData::Int(values) => HostData::Int(lines.sums(values, number::add)?),
        HostData::Bool(_) => return Err("its input is booleans".to_owned()),
    };
    tensor(input.dims(), data)
}

/// The lines of a tensor that CumSum sums up.
struct Lines<'a> {
    firsts: &'a [Axis],
    along: &'a [usize],
    /// Without the element itself.
    exclusive: bool,
}

impl Lines<'_> {
    fn sums<T: Copy + Default>(
        &self,
        values: &[T],
        add: fn(T, T) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut sums = values.to_vec();
        for first in positions(self.firsts)?.0 {
            let (mut sum, mut before) = (T::default(), T::default());
            for offset in self.along {
                let at = first.saturating_add(*offset);
                if let (Some(&value), Some(result)) = (values.get(at), sums.get_mut(at)) {
                    let term = match self.exclusive {
                        true => std::mem::replace(&mut before, value),
                        false => value,
                    };
                    sum = add(sum, term)?;
                    *result = sum;
                }
            }
        }
        Ok(sums)
    }
}
