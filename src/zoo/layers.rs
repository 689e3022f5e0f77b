//! Layers shared by several families.

use super::squeeze_excite::{Gate, SqueezeExcite};
use crate::graph::{Activation, AdaptiveAvgPool2d, GraphBuilder, ValueId};

/// `channels` times `width`, rounded to the nearest multiple of 8, but not below nine tenths of the
/// product.
pub(super) fn scale_channels(channels: usize, width: f64) -> usize {
    scale_channels_within(channels, width, 0.9)
}

/// As [`scale_channels`], but not below another share of the product.
pub(super) fn scale_channels_within(channels: usize, width: f64, least_share: f64) -> usize {
    round_channels(channels as f64 * width, 8, least_share)
}

/// The nearest multiple of `divisor`, but not below a share of the number: timm's `make_divisible`.
pub(super) fn round_channels(channels: f64, divisor: usize, least_share: f64) -> usize {
    let half = divisor as f64 / 2.0;
    let rounded = ((channels + half) as usize / divisor * divisor).max(divisor);
    if (rounded as f64) < least_share * channels {
        rounded + divisor
    } else {
        rounded
    }
}

/// Global average pooling to `[N, C]`, with these names for its two nodes.
pub(super) fn global_pool(b: &mut GraphBuilder, x: ValueId, pool: &str, flatten: &str) -> ValueId {
    let x = b.adaptive_avg_pool2d(pool, x, AdaptiveAvgPool2d::new(1, 1));
    b.flatten(flatten, x)
}

/// Squeeze-and-excitation (Hu et al. 2018): a factor between 0 and 1 for each of the `[channels, hidden]` channels of
/// `x`, computed from the means of all through `hidden` channels. The convolutions are called `fc1` and `fc2` within
/// `name`, as in timm's `SEModule` and torchvision's `SqueezeExcitation`.
pub(super) fn squeeze_excite(
    b: &mut GraphBuilder,
    x: ValueId,
    name: &str,
    [channels, hidden]: [usize; 2],
    activation: Activation,
) -> ValueId {
    let layer = SqueezeExcite {
        channels,
        reduced: hidden,
        activation,
        gate: Gate::Sigmoid,
    };
    layer.build(b, x, |part| match part {
        "pool" => format!("{name}.avgpool"),
        "conv_reduce" => format!("{name}.fc1"),
        "act1" => format!("{name}.act"),
        "conv_expand" => format!("{name}.fc2"),
        other => format!("{name}.{other}"),
    })
}
