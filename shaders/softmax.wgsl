// Softmax over the channels. A workgroup answers one pixel.
#import element
#import shared/map
#import shared/grid

struct Params {
    input: Map,
    output: Map,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

var<workgroup> partial: array<f32, 64>;

const LOWEST: f32 = -3.4028234e38;

// Lanes beyond the last channel made the lowest number: they add exp(lowest - largest) = 0.
fn load(element: u32, group: u32) -> vec4<f32> {
    let channel = vec4<u32>(0u, 1u, 2u, 3u) + group * 4u;
    let value = unpack_element(input[element + group]);
    return select(vec4<f32>(LOWEST), value, channel < vec4<u32>(params.input.channels));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // The fold of a long row of workgroups can leave some over; they redo the last pixel, since a
    // barrier may not stand behind a return.
    let pixel = min(workgroup.y * workgroups.x + workgroup.x, params.output.pixels - 1u);
    let source = element_of(params.input, pixel);

    // A NaN may be lost here, but not in the sum below, where exp(NaN) makes everything NaN.
    var largest = LOWEST;
    for (var group = local; group < params.input.groups; group += WORKGROUP) {
        let value = load(source, group);
        largest = max(largest, max(max(value.x, value.y), max(value.z, value.w)));
    }
    partial[local] = largest;
    workgroupBarrier();
    for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
        if local < step {
            partial[local] = max(partial[local], partial[local + step]);
        }
        workgroupBarrier();
    }
    largest = partial[0];
    workgroupBarrier();

    var sum = 0.0;
    for (var group = local; group < params.input.groups; group += WORKGROUP) {
        let value = exp(load(source, group) - largest);
        sum += value.x + value.y + value.z + value.w;
    }
    partial[local] = sum;
    workgroupBarrier();
    for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
        if local < step {
            partial[local] += partial[local + step];
        }
        workgroupBarrier();
    }
    sum = partial[0];

    let destination = element_of(params.output, pixel);
    for (var group = local; group < params.output.groups; group += WORKGROUP) {
        let value = exp(load(source, group) - largest) / sum;
        output[destination + group] =
            pack_element(zero_unused_lanes(value, group, params.output.channels));
    }
}
