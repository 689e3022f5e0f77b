// A tensor as users give it, NCHW float32, into a map.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    output: TensorView,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    // Neighbouring invocations read neighbouring pixels of one plane.
    let index = flat_index(id, workgroups);
    let group = (index / (params.output.height * params.output.width)) % params.output.groups;
    let plane = params.output.height * params.output.width;
    let n = index / (plane * params.output.groups);
    if n >= params.output.batch {
        return;
    }
    let within = index % plane;
    var value = vec4<f32>();
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = group * 4u + lane;
        if channel < params.output.channels {
            value[lane] = input[(n * params.output.channels + channel) * plane + within];
        }
    }
    output[element_of(params.output, n * plane + within) + group] = pack_element(value);
}
