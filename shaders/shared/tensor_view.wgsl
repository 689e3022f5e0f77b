// Where a value lies in its buffer: NHWC, four channels to an element, the last element of a pixel
// filled up with zero lanes. Pixels may be `stride` elements apart, more than the value's own
// channels need, so that a value can be a slice of the channels of a wider one.
struct TensorView {
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    // Elements from one pixel to the next, and before the first.
    stride: u32,
    offset: u32,
    // Elements a pixel, and pixels over the whole batch.
    groups: u32,
    pixels: u32,
}

// The element that holds the first four channels of a pixel.
fn element_at(map: TensorView, n: u32, y: u32, x: u32) -> u32 {
    return map.offset + ((n * map.height + y) * map.width + x) * map.stride;
}

// The same for a pixel counted over the whole batch.
fn element_of(map: TensorView, pixel: u32) -> u32 {
    return map.offset + pixel * map.stride;
}

// Batch, row and column of a pixel counted over the whole batch.
fn position_of(map: TensorView, pixel: u32) -> vec3<u32> {
    let row = pixel / map.width;
    return vec3<u32>(row / map.height, row % map.height, pixel % map.width);
}

// Lanes beyond the last channel made zero: what follows may rely on it.
fn zero_unused_lanes(value: vec4<f32>, group: u32, channels: u32) -> vec4<f32> {
    let channel = vec4<u32>(0u, 1u, 2u, 3u) + group * 4u;
    return select(vec4<f32>(), value, channel < vec4<u32>(channels));
}
