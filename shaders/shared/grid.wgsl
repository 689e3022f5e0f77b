// A dispatch has at most 65,535 workgroups per dimension, so a long row of them is folded into y. Workgroups
// have 64 invocations, except where a shader defines its own size.
const WORKGROUP: u32 = 64u;

// The index of an invocation in a dispatch folded over x and y.
fn flat_index(id: vec3<u32>, workgroups: vec3<u32>) -> u32 {
    return id.y * workgroups.x * WORKGROUP + id.x;
}
