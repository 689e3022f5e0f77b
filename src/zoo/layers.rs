//! Layers shared by several families.

use crate::graph::{AdaptiveAvgPool2d, GraphBuilder, ValueId};

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
