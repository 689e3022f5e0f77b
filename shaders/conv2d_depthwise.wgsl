// Depthwise convolution with kernels of any size. An invocation computes one element of one output pixel.
// Weights: [ky][kx][channels / 4].
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
    var sum = bias[c4_index];
    var w = c4_index;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            let at = locate_tap(params.window, params.input, position, 0u, ky, kx);
            if at.inside {
                let value = unpack_element(input[at.element + c4_index]);
                sum = fma(value, unpack_element(weight[w]), sum);
            }
            w += params.output.c4;
        }
    }
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(apply_epilogue(sum, position, c4_index));
}
