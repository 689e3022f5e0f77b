// Hardmax over the channels: 1 at the largest channel of a pixel, the first of equals, and 0 elsewhere. A team
// computes one pixel.
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

// The `float_order` of a channel's value, and the channel's index, each as two 16-bit halves, which float32
// represents exactly. The order of no value is 0, below that of every number.
fn candidate(order: u32, channel: u32) -> vec4<f32> {
    return vec4<f32>(
        vec2<f32>(f32(order >> 16u), f32(order & 0xffffu)),
        vec2<f32>(f32(channel >> 16u), f32(channel & 0xffffu)),
    );
}

// The larger; of equals, that of the lower channel.
fn reduce(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let is_larger = b.x > a.x || (b.x == a.x && b.y > a.y);
    let is_earlier = b.z < a.z || (b.z == a.z && b.w < a.w);
    return select(a, b, is_larger || (all(a.xy == b.xy) && is_earlier));
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
    var best = candidate(0u, 0u);
    for (var c4_index = team.member; c4_index < params.input.c4; c4_index += team.members) {
        let value = unpack_element(input[source + c4_index]);
        for (var lane = 0u; lane < 4u; lane++) {
            let channel = c4_index * 4u + lane;
            if channel < params.input.channels {
                best = reduce(best, candidate(float_order(value[lane]), channel));
            }
        }
    }
    best = reduce_team(best, invocation);
    if index >= params.output.pixels {
        return;
    }
    let largest = (u32(best.z) << 16u) | u32(best.w);
    let destination = element_of_pixel(params.output, pixel);
    for (var c4_index = team.member; c4_index < params.output.c4; c4_index += team.members) {
        let channel = vec4<u32>(0u, 1u, 2u, 3u) + c4_index * 4u;
        let value = select(vec4<f32>(), vec4<f32>(1.0), channel == vec4<u32>(largest));
        output[destination + c4_index] = pack_element(value);
    }
}
