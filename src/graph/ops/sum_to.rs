//! Sums of gradients over the axes along which a value was repeated.

use super::{Rearrange, Reduce, ReduceKind, ReduceOver};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// The gradient with respect to a value of shape `to`, which was broadcast to `from`, of the same rank: the sum of
/// `gradient` over the axes where `to` is 1.
pub(super) fn sum_to(
    backward: &mut Backward,
    gradient: ValueId,
    from: &Shape,
    to: &Shape,
) -> Result<ValueId, String> {
    if from == to {
        return Ok(gradient);
    }
    let sum = |over| Reduce {
        kind: ReduceKind::Sum,
        over,
    };
    // Neither of these fixes the number of images.
    match (from.dims(), to.dims()) {
        ([n, c, _, _], [m, d, 1, 1]) if (n, c) == (m, d) => {
            return Ok(backward.node(sum(ReduceOver::Space), &[gradient]));
        }
        ([n, _, h, w], [m, 1, g, v]) if (n, h, w) == (m, g, v) => {
            return Ok(backward.node(sum(ReduceOver::Channels), &[gradient]));
        }
        _ => {}
    }
    let axes = from.dims().iter().zip(to.dims()).enumerate();
    let (mut kept, mut repeated) = (Vec::new(), Vec::new());
    for (axis, (from, to)) in axes {
        match from == to {
            true => kept.push(axis),
            false => repeated.push(axis),
        }
    }
    let extent = |axes: &[usize]| -> usize { axes.iter().map(|axis| from.dims()[*axis]).product() };
    let rows = Shape::from([1, extent(&kept), 1, extent(&repeated)]);
    let order = [kept, repeated].concat();
    let ordered = Rearrange {
        output: rows,
        ..Rearrange::transpose(from, &order)?
    };
    let sums = sum_rows(backward, ordered, gradient);
    let shape = Shape::from([1, to.len(), 1, 1]);
    Ok(backward.node(Rearrange::reshape(shape, to.clone())?, &[sums]))
}

/// The sums of the rows of a rearranged value: of `[1, rows, 1, times]`, `[1, rows, 1, 1]`.
pub(super) fn sum_rows(backward: &mut Backward, ordered: Rearrange, value: ValueId) -> ValueId {
    let is_sum = ordered.output.dims().last() != Some(&1);
    let value = backward.node(ordered, &[value]);
    let sum = Reduce {
        kind: ReduceKind::Sum,
        over: ReduceOver::Space,
    };
    match is_sum {
        true => backward.node(sum, &[value]),
        false => value,
    }
}
