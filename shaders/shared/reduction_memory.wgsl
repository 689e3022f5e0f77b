// Reduction over invocations through workgroup memory, for devices without subgroups.
// `reduction_subgroup.wgsl` has the same functions for devices with them. A shader imports either one as
// `reduction`, and defines `fn reduce(a: vec4<f32>, b: vec4<f32>) -> vec4<f32>`, which must be associative and
// commutative. Every invocation of a workgroup must call a reducing function, and a shader may call only one
// of them, once; a second time only after `between_reductions`.
#import shared/reduction_team

struct Invocation {
    @builtin(local_invocation_index) index: u32,
}

var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

// An invocation's index in its workgroup.
fn index_of(invocation: Invocation) -> u32 {
    return invocation.index;
}

// Reduces the values of all invocations whose indices are equal modulo `stride`, a power of two.
fn reduce_workgroup(own: vec4<f32>, stride: u32, invocation: Invocation) -> vec4<f32> {
    partial[invocation.index] = own;
    workgroupBarrier();
    for (var step = WORKGROUP / 2u; step >= stride; step /= 2u) {
        if invocation.index < step {
            partial[invocation.index] = reduce(partial[invocation.index], partial[invocation.index + step]);
        }
        workgroupBarrier();
    }
    return partial[invocation.index % stride];
}

// The whole workgroup is one team.
fn team_of(invocation: Invocation) -> Team {
    return Team(invocation.index, WORKGROUP, 0u, 1u);
}

// Reduces the values of a team.
fn reduce_team(own: vec4<f32>, invocation: Invocation) -> vec4<f32> {
    return reduce_workgroup(own, 1u, invocation);
}

// Where a shader reduces a second time: all must have read the result of the first.
fn between_reductions() {
    workgroupBarrier();
}
