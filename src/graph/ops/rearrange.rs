mod factors;
mod gradient;

pub(crate) use factors::{factors_by_dimension, merged_factors};

use super::{Operator, expect_one_input};
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// Elements of the input in another order or number: reshaping, transposing, slicing with steps, reversing,
/// expanding and tiling. Shapes are of any rank, and fixed, the batch included.
///
/// The linear index of an output element, row-major, is split into digits over `factors`, the first of which is
/// the most significant. The element is the input's at the linear index `offset` plus the sum of each digit times
/// its stride: PyTorch's `as_strided` of a contiguous tensor.
///
/// ```
/// use shadernet::graph::Rearrange;
/// use shadernet::tensor::Shape;
///
/// // [2, 3] to [3, 2]: rows are one element apart, columns three.
/// let op = Rearrange::transpose(&Shape::from([2, 3]), &[1, 0])?;
/// let strides: Vec<isize> = op.factors.iter().map(|factor| factor.stride).collect();
/// assert_eq!((op.output, strides), (Shape::from([3, 2]), vec![1, 3]));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rearrange {
    /// The shape of the input.
    pub input: Shape,
    /// The shape of the output.
    pub output: Shape,
    /// The digits of an output element's index. The product of their extents is the number of output elements.
    /// At most [`Rearrange::MAX_FACTORS`].
    pub factors: Vec<Factor>,
    /// The input's linear index of the first output element.
    pub offset: usize,
}

/// A digit of an element's index, see [`Rearrange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Factor {
    /// The number of values of the digit, at least 1.
    pub extent: usize,
    /// Input elements from one value of the digit to the next: 0 repeats elements, negative reverses them.
    pub stride: isize,
}

impl Rearrange {
    /// The most factors that an operator may have.
    pub const MAX_FACTORS: usize = 8;

    /// A rearrangement with its factors merged, which may be more than [`Self::MAX_FACTORS`] before.
    ///
    /// # Errors
    /// As [`Operator::check`]: the numbers do not fit the shapes, or are more than shaders can count.
    pub fn new(
        input: Shape,
        output: Shape,
        factors: Vec<Factor>,
        offset: usize,
    ) -> Result<Self, String> {
        let merged = Self {
            input,
            output,
            factors,
            offset,
        }
        .merged();
        merged.validate()?;
        Ok(merged)
    }

    /// The same elements in the same order with another shape.
    ///
    /// # Errors
    /// If the shapes have different numbers of elements.
    pub fn reshape(input: Shape, output: Shape) -> Result<Self, String> {
        let (from, to) = (input.checked_len(), output.checked_len());
        match (from, to) {
            (Some(from), Some(to)) if from == to => {
                let factor = Factor {
                    extent: to,
                    stride: 1,
                };
                Self::new(input, output, vec![factor], 0)
            }
            _ => Err(format!(
                "{input} and {output} have different numbers of elements"
            )),
        }
    }

    /// Axes in another order: axis `i` of the output is axis `order[i]` of the input, as in PyTorch's `permute`.
    ///
    /// # Errors
    /// If `order` does not name every axis once.
    pub fn transpose(input: &Shape, order: &[usize]) -> Result<Self, String> {
        let mut named = order.to_vec();
        named.sort_unstable();
        if !named.into_iter().eq(0..input.rank()) {
            return Err(format!(
                "{order:?} does not name every axis of {input} once"
            ));
        }
        let strides = strides(input)?;
        // `order` holds indices of axes.
        let dims: Vec<usize> = order.iter().map(|axis| input.dims()[*axis]).collect();
        let factors = factors(&dims, order.iter().map(|axis| strides[*axis]));
        Self::new(input.clone(), Shape::from(dims), factors, 0)
    }

    /// Axes of extent 1, and missing leading ones, repeated to the extents of `output`, as PyTorch's `expand`.
    ///
    /// # Errors
    /// If another extent differs.
    pub fn expand(input: &Shape, output: &Shape) -> Result<Self, String> {
        let mismatch = || format!("{input} cannot be expanded to {output}");
        let missing = (output.rank().checked_sub(input.rank())).ok_or_else(mismatch)?;
        let of_input = strides(input)?;
        let mut strides = vec![0; missing];
        let pairs = input.dims().iter().zip(&output.dims()[missing..]);
        for ((&from, &to), stride) in pairs.zip(of_input) {
            strides.push(match from {
                _ if from == to => stride,
                1 => 0,
                _ => return Err(mismatch()),
            });
        }
        let factors = factors(output.dims(), strides);
        Self::new(input.clone(), output.clone(), factors, 0)
    }

    /// Of each axis, `extents` elements from index `starts`, `steps` apart. Steps may be negative.
    ///
    /// # Errors
    /// If the lists do not have a number for every axis, or the input lacks one of the elements.
    pub fn slice(
        input: &Shape,
        starts: &[usize],
        steps: &[isize],
        extents: &[usize],
    ) -> Result<Self, String> {
        let rank = input.rank();
        if [starts.len(), steps.len(), extents.len()] != [rank; 3] {
            return Err(format!(
                "a slice of {input} needs {rank} starts, steps and extents; {}, {} and {} were given",
                starts.len(),
                steps.len(),
                extents.len()
            ));
        }
        let strides = strides(input)?;
        let (mut factors, mut offset) = (Vec::with_capacity(rank), 0_usize);
        for (axis, &size) in input.dims().iter().enumerate() {
            let (start, step, extent) = (starts[axis], steps[axis], extents[axis]);
            // 127 bits: the product of two numbers of 64 bits, of which one is signed.
            let last = start as i128 + step as i128 * extent.saturating_sub(1) as i128;
            if extent == 0 || start >= size || !(0..size as i128).contains(&last) {
                return Err(format!(
                    "axis {axis} of {input} has no {extent} elements from {start} in steps of {step}"
                ));
            }
            // Within the input, whose elements `strides` has counted. A digit of one value has no stride.
            factors.push(Factor {
                extent,
                stride: strides[axis].saturating_mul(step),
            });
            offset += start * strides[axis].unsigned_abs();
        }
        Self::new(input.clone(), Shape::from(extents), factors, offset)
    }

    /// The same rearrangement with as few factors as possible: those of extent 1 are left out, and a factor
    /// whose stride is that of the next times its extent becomes one with it.
    pub fn merged(mut self) -> Self {
        self.factors = merged_factors(self.factors);
        self
    }

    /// Whether all elements of the input keep their order, so that only the shape changes.
    pub fn is_reshape(&self) -> bool {
        let in_order = match self.clone().merged().factors[..] {
            [] => true,
            [Factor { stride, .. }] => stride == 1,
            _ => false,
        };
        in_order && self.offset == 0 && self.input.checked_len() == self.output.checked_len()
    }

    /// Whether the output has the same elements in the same memory layout as the input: of the same number of
    /// channels, which are the last digits of an element's position in memory, behind images and pixels. Which
    /// pixels are in which image is of no importance.
    pub(crate) fn keeps_layout(&self) -> bool {
        let ([n, c, h, w], [out_n, out_c, out_h, out_w]) = (self.input.nchw(), self.output.nchw());
        let (Some(plane), Some(out_plane)) = (h.checked_mul(w), out_h.checked_mul(out_w)) else {
            return false;
        };
        let parts = factors_by_dimension(&self.factors, &[out_n, out_c, out_plane]);
        let (Some([images, channels, pixels]), Ok(stride)) =
            (parts.as_deref(), isize::try_from(plane))
        else {
            return false;
        };
        let in_memory = [&images[..], pixels, channels].concat();
        let of_input = [
            (
                n,
                stride.saturating_mul(isize::try_from(c).unwrap_or(isize::MAX)),
            ),
            (plane, 1),
            (c, stride),
        ];
        let of_input = of_input.map(|(extent, stride)| Factor { extent, stride });
        self.offset == 0 && c == out_c && merged_factors(in_memory) == merged_factors(of_input)
    }

    /// The rearrangement that restores the input, if this one has every element of it exactly once.
    pub(super) fn inverse(&self) -> Option<Self> {
        if self.validate().is_err() || self.input.checked_len() != self.output.checked_len() {
            return None;
        }
        let merged = self.clone().merged();
        // Of each factor, the elements of the output from one of its values to the next.
        let mut step = 1;
        let mut digits = Vec::with_capacity(merged.factors.len());
        for factor in merged.factors.iter().rev() {
            digits.push((*factor, step));
            // `validate` has counted the elements of the output.
            step *= factor.extent as isize;
        }
        // Every element is there once if the strides, too, are those of a mixed radix.
        digits.sort_by_key(|(factor, _)| factor.stride.unsigned_abs());
        let (mut radix, mut offset) = (1, 0);
        let mut factors = Vec::with_capacity(digits.len());
        for (factor, step) in digits {
            if factor.stride.unsigned_abs() != radix {
                return None;
            }
            radix *= factor.extent;
            let is_reversed = factor.stride < 0;
            if is_reversed {
                offset += (factor.extent - 1) * step.unsigned_abs();
            }
            factors.push(Factor {
                extent: factor.extent,
                stride: if is_reversed { -step } else { step },
            });
        }
        factors.reverse();
        Self::new(self.output.clone(), self.input.clone(), factors, offset).ok()
    }

    /// Checks all numbers. Sums are exact in 128 bits: a term has at most 127, and there are 8 of them whose
    /// extents multiply to less than 2^32.
    fn validate(&self) -> Result<(), String> {
        let Self {
            input,
            output,
            factors,
            offset,
        } = self;
        let count = |shape: &Shape| {
            let len = shape.checked_len().filter(|len| *len <= u32::MAX as usize);
            match len {
                Some(0) => Err(format!("its shape {shape} is empty")),
                Some(len) => Ok(len),
                None => Err(format!("its shape {shape} has more than 2^32 elements")),
            }
        };
        let (available, needed) = (count(input)?, count(output)?);
        if factors.len() > Self::MAX_FACTORS {
            return Err(format!(
                "it has {} factors; at most {} are possible",
                factors.len(),
                Self::MAX_FACTORS
            ));
        }
        let extents = factors.iter().map(|factor| factor.extent);
        let product = extents.clone().try_fold(1_usize, usize::checked_mul);
        if product != Some(needed) {
            let extents: Vec<usize> = extents.collect();
            return Err(format!(
                "the product of its factors' extents {extents:?} is not the number of elements of its output {output}"
            ));
        }
        let (mut first, mut last) = (*offset as i128, *offset as i128);
        for factor in factors {
            // The extents' product is positive, so each of them is.
            let reach = factor.stride as i128 * (factor.extent - 1) as i128;
            first += reach.min(0);
            last += reach.max(0);
        }
        if first < 0 || last >= available as i128 {
            return Err(format!(
                "it reads elements {first} to {last}, and its input {input} has {available}"
            ));
        }
        Ok(())
    }
}

/// The elements from one index of each axis to the next, in a row-major tensor.
fn strides(shape: &Shape) -> Result<Vec<isize>, String> {
    let mut strides = vec![0; shape.rank()];
    let mut step = 1_isize;
    for (stride, &dim) in strides.iter_mut().zip(shape.dims()).rev() {
        *stride = step;
        step = (isize::try_from(dim).ok())
            .and_then(|dim| step.checked_mul(dim))
            .ok_or_else(|| format!("its shape {shape} has more than 2^32 elements"))?;
    }
    Ok(strides)
}

fn factors(extents: &[usize], strides: impl IntoIterator<Item = isize>) -> Vec<Factor> {
    let pairs = extents.iter().zip(strides);
    pairs
        .map(|(&extent, stride)| Factor { extent, stride })
        .collect()
}

impl Operator for Rearrange {
    fn kind(&self) -> &'static str {
        "Rearrange"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        self.validate()
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match *inputs[0] == self.input {
            true => Ok(self.output.clone()),
            false => Err(format!(
                "it rearranges {}, but its input is {}",
                self.input, inputs[0]
            )),
        }
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        // An output pixel may come from anywhere.
        match self.is_reshape() && self.input.nchw() == self.output.nchw() {
            true => Reach::Pixel,
            false => Reach::Whole,
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        Ok(vec![Some(gradient::nodes(self, backward, gradient)?)])
    }
}

#[cfg(test)]
mod tests;
