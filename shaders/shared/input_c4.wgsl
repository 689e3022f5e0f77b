// The input of a convolution in the engine's own layout: elements of four channels.

// Channels of an input element to multiply.
const CHANNELS: u32 = 4u;

@group(0) @binding(1) var<storage, read> input: array<Element>;

// An element as it is stored: half as many registers as its values where those are float16.
alias StoredElement = Element;

// An element of the input, of image `n`.
fn load_stored_element(element: u32, n: u32) -> StoredElement {
    return input[element];
}

fn unpack_stored_element(element: StoredElement) -> vec4<f32> {
    return unpack_element(element);
}

fn load_input_element(element: u32, n: u32) -> vec4<f32> {
    return unpack_stored_element(load_stored_element(element, n));
}
