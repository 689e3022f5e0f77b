// Local response normalization across channels.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
    // Channels before and after that a sum includes.
    before: u32,
    after: u32,
    // The output is x / (k + share * sum)^beta.
    share: f32,
    beta: f32,
    k: f32,
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
    let source = element_of_pixel(params.input, pixel);
    // The channels that the sum of any lane of this element includes.
    let lanes = vec4<u32>(0u, 1u, 2u, 3u) + c4_index * 4u;
    let first = lanes.x - min(lanes.x, params.before);
    let end = min(lanes.w + params.after + 1u, params.input.channels);
    var sum = vec4<f32>();
    for (var channel = first; channel < end; channel++) {
        let value = unpack_element(input[source + channel / 4u])[channel % 4u];
        let is_included = (vec4<u32>(channel + params.before) >= lanes)
            & (vec4<u32>(channel) <= lanes + params.after);
        sum += select(vec4<f32>(), vec4<f32>(value * value), is_included);
    }
    let value = unpack_element(input[source + c4_index]);
    let result = value * pow(vec4<f32>(params.k) + params.share * sum, vec4<f32>(-params.beta));
    output[element_of_pixel(params.output, pixel) + c4_index] =
        pack_element(zero_unused_lanes(result, c4_index, params.output.channels));
}
