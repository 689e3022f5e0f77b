// A workgroup's values made one by way of workgroup memory, for devices without subgroups. See
// `reduction_subgroup.wgsl` for the form with them. A shader that imports either (`#import reduction`)
// has `fn reduce(a: vec4<f32>, b: vec4<f32>) -> vec4<f32>`, to which order makes no difference.

struct Invocation {
    @builtin(local_invocation_index) index: u32,
}

var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

// An invocation's number in its workgroup.
fn index_of(at: Invocation) -> u32 {
    return at.index;
}

// What `reduce` makes of the values of the invocations whose numbers are equal modulo `stride`, a
// power of two. All invocations have to call it, and only once.
fn reduce_workgroup(own: vec4<f32>, stride: u32, at: Invocation) -> vec4<f32> {
    partial[at.index] = own;
    workgroupBarrier();
    for (var step = WORKGROUP / 2u; step >= stride; step /= 2u) {
        if at.index < step {
            partial[at.index] = reduce(partial[at.index], partial[at.index + step]);
        }
        workgroupBarrier();
    }
    return partial[at.index % stride];
}
