// Layout of a tensor in its buffer: NHWC in elements of four channels (C4), the last element of a pixel
// padded with zero lanes. Pixels are `pixel_stride` elements apart, which may be more than the tensor's own
// channels need: a tensor can be a slice of the channels of a wider one.
struct TensorView {
    batch: u32,
    height: u32,
    width: u32,
    channels: u32,
    // Elements from one pixel to the next, and before the first pixel.
    pixel_stride: u32,
    offset: u32,
    // Elements per pixel, and pixels of the whole batch.
    c4: u32,
    pixels: u32,
}

// The first element of the pixel in image `n`, row `y`, column `x`.
fn element_at(view: TensorView, n: u32, y: u32, x: u32) -> u32 {
    return view.offset + ((n * view.height + y) * view.width + x) * view.pixel_stride;
}

// The same for a pixel's index in the whole batch.
fn element_of_pixel(view: TensorView, pixel: u32) -> u32 {
    return view.offset + pixel * view.pixel_stride;
}

// Batch, row and column for a pixel's index in the whole batch.
fn pixel_position(view: TensorView, pixel: u32) -> vec3<u32> {
    let row = pixel / view.width;
    return vec3<u32>(row / view.height, row % view.height, pixel % view.width);
}

// Sets lanes beyond the last channel to zero; the kernels that read the tensor rely on it.
fn zero_unused_lanes(value: vec4<f32>, c4_index: u32, channels: u32) -> vec4<f32> {
    let channel = vec4<u32>(0u, 1u, 2u, 3u) + c4_index * 4u;
    return select(vec4<f32>(), value, channel < vec4<u32>(channels));
}
