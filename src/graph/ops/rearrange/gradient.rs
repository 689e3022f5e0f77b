//! The gradient of a rearrangement: sums of the elements that were taken several times, and zeros where none was.

use super::super::Pad2d;
use super::super::sum_to::sum_rows;
use super::{Factor, Rearrange};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// Adds the nodes that compute the gradient with respect to the input.
pub(super) fn nodes(
    op: &Rearrange,
    backward: &mut Backward,
    gradient: ValueId,
) -> Result<ValueId, String> {
    if let Some(inverse) = op.inverse() {
        return Ok(backward.node(inverse, &[gradient]));
    }
    op.validate()?;
    let (ordered, digits) = in_input_order(op)?;
    let count: usize = digits.iter().map(|digit| digit.extent).product();
    let value = sum_rows(backward, ordered, gradient);
    place(op, backward, value, count, &digits)
}

/// The gradient's elements in the order of the input, as `[1, rows, 1, times]`: a row for each element that was
/// taken, of as many elements as it was taken times. Also the digits of the rows, the least significant first, with
/// the distances of the elements in the input.
fn in_input_order(op: &Rearrange) -> Result<(Rearrange, Vec<Factor>), String> {
    // Of each factor, the elements of the output from one of its values to the next.
    let mut step = 1;
    let mut digits = Vec::with_capacity(op.factors.len());
    for factor in op.clone().merged().factors.into_iter().rev() {
        digits.push((factor, step));
        // `validate` has counted the elements of the output.
        step *= factor.extent as isize;
    }
    let (repeated, mut kept): (Vec<_>, Vec<_>) = digits
        .into_iter()
        .partition(|(factor, _)| factor.stride == 0);
    kept.sort_by_key(|(factor, _)| std::cmp::Reverse(factor.stride.unsigned_abs()));
    let extent = |digits: &[(Factor, isize)]| -> usize {
        digits.iter().map(|(factor, _)| factor.extent).product()
    };
    let rows = Shape::from([1, extent(&kept), 1, extent(&repeated)]);
    let mut offset = 0;
    let mut factors = Vec::with_capacity(kept.len() + repeated.len());
    for (factor, step) in kept.iter().chain(&repeated) {
        let is_reversed = factor.stride < 0;
        if is_reversed {
            offset += (factor.extent - 1) * step.unsigned_abs();
        }
        factors.push(Factor {
            extent: factor.extent,
            stride: if is_reversed { -step } else { *step },
        });
    }
    let ordered = Rearrange::new(op.output.clone(), rows, factors, offset)?;
    let digits = kept.into_iter().rev().map(|(factor, _)| factor);
    Ok((ordered, digits.collect()))
}

/// Puts `count` elements at their places among zeros, one digit after the other: what the digit's values consist of
/// is padded to the distance between them, and joined.
fn place(
    op: &Rearrange,
    backward: &mut Backward,
    mut value: ValueId,
    mut count: usize,
    digits: &[Factor],
) -> Result<ValueId, String> {
    let too_far = || "its input has more elements than can be counted".to_owned();
    // What each of `count` rows has: elements up to the last that is not padding, and all.
    let (mut used, mut len) = (1, 1);
    // Of the input's elements, the first that is taken.
    let mut first = op.offset;
    for digit in digits {
        let distance = digit.stride.unsigned_abs();
        if distance < used {
            return Err(
                "its gradient is not implemented where it takes elements in overlapping windows"
                    .to_owned(),
            );
        }
        // `validate` has found the last element in the input.
        let reach = (digit.extent - 1) * distance;
        if digit.stride < 0 {
            first -= reach;
        }
        let after = isize::try_from(distance).map_err(|_| too_far())?
            - isize::try_from(len).map_err(|_| too_far())?;
        value = padded(backward, value, [0, after]);
        let rows = Shape::from([1, count, 1, distance]);
        count /= digit.extent;
        (used, len) = (reach + used, digit.extent * distance);
        let joined = Shape::from([1, count, 1, len]);
        value = backward.node(Rearrange::reshape(rows, joined)?, &[value]);
    }
    let total = isize::try_from(op.input.len()).map_err(|_| too_far())?;
    let before = isize::try_from(first).map_err(|_| too_far())?;
    let after = total - before - isize::try_from(len).map_err(|_| too_far())?;
    value = padded(backward, value, [before, after]);
    let row = Shape::from([1, 1, 1, op.input.len()]);
    Ok(backward.node(Rearrange::reshape(row, op.input.clone())?, &[value]))
}

/// Columns of zeros before and after, or fewer columns where negative.
fn padded(backward: &mut Backward, value: ValueId, [before, after]: [isize; 2]) -> ValueId {
    match [before, after] {
        [0, 0] => value,
        _ => backward.node(Pad2d::zeros(0, 0, before, after), &[value]),
    }
}
