// As many bytes as the device can read and write, or only read: kernels that read much more than they
// write are faster than a copy. An invocation takes EACH elements: many, so that its start is no part of
// it, or few, for devices with many invocations. Eight of them take a line of 128 bytes together and go
// along their own stretch of memory, which suits caches of GPUs and what CPUs fetch ahead.
#import element
#import shared/grid

// 1 to copy, 0 to only read.
override COPY: u32 = 1u;
override EACH: u32 = 32u;
// Elements of a line.
const LINE: u32 = 8u;

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
    let first = block * WORKGROUP * EACH + local / LINE * LINE * EACH + local % LINE;
    // Nothing is left over of what an invocation takes.
    if first >= params.elements {
        return;
    }
    var sum = vec4<f32>();
    for (var i = 0u; i < EACH; i += 4u) {
        // Four at a time, which do not wait for one another.
        let index = (vec4(first) + vec4(i, i + 1u, i + 2u, i + 3u) * LINE) & vec4(params.mask);
        let a = input[index.x];
        let b = input[index.y];
        let c = input[index.z];
        let d = input[index.w];
        if COPY == 1u {
            output[index.x] = a;
            output[index.y] = b;
            output[index.z] = c;
            output[index.w] = d;
        } else {
            sum += unpack_element(a) + unpack_element(b) + (unpack_element(c) + unpack_element(d));
        }
    }
    // The input is zeros, which no compiler knows: nothing is written, and nothing left out.
    if COPY == 0u && sum.x + sum.y + sum.z + sum.w != 0.0 {
        output[0] = pack_element(sum);
    }
}
