// Reshapes features [N, C * H * W], in NCHW order, to a feature map: the inverse of `flatten.wgsl`.
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
    let pixel = index / params.output.c4;
    let c4_index = index % params.output.c4;
    if pixel >= params.output.pixels {
        return;
    }
    let plane = params.output.height * params.output.width;
    let source = element_of_pixel(params.input, pixel / plane);
    var value = vec4<f32>();
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = c4_index * 4u + lane;
        if channel < params.output.channels {
            let feature = channel * plane + pixel % plane;
            value[lane] = unpack_element(input[source + feature / 4u])[feature % 4u];
        }
    }
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(value);
}
