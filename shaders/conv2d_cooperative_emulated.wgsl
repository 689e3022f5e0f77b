// `conv2d_cooperative.wgsl` and `conv2d_cooperative_8x8.wgsl` without cooperative matrices: for tests on devices that
// have none. The legend of the tile's dimensions is in `shared/conv2d_cooperative.wgsl`. A and B are read from where
// they are stored. Of a matrix of sums, an invocation holds a part of a row.
#import shared/conv2d_cooperative
#import shared/conv2d_cooperative_elements
#import shared/conv2d_cooperative_sums

override MATRIX_SIZE: u32 = 16u;
// Sums of a matrix that an invocation holds, at most MAX_PART.
override PART: u32 = MATRIX_SIZE * MATRIX_SIZE / SUBGROUP_SIZE;
const MAX_PART: u32 = 8u;

// Where a matrix begins.
alias MatrixA = u32;
alias MatrixB = u32;
alias Accumulator = array<f32, MAX_PART>;

// The first sum of a matrix that the invocation holds.
var<private> first_sum: u32;

fn load_a(at: u32) -> MatrixA {
    return at;
}

fn load_b(at: u32) -> MatrixB {
    return at;
}

fn multiply_add(a: MatrixA, b: MatrixB, sum: Accumulator) -> Accumulator {
    var result = sum;
    let row = a + first_sum / MATRIX_SIZE * ROW;
    let column = b + first_sum % MATRIX_SIZE * ROW;
    for (var k4 = 0u; k4 < MATRIX_ROW_C4; k4++) {
        let x = unpack_element(a_tile[row + k4]);
        for (var i = 0u; i < PART; i++) {
            result[i] += dot(x, unpack_element(b_tile[column + i * ROW + k4]));
        }
    }
    return result;
}

fn store_accumulator(sum: Accumulator, at: u32) {
    for (var i = 0u; i < PART; i++) {
        c_staging[4u * at + first_sum + i] = sum[i];
    }
}

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    first_sum = local % SUBGROUP_SIZE * PART;
    compute_tile(workgroup, workgroups, local, local / SUBGROUP_SIZE);
}
