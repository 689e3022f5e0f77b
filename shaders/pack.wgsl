// Converts a tensor from NCHW float32, as callers pass it, to the engine's layout (NHWC in elements of four
// channels).
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
    // Neighboring invocations read neighboring pixels of one plane.
    let index = flat_index(id, workgroups);
    let c4_index = (index / (params.output.height * params.output.width)) % params.output.c4;
    let plane = params.output.height * params.output.width;
    let n = index / (plane * params.output.c4);
    if n >= params.output.batch {
        return;
    }
    let plane_pixel = index % plane;
    var value = vec4<f32>();
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = c4_index * 4u + lane;
        if channel < params.output.channels {
            value[lane] = input[(n * params.output.channels + channel) * plane + plane_pixel];
        }
    }
    output[element_of_pixel(params.output, n * plane + plane_pixel) + c4_index] = pack_element(value);
}
