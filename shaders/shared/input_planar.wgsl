// The input of a convolution as users give it: NCHW, float32 whatever the precision, at most four
// channels. The map counts its pixels as if each were one element.

// Channels of the input: the others of an element are zero, and need not be multiplied.
override CHANNELS: u32 = 3u;

@group(0) @binding(1) var<storage, read> input: array<f32>;

// All channels of a pixel; `n` is its image.
fn input_element(element: u32, n: u32) -> vec4<f32> {
    let plane = params.input.height * params.input.width;
    // Before the pixel lie `n` images, and the map counts one plane of each.
    let first = element + n * (CHANNELS - 1u) * plane;
    var value = vec4<f32>();
    for (var c = 0u; c < 4u; c++) {
        if c < CHANNELS {
            value[c] = input[first + c * plane];
        }
    }
    return value;
}
