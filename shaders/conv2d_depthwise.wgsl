// Depthwise convolution: one kernel a channel, of any size. Weights lie [ky][kx][channels / 4].
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
    var sum = bias[group];
    var w = group;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            let at_tap = tap(params.window, params.input, at, 0u, ky, kx);
            if at_tap.inside {
                let value = unpack_element(input[at_tap.element + group]);
                sum = fma(value, unpack_element(weight[w]), sum);
            }
            w += params.output.groups;
        }
    }
    output[element_of(params.output, pixel) + group] = pack_element(finish(sum, at, group));
}
