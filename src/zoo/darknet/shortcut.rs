//! `[shortcut]`: the sum of the previous layer's map and an earlier one, which may have other sizes.

use super::layers::{Output, name};
use crate::graph::{GraphBuilder, Pad2d, Pool2d, SliceChannels};

/// Adds `from` to `to` as Darknet's `shortcut_cpu`: the channels that both have, and of a larger `from` every
/// `stride`-th pixel, `stride` being how many times larger it is, rounded down. The output has `to`'s size.
pub(super) fn add(
    b: &mut GraphBuilder,
    i: usize,
    to: Output,
    from: Output,
) -> Result<Output, String> {
    if to.size == from.size {
        return Ok(to.with(b.add(name(i), to.value, from.value)));
    }
    let [c1, h1, w1] = from.size;
    let [c2, h2, w2] = to.size;
    let [sy, sx] = [(h1, h2), (w1, w2)].map(|(a, b)| a.checked_div(b).unwrap_or(0));
    if sy == 0 || sy != sx {
        return Err(format!(
            "it adds a map of {c1} channels, {w1}x{h1}, to one of {c2} channels, {w2}x{h2}; the first must be \
             as large as the second, or a whole number of times as large"
        ));
    }
    let part = |what: &str| format!("{}.{what}", name(i));
    let mut x = from.value;
    if c1 > c2 {
        x = b.node(part("channels"), SliceChannels::from(0..c2), &[x]);
    }
    let mut size = [h1, w1];
    if sy > 1 {
        // A window of one pixel takes every `stride`-th.
        x = b.pool2d(part("stride"), x, Pool2d::max(1, sy));
        size = size.map(|n| n.div_ceil(sy));
    }
    if size != [h2, w2] {
        let [bottom, right] = [size[0].saturating_sub(h2), size[1].saturating_sub(w2)];
        x = b.node(part("crop"), Pad2d::crop([0, bottom, 0, right])?, &[x]);
    }
    if c1 >= c2 {
        return Ok(to.with(b.add(name(i), to.value, x)));
    }
    let shared = b.node(part("shared"), SliceChannels::from(0..c1), &[to.value]);
    let rest = b.node(part("rest"), SliceChannels::from(c1..c2), &[to.value]);
    let sum = b.add(part("sum"), shared, x);
    Ok(to.with(b.concat(name(i), &[sum, rest])))
}
