use super::Real;
use crate::graph::ChannelShuffle;
use crate::tensor::Tensor;

pub(super) fn channel_shuffle<T: Real>(op: ChannelShuffle, x: &Tensor<T>) -> Vec<T> {
    let [n, c, h, w] = x.shape().nchw();
    let (plane, channels) = (h * w, c / op.groups);
    let mut y = Vec::with_capacity(x.data().len());
    for image in 0..n {
        for channel in 0..c {
            let (i, group) = (channel / op.groups, channel % op.groups);
            let source = image * c + group * channels + i;
            y.extend_from_slice(&x.data()[source * plane..][..plane]);
        }
    }
    y
}
