// As many bytes as the device can read and write, or only read: kernels that read much more than they
// write are faster than a copy. An invocation takes EACH elements: many, so that its start is no part of
// it, or few, for devices whose workgroups are loops over one processor's lines of memory. Neighbours
// take neighbours.
#import element
#import shared/grid

// 1 to copy, 0 to only read.
override COPY: u32 = 1u;
override EACH: u32 = 32u;

struct Params {
    elements: u32,
    // Of indices: all ones, or fewer to go round and round in a part that a cache holds.
    mask: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let block = workgroup.y * workgroups.x + workgroup.x;
    let first = block * WORKGROUP * EACH + local;
    var sum = vec4<f32>();
    for (var i = 0u; i < EACH; i++) {
        let index = first + i * WORKGROUP;
        if index < params.elements {
            let value = input[index & params.mask];
            if COPY == 1u {
                output[index & params.mask] = value;
            } else {
                sum += unpack_element(value);
            }
        }
    }
    // The input is zeros, which no compiler knows: nothing is written, and nothing left out.
    if COPY == 0u && sum.x + sum.y + sum.z + sum.w != 0.0 {
        output[0] = pack_element(sum);
    }
}
