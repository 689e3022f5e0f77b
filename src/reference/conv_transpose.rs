use rayon::prelude::*;

use super::Real;
use crate::graph::ConvTranspose2d;
use crate::tensor::{Shape, Tensor};

/// Adds each input pixel's multiple of the kernel to the output.
pub(super) fn conv_transpose2d<T: Real>(
    op: &ConvTranspose2d,
    parameters: &[Vec<T>],
    x: &Tensor<T>,
    output: &Shape,
) -> Vec<T> {
    let (weight, bias) = (&parameters[0], parameters.get(1));
    let [_, in_channels, h, w] = x.shape().nchw();
    let [_, out_channels, out_h, out_w] = output.nchw();
    let [kh, kw] = op.kernel;
    let (in_group, out_group) = (in_channels / op.groups, out_channels / op.groups);
    let mut y = vec![T::zero(); output.len()];
    (y.par_chunks_mut(out_h * out_w).enumerate()).for_each(|(plane, y)| {
        let (n, out) = (plane / out_channels, plane % out_channels);
        if let Some(bias) = bias {
            y.fill(bias[out]);
        }
        let group = out / out_group;
        for input in group * in_group..(group + 1) * in_group {
            let map = &x.data()[(n * in_channels + input) * h * w..][..h * w];
            let kernel = &weight[(input * out_group + out % out_group) * kh * kw..][..kh * kw];
            for (tap, weight) in kernel.iter().enumerate() {
                let (ky, kx) = (tap / kw * op.dilation[0], tap % kw * op.dilation[1]);
                // The columns whose multiples of this tap are inside the output.
                let [padding, stride] = [op.padding[1], op.stride[1]];
                let first = padding.saturating_sub(kx).div_ceil(stride);
                let end = (out_w + padding).saturating_sub(kx).div_ceil(stride).min(w);
                if first >= end {
                    continue;
                }
                let at = first * stride + kx - padding;
                for row in 0..h {
                    let to = (row * op.stride[0] + ky).checked_sub(op.padding[0]);
                    let Some(to) = to.filter(|&to| to < out_h) else {
                        continue;
                    };
                    let from = &map[row * w..][first..end];
                    let to = &mut y[to * out_w..][at..out_w];
                    // Contiguous columns are computed several at a time.
                    match stride {
                        1 => (to.iter_mut().zip(from)).for_each(|(y, x)| *y += *x * *weight),
                        _ => (to.iter_mut().step_by(stride).zip(from))
                            .for_each(|(y, x)| *y += *x * *weight),
                    }
                }
            }
        }
    });
    y
}
