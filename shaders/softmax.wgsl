// Softmax over the channels. A team answers one pixel.
#import element
#import shared/tensor_view
#import shared/grid
#import reduction

struct Params {
    input: TensorView,
    output: TensorView,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

const LOWEST: f32 = -3.4028234e38;

// Lanes beyond the last channel made the lowest number: they add exp(lowest - largest) = 0.
fn load(element: u32, group: u32) -> vec4<f32> {
    let channel = vec4<u32>(0u, 1u, 2u, 3u) + group * 4u;
    let value = unpack_element(input[element + group]);
    return select(vec4<f32>(LOWEST), value, channel < vec4<u32>(params.input.channels));
}

// The largest of the channels that an invocation has seen, and the sum of exp(channel - largest). A NaN
// may be lost from the first, but not from the sum.
fn reduce(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let largest = max(a.x, b.x);
    let sum = a.y * exp(a.x - largest) + b.y * exp(b.x - largest);
    return vec4<f32>(largest, sum, 0.0, 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    invocation: Invocation,
) {
    let team = team_of(invocation);
    // Teams that are left over redo the last pixel, since a barrier may not stand behind a return.
    let part = (workgroup.y * workgroups.x + workgroup.x) * team.teams + team.team;
    let pixel = min(part, params.output.pixels - 1u);
    let source = element_of(params.input, pixel);

    var found = vec4<f32>(LOWEST, 0.0, 0.0, 0.0);
    for (var group = team.member; group < params.input.groups; group += team.members) {
        let value = load(source, group);
        let largest = max(found.x, max(max(value.x, value.y), max(value.z, value.w)));
        let terms = exp(value - largest);
        let sum = found.y * exp(found.x - largest) + terms.x + terms.y + terms.z + terms.w;
        found = vec4<f32>(largest, sum, 0.0, 0.0);
    }
    found = reduce_team(found, invocation);

    let destination = element_of(params.output, pixel);
    for (var group = team.member; group < params.output.groups; group += team.members) {
        let value = exp(load(source, group) - found.x) / found.y;
        output[destination + group] =
            pack_element(zero_unused_lanes(value, group, params.output.channels));
    }
}
