// The largest or smallest elements of the channels of each pixel, in order, of equals that of the lower channel first;
// or their channels. TEAM invocations compute a pixel: for each element of the output, they search the best one that
// is behind the one before.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/float_order

// A power of two.
override TEAM: u32 = 1u;
override SMALLEST: u32 = 0u;
override INDICES: u32 = 0u;

struct Params {
    input: TensorView,
    output: TensorView,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

// Where a number is in the order, larger for those that come first, and its channel. No key is 0.
struct Candidate {
    key: u32,
    channel: u32,
}

var<workgroup> candidates: array<Candidate, WORKGROUP>;

fn key_of(value: f32) -> u32 {
    let order = float_order(value);
    return select(order, 0xffffffffu - order, SMALLEST != 0u);
}

fn is_before(a: Candidate, b: Candidate) -> bool {
    return a.key > b.key || (a.key == b.key && a.channel < b.channel);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let member = local % TEAM;
    let team_start = local - member;
    // Surplus teams repeat the last pixel, since a barrier must not follow a return.
    let index = (workgroup.y * workgroups.x + workgroup.x) * (WORKGROUP / TEAM) + local / TEAM;
    let pixel = min(index, params.output.pixels - 1u);
    let source = element_of_pixel(params.input, pixel);
    let destination = element_of_pixel(params.output, pixel);
    let is_writer = member == 0u && index < params.output.pixels;

    // Before all: every key is smaller.
    var last = Candidate(0xffffffffu, 0u);
    var found = vec4<f32>();
    for (var rank = 0u; rank < params.output.channels; rank++) {
        var best = Candidate(0u, 0u);
        for (var c4_index = member; c4_index < params.input.c4; c4_index += TEAM) {
            let value = unpack_element(input[source + c4_index]);
            for (var lane = 0u; lane < 4u; lane++) {
                let own = Candidate(key_of(value[lane]), c4_index * 4u + lane);
                if own.channel < params.input.channels && is_before(last, own) && is_before(own, best) {
                    best = own;
                }
            }
        }
        if TEAM > 1u {
            workgroupBarrier();
            candidates[local] = best;
            workgroupBarrier();
            for (var step = TEAM / 2u; step >= 1u; step /= 2u) {
                if member < step && is_before(candidates[local + step], candidates[local]) {
                    candidates[local] = candidates[local + step];
                }
                workgroupBarrier();
            }
            best = candidates[team_start];
        }
        last = best;
        var result = f32(best.channel);
        if INDICES == 0u {
            result = unpack_element(input[source + best.channel / 4u])[best.channel % 4u];
        }
        found[rank % 4u] = result;
        if rank % 4u == 3u || rank + 1u == params.output.channels {
            if is_writer {
                output[destination + rank / 4u] = pack_element(found);
            }
            found = vec4<f32>();
        }
    }
}
