// The input of a convolution as the caller passes it: NCHW, float32 whatever the precision, at most four
// channels. Its tensor view counts pixels as if each were one element.

// Channels of the input. The remaining lanes of an element are zero and are not multiplied.
override CHANNELS: u32 = 3u;

@group(0) @binding(1) var<storage, read> input: array<f32>;

// An element as it is stored, or here as it is put together.
alias StoredElement = vec4<f32>;

fn load_stored_element(element: u32, n: u32) -> StoredElement {
    return load_input_element(element, n);
}

fn unpack_stored_element(element: StoredElement) -> vec4<f32> {
    return element;
}

// All channels of a pixel of image `n`.
fn load_input_element(element: u32, n: u32) -> vec4<f32> {
    let plane = params.input.height * params.input.width;
    // `n` images come before the pixel's; `element` counts one plane of each, so skip the others.
    let first = element + n * (CHANNELS - 1u) * plane;
    var value = vec4<f32>();
    for (var c = 0u; c < 4u; c++) {
        if c < CHANNELS {
            value[c] = input[first + c * plane];
        }
    }
    return value;
}
