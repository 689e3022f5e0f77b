// The input of a convolution in the engine's own layout: elements of four channels.

// Channels of an input element to multiply.
const CHANNELS: u32 = 4u;

@group(0) @binding(1) var<storage, read> input: array<Element>;

// An element of the input, of image `n`.
fn load_input_element(element: u32, n: u32) -> vec4<f32> {
    return unpack_element(input[element]);
}
