// Measures the peak memory bandwidth, of a copy or of reads only: kernels that read much more than they write
// are faster than a copy. An invocation accesses EACH elements: many, so that its startup cost does not show,
// or few, for devices that run many invocations. Eight invocations access a line of 128 bytes together and
// walk along a stretch of memory of their own, which suits both the caches of GPUs and the prefetchers of
// CPUs.
#import element
#import shared/grid

// 1 to copy, 0 to only read.
override COPY: u32 = 1u;
override EACH: u32 = 32u;
// Elements per line.
const LINE: u32 = 8u;

struct Params {
    elements: u32,
    // Mask of element indices: all ones, or fewer bits to loop over a range that fits a cache.
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
    let flat_workgroup = workgroup.y * workgroups.x + workgroup.x;
    let first = flat_workgroup * WORKGROUP * EACH + local / LINE * LINE * EACH + local % LINE;
    // The number of elements is a multiple of what an invocation accesses.
    if first >= params.elements {
        return;
    }
    var sum = vec4<f32>();
    for (var i = 0u; i < EACH; i += 4u) {
        // Four independent accesses at a time.
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
    // The input is all zeros, which the compiler cannot know: nothing is written, and no read is removed.
    if COPY == 0u && sum.x + sum.y + sum.z + sum.w != 0.0 {
        output[0] = pack_element(sum);
    }
}
