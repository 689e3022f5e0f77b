// Reduction over invocations by subgroups: shuffles within a subgroup, then workgroup memory across
// subgroups. The subgroup size may be any power of two. `reduction_memory.wgsl` says what importing shaders
// must define, and has the same functions.
#import shared/reduction_team

struct Invocation {
    @builtin(subgroup_size) subgroup_size: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
}

var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

// Derived from subgroups: neighbors in a subgroup need not have consecutive `local_invocation_index`.
fn index_of(invocation: Invocation) -> u32 {
    return invocation.subgroup * invocation.subgroup_size + invocation.lane;
}

// Active invocations of a subgroup. A subgroup larger than the workgroup has unused lanes.
fn active_lanes(invocation: Invocation) -> u32 {
    return min(invocation.subgroup_size, WORKGROUP);
}

// As `reduce_workgroup`, but within a subgroup.
fn reduce_subgroup(own: vec4<f32>, stride: u32, invocation: Invocation) -> vec4<f32> {
    var value = own;
    for (var distance = stride; distance < active_lanes(invocation); distance *= 2u) {
        value = reduce(value, subgroupShuffleXor(value, distance));
    }
    return value;
}

fn reduce_workgroup(own: vec4<f32>, stride: u32, invocation: Invocation) -> vec4<f32> {
    let index = index_of(invocation);
    partial[index] = reduce_subgroup(own, stride, invocation);
    workgroupBarrier();
    let first = index % stride;
    let step = max(active_lanes(invocation), stride);
    var value = partial[first];
    for (var i = first + step; i < WORKGROUP; i += step) {
        value = reduce(value, partial[i]);
    }
    return value;
}

// Each subgroup is a team: a reduction needs no workgroup memory and no barrier.
fn team_of(invocation: Invocation) -> Team {
    return Team(
        invocation.lane,
        active_lanes(invocation),
        invocation.subgroup,
        WORKGROUP / active_lanes(invocation),
    );
}

fn reduce_team(own: vec4<f32>, invocation: Invocation) -> vec4<f32> {
    return reduce_subgroup(own, 1u, invocation);
}

// A team needs no memory. Not between two reductions of a whole workgroup.
fn between_reductions() {}
