// Values of several invocations made one by way of workgroup memory, for devices without subgroups. See
// `reduction_subgroup.wgsl` for the form with them. A shader that imports either (as `reduction`)
// has `fn reduce(a: vec4<f32>, b: vec4<f32>) -> vec4<f32>`, to which order makes no difference. All
// invocations of a workgroup have to call a function that reduces, and only one of them, once.
#import shared/reduction_team

struct Invocation {
    @builtin(local_invocation_index) index: u32,
}

var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

// An invocation's number in its workgroup.
fn index_of(at: Invocation) -> u32 {
    return at.index;
}

// What `reduce` makes of the values of the invocations whose numbers are equal modulo `stride`, a
// power of two.
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

// A workgroup is a team.
fn team_of(at: Invocation) -> Team {
    return Team(at.index, WORKGROUP, 0u, 1u);
}

// What `reduce` makes of the values of a team.
fn reduce_team(own: vec4<f32>, at: Invocation) -> vec4<f32> {
    return reduce_workgroup(own, 1u, at);
}
