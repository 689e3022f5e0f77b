// Softmax over the channels. A team computes one pixel.
#import element
#import shared/tensor_view
#import shared/grid
#import reduction

struct Params {
    input: TensorView,
    output: TensorView,
    // NaN, which no shader can write as a constant.
    nan: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

const LOWEST: f32 = -3.4028234e38;

// An element with the lanes beyond the last channel set to the lowest float, which no channel is below but minus
// infinity.
fn load(element: u32, c4_index: u32) -> vec4<f32> {
    let channel = vec4<u32>(0u, 1u, 2u, 3u) + c4_index * 4u;
    let value = unpack_element(input[element + c4_index]);
    return select(vec4<f32>(LOWEST), value, channel < vec4<u32>(params.input.channels));
}

// Whether one of the values is NaN or infinity, which makes all probabilities NaN. It is tested by the bits:
// drivers lose NaN in maxima and exponentials.
fn has_no_softmax(value: vec4<f32>) -> bool {
    let bits = bitcast<vec4<u32>>(value);
    return any(((bits & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u)) | (bits == vec4<u32>(0x7f800000u)));
}

// Combines two of: the largest of some channels, their sum of exp(channel - largest), and 1 where the channels
// have no softmax.
fn reduce(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let largest = max(a.x, b.x);
    let sum = a.y * exp(a.x - largest) + b.y * exp(b.x - largest);
    return vec4<f32>(largest, sum, max(a.z, b.z), 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    invocation: Invocation,
) {
    let team = team_of(invocation);
    // Surplus teams repeat the last pixel, since a barrier must not follow a return.
    let index = (workgroup.y * workgroups.x + workgroup.x) * team.teams + team.team;
    let pixel = min(index, params.output.pixels - 1u);
    let source = element_of_pixel(params.input, pixel);

    var partial_softmax = vec4<f32>(LOWEST, 0.0, 0.0, 0.0);
    for (var c4_index = team.member; c4_index < params.input.c4; c4_index += team.members) {
        let value = load(source, c4_index);
        if has_no_softmax(value) {
            partial_softmax.z = 1.0;
            continue;
        }
        let largest = max(partial_softmax.x, max(max(value.x, value.y), max(value.z, value.w)));
        let terms = zero_unused_lanes(exp(value - largest), c4_index, params.input.channels);
        let sum = partial_softmax.y * exp(partial_softmax.x - largest) + terms.x + terms.y + terms.z + terms.w;
        partial_softmax = vec4<f32>(largest, sum, partial_softmax.z, 0.0);
    }
    partial_softmax = reduce_team(partial_softmax, invocation);

    // The sum is 0 where all channels are minus infinity.
    let is_nan = partial_softmax.z > 0.0 || partial_softmax.y <= 0.0;
    let destination = element_of_pixel(params.output, pixel);
    for (var c4_index = team.member; c4_index < params.output.c4; c4_index += team.members) {
        let probability = exp(load(source, c4_index) - partial_softmax.x) / partial_softmax.y;
        let value = select(probability, vec4<f32>(params.nan), is_nan);
        output[destination + c4_index] =
            pack_element(zero_unused_lanes(value, c4_index, params.output.channels));
    }
}
