// Convolution with cooperative matrices (tensor cores): products of 16x16x16, float16 inputs and float32
// sums, behind wgpu's experimental feature. For float16 storage. The legend of the tile's dimensions is in
// `shared/conv2d_cooperative.wgsl`.
enable f16;
enable wgpu_cooperative_matrix;
#import element_half
#import shared/conv2d_cooperative_native
#import shared/conv2d_cooperative_elements

const MATRIX_SIZE: u32 = 16u;

alias MatrixA = coop_mat16x16<f16, A>;
alias MatrixB = coop_mat16x16<f16, B>;
alias Accumulator = coop_mat16x16<f32, C>;

override C_LEN: u32 = SUBGROUPS * MATRIX_C4;
var<workgroup> c_staging: array<vec4<f32>, C_LEN>;

fn load_a(at: u32) -> MatrixA {
    let stride = ROW;
    return coopLoadT<MatrixA>(&a_tile[at], stride);
}

fn load_b(at: u32) -> MatrixB {
    let stride = ROW;
    return coopLoad<MatrixB>(&b_tile[at], stride);
}

fn store_accumulator(sum: Accumulator, at: u32) {
    let stride = MATRIX_ROW_C4;
    coopStoreT(sum, &c_staging[at], stride);
}

fn load_sums(at: u32) -> vec4<f32> {
    return c_staging[at];
}
