// Convolution as an implicit GEMM of cooperative matrices, each held by a subgroup. M, N, K, A, B and C are
// those of `shared/conv2d.wgsl`.
//
//   matrix        MATRIX_SIZE rows by as many columns: 8 or 16
//   workgroup     SUBGROUPS subgroups of SUBGROUP_SIZE invocations; computes M = TILE_M output pixels,
//                 N = TILE_N output channels
//   subgroup      M_MATRICES by N_MATRICES matrices of C. SUBGROUPS_ALONG_N subgroups lie side by side along N
//   K step        K_STEP_C4 elements of one tap. `params.k_c4` is a multiple of it, and may be more than the
//                 input has: the weights beyond are zero
//   pair          two elements of four channels, side by side along K: what an invocation loads and stores at
//                 once, 16 bytes in float16
//   workgroup memory:
//     a_tile      [M][K_STEP_C4], rows ROW elements apart: the patches of the input
//     b_tile      [N][K_STEP_C4], rows ROW elements apart: the weights, transposed. What an invocation needs of
//                 a matrix of A or B lies side by side along K on AMD's and NVIDIA's GPUs
//     c_staging   [subgroup][MATRIX_SIZE M][MATRIX_SIZE / 4]: a matrix of sums of each subgroup, for the
//                 epilogue
//   weights       [gemm][n_tile][ky][kx][in / 8][16 out][8 in]
//
// While a K step is multiplied, the next one is loaded to registers. No address is computed in the loop but by
// additions. Taps in the padding load the input's first element, and are stored as zeros.
//
// A shader that imports this defines MATRIX_SIZE, the memory, the types `MatrixA`, `MatrixB` and `Accumulator`,
// and the functions that access them: `store_a`, `load_a`, `store_b`, `load_b`, `multiply_add`,
// `store_accumulator` and `load_sums`. Their indices count elements.
//
// One channel group only.
#import shared/conv2d

override TILE_M: u32 = 64u;
override TILE_N: u32 = 64u;
// At most 4.
override M_MATRICES: u32 = 4u;
override N_MATRICES: u32 = 2u;
override K_STEP_C4: u32 = 16u;
override SUBGROUP_SIZE: u32 = 64u;

// 0 where every tap is in the input.
override PADDED_TAPS: u32 = 1u;
// 0 where `params.k_c4` is what the input has.
override PADDED_CHANNELS: u32 = 1u;

override SUBGROUP_M: u32 = M_MATRICES * MATRIX_SIZE;
override SUBGROUP_N: u32 = N_MATRICES * MATRIX_SIZE;
override SUBGROUPS_ALONG_N: u32 = TILE_N / SUBGROUP_N;
override SUBGROUPS: u32 = TILE_M / SUBGROUP_M * SUBGROUPS_ALONG_N;
override INVOCATIONS: u32 = SUBGROUPS * SUBGROUP_SIZE;
override TILE_N_TILES: u32 = TILE_N / (4u * N_TILE_C4);
// Matrices of a K step, and elements along K of one.
override K_MATRICES: u32 = K_STEP_C4 * 4u / MATRIX_SIZE;
override MATRIX_ROW_C4: u32 = MATRIX_SIZE / 4u;
// Elements of a matrix of sums.
override MATRIX_C4: u32 = MATRIX_SIZE * MATRIX_ROW_C4;

// Pairs of a row of a K step, rows that a workgroup loads at once, and pairs that an invocation loads of a
// K step.
override K_PAIRS: u32 = K_STEP_C4 / 2u;
override ROWS_PER_LOAD: u32 = INVOCATIONS / K_PAIRS;
override A_LOADS: u32 = (TILE_M + ROWS_PER_LOAD - 1u) / ROWS_PER_LOAD;
override B_LOADS: u32 = (TILE_N + ROWS_PER_LOAD - 1u) / ROWS_PER_LOAD;
// Whether all invocations load as many.
override A_WHOLE: bool = A_LOADS * ROWS_PER_LOAD == TILE_M;
override B_WHOLE: bool = B_LOADS * ROWS_PER_LOAD == TILE_N;
// Pairs of a step's weights in an N tile.
override STEP_PAIRS: u32 = K_PAIRS * 4u * N_TILE_C4;
// An odd number of pairs, so that rows begin in different memory banks.
override ROW_PAIRS: u32 = K_PAIRS + 1u;
override ROW: u32 = 2u * ROW_PAIRS;

const MAX_LOADS: u32 = 8u;
const MAX_MATRICES: u32 = 4u;
const MAX_SUMS: u32 = 16u;

struct Pair {
    first: Element,
    second: Element,
}

// A K step: a part of a tap. The same for all invocations of a workgroup.
struct Step {
    // The first element within the tap.
    first_k4: u32,
    // The tap's column in the kernel, and where the tap is from the window's first.
    kx: u32,
    y: u32,
    x: u32,
    // Elements of the input from the window's first to the step's first.
    element: u32,
}

fn next_step(step: Step) -> Step {
    var next = step;
    next.first_k4 += K_STEP_C4;
    next.element += K_STEP_C4;
    if next.first_k4 >= params.k_c4 {
        next.first_k4 = 0u;
        next.kx += 1u;
        next.x += params.window.dilation.y;
        next.element += params.window.dilation.y * params.input.pixel_stride - params.k_c4;
        if next.kx >= params.window.kernel.y {
            next.kx = 0u;
            next.y += params.window.dilation.x;
            next.element += (params.window.dilation.x * params.input.width - next.x) * params.input.pixel_stride;
            next.x = 0u;
        }
    }
    return next;
}

// A pixel of which an invocation loads a pair for each K step.
struct Source {
    // The input's row and column under the window's first tap. Negative (wrapped around) in the padding.
    y: u32,
    x: u32,
    // The element there.
    element: u32,
}

// Whether the pair from element `k4` of a step on is in the input, for a pixel.
fn is_inside(source: Source, step: Step, k4: u32) -> bool {
    var inside = true;
    if PADDED_TAPS != 0u {
        // Not `&&`, which jumps.
        inside = (source.y + step.y < params.input.height) & (source.x + step.x < params.input.width);
    }
    if PADDED_CHANNELS != 0u {
        inside = inside & (step.first_k4 + k4 < params.input_k_c4);
    }
    return inside;
}

// Whether other elements may be in the input than in the step before.
fn moves_padding(step: Step) -> bool {
    return PADDED_CHANNELS != 0u || (PADDED_TAPS != 0u && step.first_k4 == 0u);
}

// An element of the input with the prologue applied.
fn prepare_input(element: Element, c4_index: u32) -> Element {
    if PROLOGUE_NORM == 0u && PROLOGUE_ACTIVATION == IDENTITY {
        return element;
    }
    return pack_element(apply_prologue(unpack_element(element), c4_index));
}

fn prepare_pair(pair: Pair, c4_index: u32) -> Pair {
    return Pair(prepare_input(pair.first, c4_index), prepare_input(pair.second, c4_index + 1u));
}

fn compute_tile(workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32, subgroup: u32) {
    let first_pixel = (workgroup.z * workgroups.x + workgroup.x) * TILE_M;
    // The last workgroup along N may have fewer N tiles than others: it recomputes the last one and does not
    // store it.
    let n_workgroups = (params.n_tiles + TILE_N_TILES - 1u) / TILE_N_TILES;
    let gemm = workgroup.y / n_workgroups;
    let first_n_tile = workgroup.y % n_workgroups * TILE_N_TILES;

    let a_k4 = local % K_PAIRS * 2u;
    let a_row = local / K_PAIRS;
    var sources: array<Source, MAX_LOADS>;
    for (var l = 0u; l < A_LOADS; l++) {
        // Pixels beyond the last repeat it; they are not stored.
        let pixel = min(first_pixel + a_row + l * ROWS_PER_LOAD, params.outputs.pixels - 1u);
        let position = output_pixel(params.outputs, pixel);
        let first = position.yz * params.window.stride - params.window.padding;
        let y = first.x + gemm * params.gemm_rows;
        sources[l] = Source(y, first.y, element_at(params.input, position.x, y, first.y) + a_k4);
    }
    let a_at = (a_row * ROW_PAIRS + local % K_PAIRS) * 2u;
    // Where pairs of weights are, and where in `b_tile` they are stored.
    var weights_at: array<u32, MAX_LOADS>;
    var b_at: array<u32, MAX_LOADS>;
    for (var l = 0u; l < B_LOADS; l++) {
        let pair = local + l * INVOCATIONS;
        let n_tile = pair / STEP_PAIRS;
        let in_tile = pair % STEP_PAIRS;
        weights_at[l] = weight_offset(gemm, min(first_n_tile + n_tile, params.n_tiles - 1u)) + in_tile * 2u;
        let row = n_tile * 4u * N_TILE_C4 + in_tile % (4u * N_TILE_C4);
        b_at[l] = (row * ROW_PAIRS + in_tile / (4u * N_TILE_C4)) * 2u;
    }
    let first_row = subgroup / SUBGROUPS_ALONG_N * SUBGROUP_M * ROW;
    let first_column = subgroup % SUBGROUPS_ALONG_N * SUBGROUP_N * ROW;

    let steps = params.window.kernel.x * params.window.kernel.y * params.k_c4 / K_STEP_C4;
    var step = Step();
    // Where the next pairs of the input are, whether they are in it, and the pairs.
    var a_from: array<u32, MAX_LOADS>;
    var a_inside: array<bool, MAX_LOADS>;
    var a_next: array<Pair, MAX_LOADS>;
    var b_next: array<Pair, MAX_LOADS>;
    // Without a tap, there are no weights.
    if steps != 0u {
        for (var l = 0u; l < A_LOADS; l++) {
            a_inside[l] = is_inside(sources[l], step, a_k4);
            a_from[l] = select(params.input.offset, sources[l].element, a_inside[l]);
            a_next[l] = Pair(input[a_from[l]], input[a_from[l] + 1u]);
        }
        for (var l = 0u; l < B_LOADS; l++) {
            b_next[l] = Pair(weight[weights_at[l]], weight[weights_at[l] + 1u]);
        }
    }
    var sums: array<Accumulator, MAX_SUMS>;
    for (var turn = 0u; turn < steps; turn++) {
        workgroupBarrier();
        if moves_padding(step) {
            for (var l = 0u; l < A_LOADS; l++) {
                if !a_inside[l] && (A_WHOLE || a_row + l * ROWS_PER_LOAD < TILE_M) {
                    store_a(a_at + l * ROWS_PER_LOAD * ROW, Pair());
                }
            }
        }
        for (var l = 0u; l < A_LOADS; l++) {
            if a_inside[l] && (A_WHOLE || a_row + l * ROWS_PER_LOAD < TILE_M) {
                store_a(a_at + l * ROWS_PER_LOAD * ROW, prepare_pair(a_next[l], step.first_k4 + a_k4));
            }
        }
        for (var l = 0u; l < B_LOADS; l++) {
            if B_WHOLE || local + l * INVOCATIONS < TILE_N * K_PAIRS {
                store_b(b_at[l], b_next[l]);
            }
        }
        workgroupBarrier();
        // The last step is loaded again, and not used: what would follow may be beyond the buffers.
        var weights = 0u;
        if turn + 1u < steps {
            step = next_step(step);
            weights = STEP_PAIRS * 2u;
            if moves_padding(step) {
                for (var l = 0u; l < A_LOADS; l++) {
                    a_inside[l] = is_inside(sources[l], step, a_k4);
                }
            }
            for (var l = 0u; l < A_LOADS; l++) {
                a_from[l] = select(params.input.offset, sources[l].element + step.element, a_inside[l]);
            }
        }
        for (var l = 0u; l < A_LOADS; l++) {
            a_next[l] = Pair(input[a_from[l]], input[a_from[l] + 1u]);
        }
        for (var l = 0u; l < B_LOADS; l++) {
            weights_at[l] += weights;
            b_next[l] = Pair(weight[weights_at[l]], weight[weights_at[l] + 1u]);
        }
        for (var k = 0u; k < K_MATRICES; k++) {
            var a: array<MatrixA, MAX_MATRICES>;
            for (var m = 0u; m < M_MATRICES; m++) {
                a[m] = load_a(first_row + m * MATRIX_SIZE * ROW + k * MATRIX_ROW_C4);
            }
            for (var n = 0u; n < N_MATRICES; n++) {
                let b = load_b(first_column + n * MATRIX_SIZE * ROW + k * MATRIX_ROW_C4);
                for (var m = 0u; m < M_MATRICES; m++) {
                    let i = m * N_MATRICES + n;
                    sums[i] = multiply_add(a[m], b, sums[i]);
                }
            }
        }
    }

    for (var i = 0u; i < M_MATRICES * N_MATRICES; i++) {
        // Sums are in registers, whose index must be constant. What follows is too large for as many copies.
        for (var j = 0u; j < M_MATRICES * N_MATRICES; j++) {
            if i == j {
                store_accumulator(sums[j], subgroup * MATRIX_C4);
            }
        }
        workgroupBarrier();
        // Which subgroup's matrix an invocation stores follows from its local index, since how a device assigns
        // invocations to subgroups is not specified.
        for (var at = local; at < SUBGROUPS * MATRIX_C4; at += INVOCATIONS) {
            let owner = at / MATRIX_C4;
            let row = owner / SUBGROUPS_ALONG_N * SUBGROUP_M + i / N_MATRICES * MATRIX_SIZE;
            let pixel = first_pixel + row + at % MATRIX_C4 / MATRIX_ROW_C4;
            let column = owner % SUBGROUPS_ALONG_N * SUBGROUP_N + i % N_MATRICES * MATRIX_SIZE;
            let n4 = column / 4u + at % MATRIX_ROW_C4;
            let n_tile = first_n_tile + n4 / N_TILE_C4;
            if pixel < params.outputs.pixels && n_tile < params.n_tiles {
                let tile = n_tile_at(gemm * params.n_tiles + n_tile);
                let position = position_in_output(params.outputs, output_pixel(params.outputs, pixel), gemm);
                let within = n4 % N_TILE_C4;
                store_output(tile, position, within, load_sums(at) + bias[tile.n_tile * N_TILE_C4 + within]);
            }
        }
        workgroupBarrier();
    }
}
