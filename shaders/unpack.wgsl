// A map into a tensor as users take it, NCHW float32.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let plane = params.input.height * params.input.width;
    let group = (index / plane) % params.input.groups;
    let n = index / (plane * params.input.groups);
    if n >= params.input.batch {
        return;
    }
    let within = index % plane;
    let value = unpack_element(input[element_of(params.input, n * plane + within) + group]);
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = group * 4u + lane;
        if channel < params.input.channels {
            output[(n * params.input.channels + channel) * plane + within] = value[lane];
        }
    }
}
