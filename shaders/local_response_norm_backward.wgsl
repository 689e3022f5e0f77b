// Gradient of local response normalization across channels. With d = k + share * (sum of squares around a
// channel), it is g / d^beta - 2 * share * beta * x * (sum of g * x / d^(beta + 1) over the channels whose
// sums include x).
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    gradient: TensorView,
    input: TensorView,
    output: TensorView,
    // Channels before and after that a sum includes.
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
    let pixel = index / params.output.c4;
    let c4_index = index % params.output.c4;
    if pixel >= params.output.pixels {
        return;
    }
    let source = element_of_pixel(params.input, pixel);
    let gradient_source = element_of_pixel(params.gradient, pixel);
    // The channels whose sums include any lane of this element.
    let lanes = vec4<u32>(0u, 1u, 2u, 3u) + c4_index * 4u;
    let first = lanes.x - min(lanes.x, params.after);
    let end = min(lanes.w + params.before + 1u, params.input.channels);
    var own = vec4<f32>();
    var sum = vec4<f32>();
    for (var channel = first; channel < end; channel++) {
        let value = unpack_element(input[source + channel / 4u])[channel % 4u];
        let g = unpack_element(gradient[gradient_source + channel / 4u])[channel % 4u];
        let d = params.k + params.share * sum_of_squares(source, channel);
        let scaled = g * pow(d, -params.beta);
        own = select(own, vec4<f32>(scaled), lanes == vec4<u32>(channel));
        let is_included = (vec4<u32>(channel + params.after) >= lanes)
            & (vec4<u32>(channel) <= lanes + params.before);
        sum += select(vec4<f32>(), vec4<f32>(scaled * value / d), is_included);
    }
    let value = unpack_element(input[source + c4_index]);
    let result = own - 2.0 * params.share * params.beta * value * sum;
    output[element_of_pixel(params.output, pixel) + c4_index] =
        pack_element(zero_unused_lanes(result, c4_index, params.output.channels));
}

// The sum of squares in a channel's divisor.
fn sum_of_squares(source: u32, channel: u32) -> f32 {
    let end = min(channel + params.after + 1u, params.input.channels);
    var sum = 0.0;
    for (var i = channel - min(channel, params.before); i < end; i++) {
        let value = unpack_element(input[source + i / 4u])[i % 4u];
        sum += value * value;
    }
    return sum;
}
