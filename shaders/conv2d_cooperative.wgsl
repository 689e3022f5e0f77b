// Convolution with cooperative matrices (tensor cores): products of 16x16x16, float16 inputs and float32
// sums, behind wgpu's experimental feature. For float16 storage and subgroups of 32. The legend of the tile's
// dimensions is in `shared/conv2d_cooperative.wgsl`.
enable f16;
enable wgpu_cooperative_matrix;
#import element_half
#import shared/conv2d_cooperative

alias MatrixA = coop_mat16x16<f16, A>;
alias MatrixB = coop_mat16x16<f16, B>;
alias Accumulator = coop_mat16x16<f32, C>;

// Strides and indices are named values: naga 30 does not evaluate expressions in the arguments of these
// calls. A T in a function's name means row-major; strides count elements.
fn load_a(at: u32) -> MatrixA {
    let stride = A_ROW_STRIDE;
    return coopLoadT<MatrixA>(&a_tile[at], stride);
}

fn load_b(at: u32) -> MatrixB {
    let stride = N_TILE_C4;
    return coopLoadT<MatrixB>(&weight[at], stride);
}

fn multiply_add(a: MatrixA, b: MatrixB, sum: Accumulator) -> Accumulator {
    return coopMultiplyAdd(a, b, sum);
}

fn store_accumulator(sum: Accumulator, at: u32) {
    let stride = N_TILE_C4;
    coopStoreT(sum, &c_staging[at], stride);
}

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    compute_tile(workgroup, workgroups, local, subgroup);
}
