// Flattens a feature map to [N, C * H * W], features in NCHW order.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let n = index / params.output.c4;
    let c4_index = index % params.output.c4;
    if n >= params.output.batch {
        return;
    }
    let plane = params.input.height * params.input.width;
    var value = vec4<f32>();
    for (var lane = 0u; lane < 4u; lane++) {
        let feature = c4_index * 4u + lane;
        if feature < params.output.channels {
            let channel = feature / plane;
            let pixel = n * plane + feature % plane;
            let element = unpack_element(input[element_of_pixel(params.input, pixel) + channel / 4u]);
            value[lane] = element[channel % 4u];
        }
    }
    output[element_of_pixel(params.output, n) + c4_index] = pack_element(value);
}
