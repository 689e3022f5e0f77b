// Converts a tensor from the engine's layout (NHWC in elements of four channels) to NCHW float32, as callers
// receive it.
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
    let c4_index = (index / plane) % params.input.c4;
    let n = index / (plane * params.input.c4);
    if n >= params.input.batch {
        return;
    }
    let plane_pixel = index % plane;
    let value = unpack_element(input[element_of_pixel(params.input, n * plane + plane_pixel) + c4_index]);
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = c4_index * 4u + lane;
        if channel < params.input.channels {
            output[(n * params.input.channels + channel) * plane + plane_pixel] = value[lane];
        }
    }
}
