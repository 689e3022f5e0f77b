// What the shaders share that compute `shared/conv2d_cooperative.wgsl` with the device's cooperative matrices.
//
// Strides and indices of these calls are named values: naga 30 does not evaluate expressions in their arguments. A T
// in a function's name means row-major; strides count what the pointer points to.
#import shared/conv2d_cooperative

fn multiply_add(a: MatrixA, b: MatrixB, sum: Accumulator) -> Accumulator {
    return coopMultiplyAdd(a, b, sum);
}

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) subgroup_size: u32,
) {
    // Where subgroups have another size, all compute the first one's matrices. The check of the device's matrices
    // finds that results are wrong then.
    compute_tile(workgroup, workgroups, local, select(0u, subgroup, subgroup_size == SUBGROUP_SIZE));
}
