// A dimension of a dispatch holds 65,535 workgroups at the most, so long rows of them are folded
// into y. Every shader has 64 invocations a workgroup.
const WORKGROUP: u32 = 64u;

// The index of an invocation in a dispatch folded over x and y.
fn flat_index(id: vec3<u32>, workgroups: vec3<u32>) -> u32 {
    return id.y * workgroups.x * WORKGROUP + id.x;
}
