// `conv2d_cooperative.wgsl` without cooperative matrices: for tests on devices that have none. The legend of
// the tile's dimensions is in `shared/conv2d_cooperative.wgsl`. Of a 16x16 matrix of sums, each of 32
// invocations holds two elements, half a pixel; A and B are read from where they are stored.
#import shared/conv2d_cooperative

// Where a matrix begins.
alias MatrixA = u32;
alias MatrixB = u32;
alias Accumulator = array<vec4<f32>, 2>;

// The invocation's index in the emulated subgroup.
var<private> lane: u32;

fn load_a(at: u32) -> MatrixA {
    return at;
}

fn load_b(at: u32) -> MatrixB {
    return at;
}

fn multiply_add(a: MatrixA, b: MatrixB, sum: Accumulator) -> Accumulator {
    var result = sum;
    let row = a + lane / 2u * A_ROW_STRIDE;
    let column = b + lane % 2u * 2u;
    for (var k = 0u; k < MATRIX_SIZE; k++) {
        let x = vec4<f32>(unpack_element(a_tile[row + k / 4u])[k % 4u]);
        result[0] = fma(x, unpack_element(weight[column + k * N_TILE_C4]), result[0]);
        result[1] = fma(x, unpack_element(weight[column + k * N_TILE_C4 + 1u]), result[1]);
    }
    return result;
}

fn store_accumulator(sum: Accumulator, at: u32) {
    c_staging[at + lane * 2u] = sum[0];
    c_staging[at + lane * 2u + 1u] = sum[1];
}

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    lane = local % SUBGROUP_SIZE;
    compute_tile(workgroup, workgroups, local, local / SUBGROUP_SIZE);
}
