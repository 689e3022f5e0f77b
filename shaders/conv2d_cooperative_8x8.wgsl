// `conv2d_cooperative.wgsl` with products of 8x8x8, which Apple's GPUs have. Metal loads and stores matrices of
// scalars, so the memory of a workgroup is of scalars.
enable f16;
enable wgpu_cooperative_matrix;
#import element_half
#import shared/conv2d_cooperative_native
#import shared/conv2d_cooperative_sums

const MATRIX_SIZE: u32 = 8u;

alias MatrixA = coop_mat8x8<f16, A>;
alias MatrixB = coop_mat8x8<f16, B>;
alias Accumulator = coop_mat8x8<f32, C>;

// Scalars of a row of `a_tile` and `b_tile`.
override ROW_LEN: u32 = 4u * ROW;
override A_LEN: u32 = TILE_M * ROW_LEN;
override B_LEN: u32 = TILE_N * ROW_LEN;
var<workgroup> a_tile: array<f16, A_LEN>;
var<workgroup> b_tile: array<f16, B_LEN>;

fn store_a(at: u32, pair: Pair) {
    for (var i = 0u; i < 4u; i++) {
        a_tile[4u * at + i] = pair.first[i];
        a_tile[4u * at + 4u + i] = pair.second[i];
    }
}

fn store_b(at: u32, pair: Pair) {
    for (var i = 0u; i < 4u; i++) {
        b_tile[4u * at + i] = pair.first[i];
        b_tile[4u * at + 4u + i] = pair.second[i];
    }
}

fn load_a(at: u32) -> MatrixA {
    let first = 4u * at;
    let stride = ROW_LEN;
    return coopLoadT<MatrixA>(&a_tile[first], stride);
}

fn load_b(at: u32) -> MatrixB {
    let first = 4u * at;
    let stride = ROW_LEN;
    return coopLoad<MatrixB>(&b_tile[first], stride);
}

fn store_accumulator(sum: Accumulator, at: u32) {
    let first = 4u * at;
    let stride = MATRIX_SIZE;
    coopStoreT(sum, &c_staging[first], stride);
}
