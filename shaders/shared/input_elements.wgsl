// The input of a convolution as kernels leave it: elements of four channels.

// Channels of an element that are to be multiplied.
const CHANNELS: u32 = 4u;

@group(0) @binding(1) var<storage, read> input: array<Element>;

// An element of the input; `n` is its image.
fn input_element(element: u32, n: u32) -> vec4<f32> {
    return unpack_element(input[element]);
}
