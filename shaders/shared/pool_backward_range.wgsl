// Which pooling windows contain a pixel.

// The half-open range [x, y) of windows along one axis that contain `position` (in the padded input).
// There are `count` windows, `stride` apart, each spanning `extent` pixels.
fn windows_containing(position: u32, extent: u32, stride: u32, count: u32) -> vec2<u32> {
    let after_first = position + 1u - min(position + 1u, extent);
    let first = (after_first + stride - 1u) / stride;
    return vec2<u32>(first, min(position / stride + 1u, count));
}
