use super::Real;
use super::pool::planes;
use crate::tensor::{Shape, Tensor};

/// Pads the map with `before` rows above and columns on the left (crops where negative), and to the output's
/// size below and on the right, with `value`.
pub(super) fn pad2d<T: Real>(
    x: &Tensor<T>,
    before: [isize; 2],
    value: T,
    output: &Shape,
) -> Vec<T> {
    let [_, _, h, w] = x.shape().nchw();
    let [_, _, out_h, out_w] = output.nchw();
    planes(x, out_h, out_w, |map, y, x| {
        // Indices of a tensor in memory fit in an isize.
        let row = y.checked_add_signed(-before[0]).filter(|&y| y < h);
        let column = x.checked_add_signed(-before[1]).filter(|&x| x < w);
        match (row, column) {
            (Some(row), Some(column)) => map[row * w + column],
            _ => value,
        }
    })
}
