// Shared by the dense convolutions, which compute an implicit GEMM: C[M, N] = A[M, K] x B[K, N] + bias.
//
//   M       output pixels, over the whole batch
//   N       output channels
//   K       kernel taps x input channels, tap by tap
//   A       patches of the input, gathered on the fly (implicit im2col), C4: four channels per element
//   B       weights, [gemm][n_tile][ky][kx][in / 4][4 in][16 out], or [n_tile][gemm] and so on: the
//           strides are in `Params`
//   C       the output, NHWC in elements of four channels
//   N tile  16 output channels = N_TILE_C4 elements. An N tile never crosses into the next channel group.
//   k_c4    K elements per tap: input channels of a channel group / 4
//
// Grouped convolutions are supported where the channels of a group are whole elements in both the input
// and the output.
//
// A dispatch may compute a batch of several GEMMs, each with its own weights: the stride phases of a
// transposed convolution, whose outputs interleave, or the points of Winograd's transform, each of which
// is `gemm_rows` rows of the input and of the output.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/window
#import shared/prologue
#import shared/epilogue
#import input

struct Params {
    input: TensorView,
    output: TensorView,
    window: Window,
    outputs: Outputs,
    epilogue: EpilogueParams,
    // Input elements per tap, and output elements per channel group.
    k_c4: u32,
    group_out_c4: u32,
    // N tiles per channel group, and the first N tile whose weights this dispatch has.
    group_n_tiles: u32,
    first_n_tile: u32,
    // N tiles per GEMM in this dispatch.
    n_tiles: u32,
    prologue_slope: f32,
    // Input rows from one GEMM to the next, and GEMMs in this dispatch.
    gemm_rows: u32,
    gemms: u32,
    // Weight strides in N tiles: from one GEMM to the next, and from one N tile to the next.
    weight_gemm_stride: u32,
    weight_n_tile_stride: u32,
    // 1 where consecutive tiles of the dispatch step along N (same pixels, next N tile), 0 where they
    // step along M: the larger operand should be read only once. Used by `conv2d_subgroup` only.
    n_fastest: u32,
    // Elements per tap that a channel group of the input has. The weights beyond, up to `k_c4`, are zero.
    input_k_c4: u32,
    // K steps of a part where each GEMM of the dispatch is a part of one sum, or else 0.
    part_steps: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weight: array<Element>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Element>;
@group(0) @binding(5) var<storage, read> prologue: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> output: array<Element>;

// Elements of an N tile: 16 output channels.
const N_TILE_C4: u32 = 4u;

// One N tile of one GEMM: what an invocation or a subgroup computes.
struct NTile {
    gemm: u32,
    // Index over all channel groups.
    n_tile: u32,
    // The first element of a pixel that the tile reads, and the first that it writes.
    first_input_c4: u32,
    first_output_c4: u32,
    // The tile's first element within its channel group.
    first_c4_in_group: u32,
    // Where the tile's weights begin, in elements.
    weight_offset: u32,
}

// The tile of index `index`, N tiles varying fastest, then GEMMs.
fn n_tile_at(index: u32) -> NTile {
    let n_tile = params.first_n_tile + index % params.n_tiles;
    let channel_group = n_tile / params.group_n_tiles;
    let first_c4_in_group = (n_tile % params.group_n_tiles) * N_TILE_C4;
    return NTile(
        index / params.n_tiles,
        n_tile,
        channel_group * params.input_k_c4,
        channel_group * params.group_out_c4 + first_c4_in_group,
        first_c4_in_group,
        weight_offset(index / params.n_tiles, index % params.n_tiles),
    );
}

// Where the weights of a GEMM and of an N tile, counted from the dispatch's first, begin.
fn weight_offset(gemm: u32, n_tile: u32) -> u32 {
    let taps = params.window.kernel.x * params.window.kernel.y;
    return (gemm * params.weight_gemm_stride + n_tile * params.weight_n_tile_stride)
        * taps * params.k_c4 * 4u * N_TILE_C4;
}

// Stores element `n4` of the N tile for the pixel at `position` (batch, row, column) of the output.
fn store_output(tile: NTile, position: vec3<u32>, n4: u32, sum: vec4<f32>) {
    if tile.first_c4_in_group + n4 < params.group_out_c4 {
        let element = element_at(params.output, position.x, position.y, position.z)
            + tile.first_output_c4 + n4;
        output[element] = pack_element(apply_epilogue(sum, position, tile.first_output_c4 + n4));
    }
}
