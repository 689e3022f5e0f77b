//! Access to the inputs of a node that is evaluated.

use super::super::host::{HostData, HostTensor};
use super::super::node::{OnnxNode, axis_of};
use super::check_rank;

/// A node and its inputs.
pub(super) struct Call<'a> {
    pub node: OnnxNode<'a>,
    inputs: &'a [Option<&'a HostTensor>],
}

impl<'a> Call<'a> {
    pub fn new(node: OnnxNode<'a>, inputs: &'a [Option<&'a HostTensor>]) -> Self {
        Self { node, inputs }
    }

    /// Input `i`, which may be left out.
    pub fn optional(&self, i: usize) -> Option<&'a HostTensor> {
        self.inputs.get(i).copied().flatten()
    }

    /// Input `i`, which has `name` in the specification.
    pub fn input(&self, i: usize, name: &str) -> Result<&'a HostTensor, String> {
        (self.optional(i)).ok_or_else(|| format!("its input '{name}' is missing"))
    }

    /// All inputs of an operator that takes any number of them.
    pub fn all(&self) -> Result<Vec<&'a HostTensor>, String> {
        match self.inputs {
            [] => Err("it has no inputs".to_owned()),
            inputs => (inputs.iter().enumerate())
                .map(|(i, input)| input.ok_or_else(|| format!("its input {i} is missing")))
                .collect(),
        }
    }

    /// The integers of input `i`, which is a list.
    pub fn ints(&self, i: usize, name: &str) -> Result<Vec<i64>, String> {
        let input = self.input(i, name)?;
        match input.data() {
            HostData::Int(values) if input.rank() <= 1 => Ok(values.clone()),
            HostData::Int(_) => Err(format!(
                "its input '{name}' must have one dimension, and has {}",
                input.rank()
            )),
            data => Err(format!(
                "its input '{name}' must be integers, and is {}",
                data.kind()
            )),
        }
    }

    pub fn optional_ints(&self, i: usize, name: &str) -> Result<Option<Vec<i64>>, String> {
        (self.optional(i).map(|_| self.ints(i, name))).transpose()
    }

    /// Integers that are an attribute in versions before `since`, and input `i` from it on. The other form is
    /// an error: to overlook it would compute something else.
    pub fn setting(&self, since: i64, name: &str, i: usize) -> Result<Option<Vec<i64>>, String> {
        self.check_form(since, name, i)?;
        match self.node.opset >= since {
            true => self.optional_ints(i, name),
            false => Ok(self.node.ints(name).map(<[i64]>::to_vec)),
        }
    }

    /// An error where `name` is given as an attribute although it is input `i` from opset `since` on, or the
    /// other way around.
    pub fn check_form(&self, since: i64, name: &str, i: usize) -> Result<(), String> {
        let opset = self.node.opset;
        match opset >= since {
            true if self.node.has(name) => Err(format!(
                "'{name}' is an input from opset {since} on, and the file has it as an attribute in opset {opset}"
            )),
            false if self.optional(i).is_some() => Err(format!(
                "'{name}' is an attribute before opset {since}, and the file has it as an input in opset {opset}"
            )),
            _ => Ok(()),
        }
    }

    /// The only element of input `i`, as a tensor without dimensions.
    pub fn scalar(&self, i: usize, name: &str) -> Result<HostData, String> {
        let input = self.input(i, name)?;
        match input.len() {
            1 => Ok(input.data().clone()),
            len => Err(format!(
                "its input '{name}' must have one element, and has {len}"
            )),
        }
    }
}

/// Which of the `rank` dimensions of a value are among `axes`.
pub(super) fn mask_of(axes: &[i64], rank: usize) -> Result<Vec<bool>, String> {
    check_rank(rank)?;
    let mut mask = vec![false; rank];
    for &axis in axes {
        // An axis of `axis_of` is below the rank.
        if let Some(flag) = mask.get_mut(axis_of(axis, rank)?)
            && std::mem::replace(flag, true)
        {
            return Err(format!("its axes {} name one twice", listed(axes)));
        }
    }
    Ok(mask)
}

/// The place that `index` means among `dim`, counted from the end where it is negative.
pub(super) fn place_of(index: i64, dim: usize) -> Result<usize, String> {
    let from_start = match index < 0 {
        true => (i64::try_from(dim).ok()).and_then(|dim| index.checked_add(dim)),
        false => Some(index),
    };
    (from_start.and_then(|index| usize::try_from(index).ok()))
        .filter(|&place| place < dim)
        .ok_or_else(|| format!("index {index} is not one of {dim} elements"))
}

/// Integers as dimensions.
pub(super) fn dims_of(values: &[i64]) -> Result<Vec<usize>, String> {
    check_rank(values.len())?;
    let dims = values
        .iter()
        .map(|&dim| usize::try_from(dim).map_err(|_| format!("{dim} is not a dimension")));
    dims.collect()
}

/// Dimensions as integers.
pub(super) fn ints_of(dims: &[usize]) -> Result<Vec<i64>, String> {
    let ints = dims.iter().map(|&dim| int_of(dim));
    ints.collect()
}

pub(super) fn int_of(dim: usize) -> Result<i64, String> {
    i64::try_from(dim).map_err(|_| format!("{dim} does not fit in int64"))
}

/// Integers for a message, in which a long list ends in dots.
pub(super) fn listed(values: &[i64]) -> String {
    match values.get(..16) {
        Some(first) if values.len() > 16 => format!("{first:?}…"),
        _ => format!("{values:?}"),
    }
}
