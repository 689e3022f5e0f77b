// A workgroup's values made one: within subgroups by exchange, and by way of workgroup memory from
// there on. Subgroups may be of any size that is a power of two. What importing shaders have to have is
// told in `reduction_memory.wgsl`, whose functions these are.

struct Invocation {
    @builtin(subgroup_size) subgroup_size: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
}

var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

// By subgroups and not the built-in index, which neighbours in a subgroup need not follow.
fn index_of(at: Invocation) -> u32 {
    return at.subgroup * at.subgroup_size + at.lane;
}

fn reduce_workgroup(own: vec4<f32>, stride: u32, at: Invocation) -> vec4<f32> {
    // A subgroup larger than the workgroup has lanes that nobody is in.
    let lanes = min(at.subgroup_size, WORKGROUP);
    var value = own;
    for (var distance = stride; distance < lanes; distance *= 2u) {
        value = reduce(value, subgroupShuffleXor(value, distance));
    }
    let index = index_of(at);
    partial[index] = value;
    workgroupBarrier();
    let first = index % stride;
    let step = max(lanes, stride);
    value = partial[first];
    for (var i = first + step; i < WORKGROUP; i += step) {
        value = reduce(value, partial[i]);
    }
    return value;
}
