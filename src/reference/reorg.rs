use super::Real;
use crate::graph::Reorg;
use crate::tensor::{Shape, Tensor};

/// The reshape, permute and reshape of the operator's definition, element by element.
pub(super) fn reorg<T: Real>(op: Reorg, x: &Tensor<T>, output: &Shape) -> Vec<T> {
    let [_, c, h, w] = x.shape().nchw();
    let s = op.stride;
    let (out_h, out_w) = (h / s, w / s);
    // The input as [N, C / s², H, s, W, s], the output as [N, s, s, C / s², H, W], which has the elements
    // of [N, C s², H / s, W / s] in the same order.
    let outer = c / (s * s);
    let sizes = [s, s, outer, h, w];
    (0..output.len())
        .map(|i| {
            let image = c * s * s * out_h * out_w;
            let (n, mut rest) = (i / image, i % image);
            let mut at = [0; 5];
            for axis in (0..5).rev() {
                at[axis] = rest % sizes[axis];
                rest /= sizes[axis];
            }
            let [row_part, column_part, channel, row, column] = at;
            let source = ((channel * h + row) * s + row_part) * w * s + column * s + column_part;
            x.data()[n * image + source]
        })
        .collect()
}
