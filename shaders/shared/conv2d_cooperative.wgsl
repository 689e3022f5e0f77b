// Convolution as an implicit GEMM of cooperative matrices of 16x16, each held by a subgroup. M, N, K, A, B
// and C are those of `shared/conv2d.wgsl`.
//
//   workgroup     4 subgroups of 32 invocations; computes a tile of C with
//                 M = 256 / N_TILES output pixels, N = 16 * N_TILES output channels
//   subgroup      M = 32 output pixels, N = 32 output channels (two N tiles): 2x2 matrices of C;
//                 N_TILES / 2 subgroups lie side by side along N
//   K step        32 input channels of one tap (K_STEP_C4 elements), in steps of 16: one matrix
//   workgroup memory:
//     a_tile      [M][K_STEP_C4], rows A_ROW_STRIDE elements apart: the patches of the input
//     c_staging   [subgroup][16 M][N_TILE_C4]: one matrix of sums of each subgroup, for the epilogue
//   weights       [gemm][n_tile][ky][kx][in / 4][4 in][16 out]: 16 rows of K by 16 columns of N are a matrix
//                 as they are stored, and are loaded from there
//
// A shader that imports this defines the matrix types `MatrixA`, `MatrixB` and `Accumulator`, and the
// functions `load_a` (from `a_tile`), `load_b` (from `weight`), `multiply_add` and `store_accumulator` (to
// `c_staging`).
//
// One channel group only. `params.k_c4` is a multiple of 4, and may be more than the input has: the
// weights beyond are zero.
#import shared/conv2d

// N tiles per workgroup: 2, 4 or 8.
override N_TILES: u32 = 4u;

const SUBGROUPS: u32 = 4u;
// Invocations per subgroup, and per workgroup.
const SUBGROUP_SIZE: u32 = 32u;
const INVOCATIONS: u32 = SUBGROUPS * SUBGROUP_SIZE;
// Rows and columns of a matrix; output pixels per subgroup.
const MATRIX_SIZE: u32 = 16u;
const SUBGROUP_M: u32 = 2u * MATRIX_SIZE;

// Input elements per K step; a matrix has 4.
const K_STEP_C4: u32 = 8u;
// Elements from one pixel to the next in `a_tile`. More than K_STEP_C4, so that pixels begin in different
// memory banks.
const A_ROW_STRIDE: u32 = 10u;
// Pixels that a workgroup loads at once, and loads for the largest tile.
const PIXELS_PER_LOAD: u32 = INVOCATIONS / K_STEP_C4;
const MAX_LOADS: u32 = 8u;

// Elements of a matrix of weights, and of one of sums.
const MATRIX_C4: u32 = MATRIX_SIZE * N_TILE_C4;

var<workgroup> a_tile: array<Element, PIXELS_PER_LOAD * MAX_LOADS * A_ROW_STRIDE>;
var<workgroup> c_staging: array<vec4<f32>, SUBGROUPS * MATRIX_C4>;

// The tile of C that a workgroup computes.
struct WorkgroupTile {
    first_pixel: u32,
    first_n_tile: u32,
    gemm: u32,
}

fn subgroups_along_n() -> u32 {
    return N_TILES / 2u;
}

// An element of the input with the prologue applied.
fn load_input(element: u32, c4_index: u32) -> Element {
    if PROLOGUE_NORM == 0u && PROLOGUE_ACTIVATION == IDENTITY {
        return input[element];
    }
    return pack_element(apply_prologue(unpack_element(input[element]), c4_index));
}

fn compute_tile(workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32, subgroup: u32) {
    let tile_m = SUBGROUPS / subgroups_along_n() * SUBGROUP_M;
    // The last workgroup along N may have fewer than N_TILES tiles: it recomputes the last one and does not
    // store it.
    let n_workgroups = (params.n_tiles + N_TILES - 1u) / N_TILES;
    let tile = WorkgroupTile(
        (workgroup.z * workgroups.x + workgroup.x) * tile_m,
        (workgroup.y % n_workgroups) * N_TILES,
        workgroup.y / n_workgroups,
    );

    let n_tile = tile.first_n_tile + subgroup % subgroups_along_n() * 2u;
    let last_n_tile = params.n_tiles - 1u;
    var b_offset_0 = weight_offset(tile.gemm, min(n_tile, last_n_tile));
    var b_offset_1 = weight_offset(tile.gemm, min(n_tile + 1u, last_n_tile));
    let a_offset_0 = subgroup / subgroups_along_n() * SUBGROUP_M * A_ROW_STRIDE;
    let a_offset_1 = a_offset_0 + MATRIX_SIZE * A_ROW_STRIDE;

    // The pixels that this invocation loads, one element of each.
    var positions: array<vec3<u32>, MAX_LOADS>;
    for (var l = 0u; l < MAX_LOADS; l++) {
        let pixel = tile.first_pixel + local / K_STEP_C4 + l * PIXELS_PER_LOAD;
        // Pixels beyond the last repeat it; they are not stored.
        positions[l] = output_pixel(params.outputs, min(pixel, params.outputs.pixels - 1u));
    }

    var sum_00 = Accumulator();
    var sum_01 = Accumulator();
    var sum_10 = Accumulator();
    var sum_11 = Accumulator();
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            var taps: array<Tap, MAX_LOADS>;
            for (var l = 0u; l < MAX_LOADS; l++) {
                taps[l] = locate_tap(params.window, params.input, positions[l], tile.gemm * params.gemm_rows, ky, kx);
            }
            for (var first_k4 = 0u; first_k4 < params.k_c4; first_k4 += K_STEP_C4) {
                let k4 = first_k4 + local % K_STEP_C4;
                workgroupBarrier();
                for (var l = 0u; l < MAX_LOADS; l++) {
                    if l * PIXELS_PER_LOAD < tile_m {
                        var value = pack_element(vec4<f32>());
                        if taps[l].inside && k4 < params.input.c4 {
                            value = load_input(taps[l].element + k4, k4);
                        }
                        a_tile[(local / K_STEP_C4 + l * PIXELS_PER_LOAD) * A_ROW_STRIDE + local % K_STEP_C4] = value;
                    }
                }
                workgroupBarrier();
                // One step instead of two where fewer than K_STEP_C4 elements of the tap are left.
                let steps = min(K_STEP_C4, params.k_c4 - first_k4) / 4u;
                for (var step = 0u; step < steps; step++) {
                    let a_0 = load_a(a_offset_0 + step * 4u);
                    let a_1 = load_a(a_offset_1 + step * 4u);
                    let b_0 = load_b(b_offset_0);
                    let b_1 = load_b(b_offset_1);
                    sum_00 = multiply_add(a_0, b_0, sum_00);
                    sum_01 = multiply_add(a_0, b_1, sum_01);
                    sum_10 = multiply_add(a_1, b_0, sum_10);
                    sum_11 = multiply_add(a_1, b_1, sum_11);
                    b_offset_0 += MATRIX_C4;
                    b_offset_1 += MATRIX_C4;
                }
            }
        }
    }

    store_matrix(tile, local, subgroup, 0u, 0u, sum_00);
    store_matrix(tile, local, subgroup, 0u, 1u, sum_01);
    store_matrix(tile, local, subgroup, 1u, 0u, sum_10);
    store_matrix(tile, local, subgroup, 1u, 1u, sum_11);
}

// Stores, for every subgroup, the matrix in this row and column of its 2x2 matrices.
fn store_matrix(tile: WorkgroupTile, local: u32, subgroup: u32, row: u32, column: u32, sum: Accumulator) {
    store_accumulator(sum, subgroup * MATRIX_C4);
    workgroupBarrier();
    // Each invocation stores half a pixel. Which subgroup's matrix it stores follows from its local index,
    // since how a device assigns invocations to subgroups is not specified.
    let source_subgroup = local / SUBGROUP_SIZE;
    let matrix_row = local % SUBGROUP_SIZE / 2u;
    let pixel = tile.first_pixel + source_subgroup / subgroups_along_n() * SUBGROUP_M + row * MATRIX_SIZE + matrix_row;
    let n_tile = tile.first_n_tile + source_subgroup % subgroups_along_n() * 2u + column;
    if pixel < params.outputs.pixels && n_tile < params.n_tiles {
        let out_tile = n_tile_at(tile.gemm * params.n_tiles + n_tile);
        let at = output_pixel(params.outputs, pixel);
        let position = position_in_output(params.outputs, at, tile.gemm);
        for (var i = 0u; i < 2u; i++) {
            let n4 = local % 2u * 2u + i;
            let value = c_staging[source_subgroup * MATRIX_C4 + matrix_row * N_TILE_C4 + n4];
            store_output(out_tile, position, n4, value + bias[out_tile.n_tile * N_TILE_C4 + n4]);
        }
    }
    workgroupBarrier();
}
