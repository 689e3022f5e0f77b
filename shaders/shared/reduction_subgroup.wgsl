// Values of several invocations made one by subgroups: within them by exchange, and by way of workgroup
// memory from there on. Subgroups may be of any size that is a power of two. What importing shaders have
// to have is told in `reduction_memory.wgsl`, whose functions these are.
#import shared/reduction_team

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

// Invocations of a subgroup: one larger than the workgroup has lanes that nobody is in.
fn lanes_of(at: Invocation) -> u32 {
    return min(at.subgroup_size, WORKGROUP);
}

// The same within a subgroup.
fn exchange(own: vec4<f32>, stride: u32, at: Invocation) -> vec4<f32> {
    var value = own;
    for (var distance = stride; distance < lanes_of(at); distance *= 2u) {
        value = reduce(value, subgroupShuffleXor(value, distance));
    }
    return value;
}

fn reduce_workgroup(own: vec4<f32>, stride: u32, at: Invocation) -> vec4<f32> {
    let index = index_of(at);
    partial[index] = exchange(own, stride, at);
    workgroupBarrier();
    let first = index % stride;
    let step = max(lanes_of(at), stride);
    var value = partial[first];
    for (var i = first + step; i < WORKGROUP; i += step) {
        value = reduce(value, partial[i]);
    }
    return value;
}

// A subgroup is a team: nothing goes through memory, and nobody waits.
fn team_of(at: Invocation) -> Team {
    return Team(at.lane, lanes_of(at), at.subgroup, WORKGROUP / lanes_of(at));
}

fn reduce_team(own: vec4<f32>, at: Invocation) -> vec4<f32> {
    return exchange(own, 1u, at);
}
