//! Layers shared by several families.

use crate::graph::{Activation, AdaptiveAvgPool2d, Conv2d, GraphBuilder, ValueId};

/// `channels` times `width`, rounded to the nearest multiple of 8, but not below nine tenths of the
/// product.
pub(super) fn scale_channels(channels: usize, width: f64) -> usize {
    let scaled = channels as f64 * width;
    let rounded = ((scaled + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * scaled {
        rounded + 8
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
    let whole = AdaptiveAvgPool2d::new(1, 1);
    let y = b.adaptive_avg_pool2d(format!("{name}.avgpool"), x, whole);
    let y = b.conv2d(format!("{name}.fc1"), y, Conv2d::new(channels, hidden, 1));
    let y = b.activation(format!("{name}.act"), y, activation);
    let y = b.conv2d(format!("{name}.fc2"), y, Conv2d::new(hidden, channels, 1));
    let y = b.activation(format!("{name}.gate"), y, Activation::Sigmoid);
    b.mul(format!("{name}.mul"), x, y)
}
