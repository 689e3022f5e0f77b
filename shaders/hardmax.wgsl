// 1 at the largest of a pixel's channels, the first of several, and 0 at the others. A team answers
// one pixel.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/float_order
#import reduction

struct Params {
    input: TensorView,
    output: TensorView,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

// The order of a channel's value and its index, each in two halves, which float32 holds exactly. The
// order of nothing is 0, below that of every number.
fn candidate(order: u32, channel: u32) -> vec4<f32> {
    return vec4<f32>(
        vec2<f32>(f32(order >> 16u), f32(order & 0xffffu)),
        vec2<f32>(f32(channel >> 16u), f32(channel & 0xffffu)),
    );
}

// The larger; of equals, the one of the lower channel.
fn reduce(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let above = b.x > a.x || (b.x == a.x && b.y > a.y);
    let before = b.z < a.z || (b.z == a.z && b.w < a.w);
    return select(a, b, above || (all(a.xy == b.xy) && before));
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
    var best = candidate(0u, 0u);
    for (var group = team.member; group < params.input.groups; group += team.members) {
        let value = unpack_element(input[source + group]);
        for (var lane = 0u; lane < 4u; lane++) {
            let channel = group * 4u + lane;
            if channel < params.input.channels {
                best = reduce(best, candidate(order_of(value[lane]), channel));
            }
        }
    }
    best = reduce_team(best, invocation);
    if part >= params.output.pixels {
        return;
    }
    let largest = (u32(best.z) << 16u) | u32(best.w);
    let destination = element_of(params.output, pixel);
    for (var group = team.member; group < params.output.groups; group += team.members) {
        let channel = vec4<u32>(0u, 1u, 2u, 3u) + group * 4u;
        let value = select(vec4<f32>(), vec4<f32>(1.0), channel == vec4<u32>(largest));
        output[destination + group] = pack_element(value);
    }
}
