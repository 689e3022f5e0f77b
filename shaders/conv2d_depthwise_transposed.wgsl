// Transposed depthwise convolution: one kernel a channel, of any size. An invocation adds up what the
// pixels around give to its own. Weights lie [ky][kx][channels / 4], as for `conv2d_depthwise.wgsl`.
#import shared/depthwise

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let pixel = index / params.output.groups;
    let group = index % params.output.groups;
    if pixel >= params.output.pixels {
        return;
    }
    let at = position_of(params.output, pixel);
    // Before what is cut off, which is the window's padding.
    let position = at.yz + params.window.padding;
    let stride = params.window.stride;
    var sum = bias[group];
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        // What lies above or before the input wraps around to a huge number.
        let down = position.x - ky * params.window.dilation.x;
        let y = down / stride.x;
        if y >= params.input.height || down % stride.x != 0u {
            continue;
        }
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            let right = position.y - kx * params.window.dilation.y;
            let x = right / stride.y;
            if x < params.input.width && right % stride.y == 0u {
                let value = unpack_element(input[element_at(params.input, at.x, y, x) + group]);
                let w = (ky * params.window.kernel.y + kx) * params.output.groups + group;
                sum = fma(value, unpack_element(weight[w]), sum);
            }
        }
    }
    output[element_of(params.output, pixel) + group] = pack_element(finish(sum, at, group));
}
