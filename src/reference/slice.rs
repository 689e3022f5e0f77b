use super::Real;
use crate::graph::SliceChannels;
use crate::tensor::Tensor;

pub(super) fn slice_channels<T: Real>(op: SliceChannels, x: &Tensor<T>) -> Vec<T> {
    let [n, c, h, w] = x.shape().nchw();
    let plane = h * w;
    (0..n)
        .flat_map(|n| &x.data()[(n * c + op.start) * plane..(n * c + op.end) * plane])
        .copied()
        .collect()
}
