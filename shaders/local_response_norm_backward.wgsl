// The gradient through a local response normalisation across channels. With d = k + share * sum of
// squares around each channel it is g / d^beta less 2 * share * beta * x times the sum of
// g * x / d^(beta + 1) over the channels that x counts for.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    gradient: TensorView,
    input: TensorView,
    output: TensorView,
    // Channels summed over before and after.
    before: u32,
    after: u32,
    share: f32,
    beta: f32,
    k: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read> input: array<Element>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;

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
    let back = element_of(params.gradient, pixel);
    // The channels that any lane of this element counts for.
    let lanes = vec4<u32>(0u, 1u, 2u, 3u) + group * 4u;
    let first = lanes.x - min(lanes.x, params.after);
    let end = min(lanes.w + params.before + 1u, params.input.channels);
    var own = vec4<f32>();
    var sum = vec4<f32>();
    for (var channel = first; channel < end; channel++) {
        let value = unpack_element(input[source + channel / 4u])[channel % 4u];
        let g = unpack_element(gradient[back + channel / 4u])[channel % 4u];
        let d = params.k + params.share * squares_around(source, channel);
        let scaled = g * pow(d, -params.beta);
        own = select(own, vec4<f32>(scaled), lanes == vec4<u32>(channel));
        let counts = (vec4<u32>(channel + params.after) >= lanes)
            & (vec4<u32>(channel) <= lanes + params.before);
        sum += select(vec4<f32>(), vec4<f32>(scaled * value / d), counts);
    }
    let value = unpack_element(input[source + group]);
    let result = own - 2.0 * params.share * params.beta * value * sum;
    output[element_of(params.output, pixel) + group] =
        pack_element(zero_unused_lanes(result, group, params.output.channels));
}

// The sum of squares that a channel was divided by.
fn squares_around(source: u32, channel: u32) -> f32 {
    let end = min(channel + params.after + 1u, params.input.channels);
    var sum = 0.0;
    for (var i = channel - min(channel, params.before); i < end; i++) {
        let value = unpack_element(input[source + i / 4u])[i % 4u];
        sum += value * value;
    }
    return sum;
}
