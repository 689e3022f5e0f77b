// Which windows see a pixel.

// The first of the windows that see `position`, counted in the padded input, and the end of them:
// windows of `reach` pixels, `stride` apart, `count` of them.
fn covering(position: u32, reach: u32, stride: u32, count: u32) -> vec2<u32> {
    let after_first = position + 1u - min(position + 1u, reach);
    let first = (after_first + stride - 1u) / stride;
    return vec2<u32>(first, min(position / stride + 1u, count));
}
