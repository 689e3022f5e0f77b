// Local response normalisation across channels.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
    // Channels summed over before and after.
    before: u32,
    after: u32,
    // x / (k + share * sum)^beta.
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
    let pixel = index / params.output.groups;
    let group = index % params.output.groups;
    if pixel >= params.output.pixels {
        return;
    }
    let source = element_of(params.input, pixel);
    // The channels that any lane of this element sums over.
    let lanes = vec4<u32>(0u, 1u, 2u, 3u) + group * 4u;
    let first = lanes.x - min(lanes.x, params.before);
    let end = min(lanes.w + params.after + 1u, params.input.channels);
    var sum = vec4<f32>();
    for (var channel = first; channel < end; channel++) {
        let value = unpack_element(input[source + channel / 4u])[channel % 4u];
        let sees = (vec4<u32>(channel + params.before) >= lanes)
            & (vec4<u32>(channel) <= lanes + params.after);
        sum += select(vec4<f32>(), vec4<f32>(value * value), sees);
    }
    let value = unpack_element(input[source + group]);
    let result = value * pow(vec4<f32>(params.k) + params.share * sum, vec4<f32>(-params.beta));
    output[element_of(params.output, pixel) + group] =
        pack_element(zero_unused_lanes(result, group, params.output.channels));
}
