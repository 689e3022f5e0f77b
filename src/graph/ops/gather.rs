use std::sync::Arc;

use super::{Binary, Operator, Pad2d, Rearrange, expect_one_input};
use crate::graph::{Backward, Reach, ValueId};
use crate::tensor::Shape;

/// Elements of the input at indices that are known, in any order and any number of times: PyTorch's `index_select`.
///
/// The elements of the input, row-major, are seen as `[outer, count, inner]`. The output has
/// `[outer, indices.len(), inner]` of them, in a shape of its own.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Gather {
    /// The shape of the input.
    pub input: Shape,
    /// The shape of the output.
    pub output: Shape,
    /// The elements along the axis that is indexed, `0..count`.
    pub count: usize,
    /// The elements that are taken together for each index.
    pub inner: usize,
    /// Which of `count` each is.
    pub indices: Arc<[u32]>,
}

impl Gather {
    /// Those along an axis, whose extent becomes the number of indices.
    ///
    /// # Errors
    /// If the input does not have the axis or an index.
    pub fn along(input: &Shape, axis: usize, indices: Arc<[u32]>) -> Result<Self, String> {
        let mut dims = input.dims().to_vec();
        let Some(extent) = dims.get_mut(axis) else {
            return Err(format!("{input} has no axis {axis}"));
        };
        let count = std::mem::replace(extent, indices.len());
        let inner = &input.dims()[axis + 1..];
        let gather = Self {
            input: input.clone(),
            output: Shape::from(dims),
            count,
            inner: inner.iter().copied().fold(1, usize::saturating_mul),
            indices,
        };
        gather.validate().map(|()| gather)
    }

    /// One element for each of the output, by its index among all of the input.
    ///
    /// # Errors
    /// If the input does not have an index, or they are not as many as the output has elements.
    pub fn elements(input: &Shape, output: Shape, indices: Arc<[u32]>) -> Result<Self, String> {
        let gather = Self {
            input: input.clone(),
            output,
            count: input.len(),
            inner: 1,
            indices,
        };
        gather.validate().map(|()| gather)
    }

    fn validate(&self) -> Result<(), String> {
        let largest = u32::MAX as usize;
        let len = |shape: &Shape| {
            (shape.checked_len().filter(|len| *len <= largest))
                .ok_or_else(|| format!("its shape {shape} has more than 2^32 elements"))
        };
        let (available, needed) = (len(&self.input)?, len(&self.output)?);
        let outer = (self.count.checked_mul(self.inner))
            .and_then(|own| {
                available
                    .checked_div(own)
                    .filter(|outer| outer * own == available)
            })
            .ok_or_else(|| {
                let Self {
                    input,
                    count,
                    inner,
                    ..
                } = self;
                format!("its input {input} does not consist of {count} times {inner} elements")
            })?;
        let taken =
            (outer.checked_mul(self.indices.len())).and_then(|taken| taken.checked_mul(self.inner));
        if taken != Some(needed) {
            return Err(format!(
                "{} indices of {} in its input {} do not make up its output {}",
                self.indices.len(),
                self.count,
                self.input,
                self.output
            ));
        }
        match self
            .indices
            .iter()
            .find(|index| **index as usize >= self.count)
        {
            Some(index) => Err(format!("its index {index} is not one of {}", self.count)),
            None => Ok(()),
        }
    }
}

/// Without the indices, which may be millions.
impl std::fmt::Debug for Gather {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gather")
            .field("input", &self.input)
            .field("output", &self.output)
            .field("count", &self.count)
            .field("inner", &self.inner)
            .field("indices", &self.indices.len())
            .finish()
    }
}

impl Operator for Gather {
    fn kind(&self) -> &'static str {
        "Gather"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        self.validate()
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match *inputs[0] == self.input {
            true => Ok(self.output.clone()),
            false => Err(format!(
                "it takes {}, but its input is {}",
                self.input, inputs[0]
            )),
        }
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Whole
    }

    /// For each element of the input, the sum of the gradients of all places that it was taken to: one gather for the
    /// first place of each, one for the second, and so on.
    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let rounds = self.places();
        if rounds.len() > MAX_ROUNDS {
            return Err(format!(
                "it takes one of its input's elements {} times; its gradient is implemented for up to {MAX_ROUNDS} times",
                rounds.len()
            ));
        }
        let len = self.indices.len();
        let outer = self.input.len() / (self.count * self.inner).max(1);
        // With a row of zeros after the others, for elements that were not taken.
        let rows = Shape::from([1, outer, len, self.inner]);
        let reshape = Rearrange::reshape(self.output.clone(), rows)?;
        let rows = backward.node(reshape, &[gradient]);
        let rows = backward.node(Pad2d::zeros(0, 1, 0, 0), &[rows]);
        let mut sum = None;
        for indices in rounds {
            let op = Self {
                input: Shape::from([1, outer, len + 1, self.inner]),
                output: self.input.clone(),
                count: len + 1,
                inner: self.inner,
                indices: indices.into(),
            };
            let part = backward.node(op, &[rows]);
            sum = Some(match sum {
                None => part,
                Some(sum) => backward.node(Binary::Add, &[sum, part]),
            });
        }
        Ok(vec![sum])
    }
}

/// Gathers that a gradient may consist of.
const MAX_ROUNDS: usize = 32;

impl Gather {
    /// Of each of `count`, the places among the indices that it was taken to: a list of the first of each, of the
    /// second and so on. `indices.len()` stands for none.
    fn places(&self) -> Vec<Vec<u32>> {
        let none = self.indices.len() as u32;
        let mut taken = vec![0; self.count];
        let mut rounds = vec![vec![none; self.count]];
        for (place, index) in (0..).zip(self.indices.iter()) {
            let index = *index as usize;
            let round: usize = taken[index];
            taken[index] += 1;
            // Errors say how often, and need no more lists.
            if round == rounds.len() {
                let entry = if round < MAX_ROUNDS {
                    vec![none; self.count]
                } else {
                    Vec::new()
                };
                rounds.push(entry);
            }
            if let Some(entry) = rounds[round].get_mut(index) {
                *entry = place;
            }
        }
        rounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused() {
        let input = Shape::from([2, 3, 4]);
        let along = |axis, indices: &[u32]| Gather::along(&input, axis, indices.into());
        let op = along(1, &[2, 0, 0, 1, 2]).unwrap();
        assert_eq!((op.output, op.inner), (Shape::from([2, 5, 4]), 4));
        assert!(along(1, &[3]).unwrap_err().contains("index 3"));
        assert!(along(3, &[0]).unwrap_err().contains("no axis 3"));
        let elements = |output: &[usize], indices: &[u32]| {
            Gather::elements(&input, Shape::from(output), indices.into())
        };
        assert!(elements(&[2], &[23, 0]).is_ok());
        assert!(elements(&[2], &[24, 0]).is_err());
        assert!(elements(&[3], &[23, 0]).is_err());
        let op = Gather {
            count: 5,
            ..along(1, &[0]).unwrap()
        };
        assert!(op.check(1).unwrap_err().contains("does not consist"));
    }
}
