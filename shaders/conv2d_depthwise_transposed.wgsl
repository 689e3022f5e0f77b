// Transposed depthwise convolution with kernels of any size. An invocation computes one element of one
// output pixel: it gathers from the input pixels that contribute to it. Weights: [ky][kx][channels / 4], as
// for `conv2d_depthwise.wgsl`.
#import shared/depthwise

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let pixel = index / params.output.c4;
    let c4_index = index % params.output.c4;
    if pixel >= params.output.pixels {
        return;
    }
    let position = pixel_position(params.output, pixel);
    // The position in the output before it is cropped by the window's padding.
    let uncropped = position.yz + params.window.padding;
    let stride = params.window.stride;
    var sum = bias[c4_index];
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        // Coordinates above or left of the input wrap around to huge numbers.
        let row_offset = uncropped.x - ky * params.window.dilation.x;
        let y = row_offset / stride.x;
        if y >= params.input.height || row_offset % stride.x != 0u {
            continue;
        }
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            let column_offset = uncropped.y - kx * params.window.dilation.y;
            let x = column_offset / stride.y;
            if x < params.input.width && column_offset % stride.y == 0u {
                let value = unpack_element(input[element_at(params.input, position.x, y, x) + c4_index]);
                let w = (ky * params.window.kernel.y + kx) * params.output.c4 + c4_index;
                sum = fma(value, unpack_element(weight[w]), sum);
            }
        }
    }
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(apply_epilogue(sum, position, c4_index));
}
