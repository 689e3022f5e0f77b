// Convolution as an implicit GEMM tiled through workgroup memory, for GPUs. M, N, K, A, B and C are those of
// `shared/conv2d.wgsl`.
//
//   workgroup     M = TILE_M output pixels, N = TILE_N output channels
//   invocation    M = M_PER_INVOCATION output pixels, M_INVOCATIONS apart; N = N4_PER_INVOCATION elements of four
//                 output channels, N_INVOCATIONS apart. The invocations lie M_INVOCATIONS along M by
//                 N_INVOCATIONS along N
//   K step        K_STEP_C4 elements of one tap. `params.k_c4` is a multiple of it, and may be more than the
//                 input has: the weights beyond are zero
//   workgroup memory:
//     a_tile      [K_STEP_C4][M], rows A_ROW elements apart: the patches of the input, unpacked to float32
//     b_tile      [K_STEP_C4][4 in][N / 4]: the weights, unpacked to float32
//   weights       [gemm][n_tile][ky][kx][in / 4][4 in][16 out]
//
// While a K step is multiplied, the next one is loaded to registers. No address is computed in the loop but by
// additions, and nothing jumps: taps in the padding load the input's first element, and become zero.
#import shared/conv2d

override TILE_M: u32 = 64u;
override TILE_N: u32 = 64u;
// 4 or 8, and 1 or 2.
override M_PER_INVOCATION: u32 = 8u;
override N4_PER_INVOCATION: u32 = 2u;
override K_STEP_C4: u32 = 2u;

// 0 where every tap is in the input, and `params.k_c4` is what the input has.
override PADDED: u32 = 1u;

// 1 where the GEMMs of the dispatch are parts of one sum, split along K: the sums are stored as float32, one row of
// pixels for each part, without the epilogue.
override SPLIT: u32 = 0u;

override M_INVOCATIONS: u32 = TILE_M / M_PER_INVOCATION;
override N_INVOCATIONS: u32 = TILE_N / 4u / N4_PER_INVOCATION;
override INVOCATIONS: u32 = M_INVOCATIONS * N_INVOCATIONS;

// Elements of the tile's patches and weights that an invocation loads for a K step.
override A_LOADS: u32 = (K_STEP_C4 * TILE_M + INVOCATIONS - 1u) / INVOCATIONS;
override B_LOADS: u32 = (K_STEP_C4 * TILE_N + INVOCATIONS - 1u) / INVOCATIONS;
// Whether all invocations load as many.
override A_WHOLE: bool = A_LOADS * INVOCATIONS == K_STEP_C4 * TILE_M;
override B_WHOLE: bool = B_LOADS * INVOCATIONS == K_STEP_C4 * TILE_N;
// N tiles of a workgroup, pixels that it loads at once, and elements of a step's weights in an N tile.
override TILE_N_TILES: u32 = TILE_N / (4u * N_TILE_C4);
override PIXELS_PER_LOAD: u32 = INVOCATIONS / K_STEP_C4;
override STEP_WEIGHTS: u32 = K_STEP_C4 * 4u * N_TILE_C4;
// From one row of `a_tile` to the next. Not a multiple of eight, so that what is stored side by side goes to
// different memory banks.
override A_ROW: u32 = TILE_M + 4u;
override A_LEN: u32 = A_ROW * K_STEP_C4;
override B_LEN: u32 = TILE_N * K_STEP_C4;

const MAX_LOADS: u32 = 8u;
const MAX_M_PER_INVOCATION: u32 = 8u;
const MAX_SUMS: u32 = 16u;

var<workgroup> a_tile: array<vec4<f32>, A_LEN>;
var<workgroup> b_tile: array<vec4<f32>, B_LEN>;

// The tap of a K step, and its first element there. The same for all invocations of a workgroup.
struct Step {
    ky: u32,
    kx: u32,
    first_k4: u32,
}

fn step_at(index: u32) -> Step {
    let element = index * K_STEP_C4;
    let tap = element / params.k_c4;
    let columns = max(params.window.kernel.y, 1u);
    return Step(tap / columns, tap % columns, element % params.k_c4);
}

// The next step, or the same again with 0 elements.
fn next_step(step: Step, elements: u32) -> Step {
    let k4 = step.first_k4 + elements;
    let ends_tap = k4 >= params.k_c4;
    let kx = step.kx + u32(ends_tap);
    let ends_row = kx >= params.window.kernel.y;
    return Step(step.ky + u32(ends_row), select(kx, 0u, ends_row), select(k4, 0u, ends_tap));
}

// Whether a tap of a pixel, and a channel, are in the input.
fn is_inside(source: Source, step: Step, k4: u32) -> bool {
    let y = source.y + step.ky * params.window.dilation.x;
    let x = source.x + step.kx * params.window.dilation.y;
    // Not `&&`, which jumps.
    return (y < params.input.height) & (x < params.input.width) & (step.first_k4 + k4 < params.input_k_c4);
}

// A pixel of which an invocation loads an element for each K step.
struct Source {
    // The input's row and column under the window's first tap. Negative (wrapped around) in the padding.
    y: u32,
    x: u32,
    // The element there.
    element: u32,
    image: u32,
}

fn load_a(source: Source, step: Step, k4: u32) -> vec4<f32> {
    let rows = step.ky * params.window.dilation.x * params.input.width;
    let pixels = rows + step.kx * params.window.dilation.y;
    var element = source.element + pixels * params.input.pixel_stride + step.first_k4;
    if PADDED != 0u {
        element = select(params.input.offset, element, is_inside(source, step, k4));
    }
    return load_input_element(element, source.image);
}

// What was loaded, with zeros in the padding. They must not go through the prologue.
fn prepare_a(value: vec4<f32>, source: Source, step: Step, k4: u32, first_c4: u32) -> vec4<f32> {
    let prepared = apply_prologue(value, first_c4 + step.first_k4 + k4);
    if PADDED == 0u {
        return prepared;
    }
    return select(vec4<f32>(), prepared, is_inside(source, step, k4));
}

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first_pixel = (workgroup.z * workgroups.x + workgroup.x) * TILE_M;
    let n_workgroups = (params.n_tiles + TILE_N_TILES - 1u) / TILE_N_TILES;
    let gemm = workgroup.y / n_workgroups;
    // The last workgroup along N may have fewer N tiles than others: it recomputes the last one and does not
    // store it.
    let first_n_tile = (workgroup.y % n_workgroups) * TILE_N_TILES;
    // With several channel groups, a workgroup has one N tile.
    let tile = n_tile_at(gemm * params.n_tiles + first_n_tile);
    let m_index = local % M_INVOCATIONS;
    let n_index = local / M_INVOCATIONS;

    let a_k4 = local % K_STEP_C4;
    let a_pixel = local / K_STEP_C4;
    var sources: array<Source, MAX_LOADS>;
    for (var l = 0u; l < A_LOADS; l++) {
        // Pixels beyond the last repeat it; they are not stored.
        let pixel = min(first_pixel + a_pixel + l * PIXELS_PER_LOAD, params.outputs.pixels - 1u);
        let position = output_pixel(params.outputs, pixel);
        let first = position.yz * params.window.stride - params.window.padding;
        let y = first.x + gemm * params.gemm_rows;
        let element = element_at(params.input, position.x, y, first.y) + tile.first_input_c4 + a_k4;
        sources[l] = Source(y, first.y, element, position.x);
    }
    var b_at: array<u32, MAX_LOADS>;
    for (var l = 0u; l < B_LOADS; l++) {
        let index = local + l * INVOCATIONS;
        let n_tile = min(first_n_tile + index / STEP_WEIGHTS, params.n_tiles - 1u);
        b_at[l] = weight_offset(gemm, n_tile) + index % STEP_WEIGHTS;
    }

    var sum: array<vec4<f32>, MAX_SUMS>;
    let last_bias = (params.first_n_tile + params.n_tiles) * N_TILE_C4 - 1u;
    for (var n = 0u; n < N4_PER_INVOCATION; n++) {
        let start = bias[min(tile.n_tile * N_TILE_C4 + n_index + n * N_INVOCATIONS, last_bias)];
        for (var m = 0u; m < M_PER_INVOCATION; m++) {
            sum[m * N4_PER_INVOCATION + n] = start;
        }
    }

    let first_step = gemm * params.part_steps;
    let all_steps = params.window.kernel.x * params.window.kernel.y * params.k_c4 / K_STEP_C4;
    let end_step = select(min(first_step + params.part_steps, all_steps), all_steps, params.part_steps == 0u);
    var step = step_at(first_step);
    var a_next: array<vec4<f32>, MAX_LOADS>;
    var b_next: array<vec4<f32>, MAX_LOADS>;
    // Without a tap, there are no weights.
    if first_step < end_step {
        for (var l = 0u; l < A_LOADS; l++) {
            a_next[l] = load_a(sources[l], step, a_k4);
        }
        for (var l = 0u; l < B_LOADS; l++) {
            b_next[l] = unpack_element(weight[b_at[l] + first_step * STEP_WEIGHTS]);
        }
    }
    for (var turn = first_step; turn < end_step; turn++) {
        workgroupBarrier();
        for (var l = 0u; l < A_LOADS; l++) {
            let m = a_pixel + l * PIXELS_PER_LOAD;
            if A_WHOLE || m < TILE_M {
                a_tile[a_k4 * A_ROW + m] = prepare_a(a_next[l], sources[l], step, a_k4, tile.first_input_c4);
            }
        }
        for (var l = 0u; l < B_LOADS; l++) {
            let index = local + l * INVOCATIONS;
            let rest = index % STEP_WEIGHTS;
            let column = index / STEP_WEIGHTS * N_TILE_C4 + rest % N_TILE_C4;
            if B_WHOLE || index < K_STEP_C4 * TILE_N {
                b_tile[rest / N_TILE_C4 * (TILE_N / 4u) + column] = b_next[l];
            }
        }
        workgroupBarrier();
        // The last step is loaded again, and not used: what would follow may be beyond the buffers.
        let has_next = turn + 1u < end_step;
        step = next_step(step, select(0u, K_STEP_C4, has_next));
        let next_turn = turn + u32(has_next);
        for (var l = 0u; l < A_LOADS; l++) {
            a_next[l] = load_a(sources[l], step, a_k4);
        }
        for (var l = 0u; l < B_LOADS; l++) {
            b_next[l] = unpack_element(weight[b_at[l] + next_turn * STEP_WEIGHTS]);
        }
        for (var k4 = 0u; k4 < K_STEP_C4; k4++) {
            var a: array<vec4<f32>, MAX_M_PER_INVOCATION>;
            for (var m = 0u; m < M_PER_INVOCATION; m++) {
                a[m] = a_tile[k4 * A_ROW + m * M_INVOCATIONS + m_index];
            }
            for (var k = 0u; k < CHANNELS; k++) {
                for (var n = 0u; n < N4_PER_INVOCATION; n++) {
                    let b = b_tile[(k4 * 4u + k) * (TILE_N / 4u) + n * N_INVOCATIONS + n_index];
                    for (var m = 0u; m < M_PER_INVOCATION; m++) {
                        let i = m * N4_PER_INVOCATION + n;
                        sum[i] = fma(vec4<f32>(a[m][k]), b, sum[i]);
                    }
                }
            }
        }
    }

    for (var m = 0u; m < M_PER_INVOCATION; m++) {
        let pixel = first_pixel + m * M_INVOCATIONS + m_index;
        if pixel < params.outputs.pixels {
            let position = position_in_output(params.outputs, output_pixel(params.outputs, pixel), gemm);
            for (var n = 0u; n < N4_PER_INVOCATION; n++) {
                let n4 = n * N_INVOCATIONS + n_index;
                if SPLIT != 0u {
                    if n4 + tile.first_c4_in_group < params.group_out_c4 {
                        let at = element_at(params.output, 0u, gemm, pixel) + tile.first_output_c4 + n4;
                        for (var i = 0u; i < ELEMENTS_PER_SUM; i++) {
                            output[at * ELEMENTS_PER_SUM + i] = part_of_sum(sum[m * N4_PER_INVOCATION + n], i);
                        }
                    }
                } else if first_n_tile + n4 / N_TILE_C4 < params.n_tiles {
                    store_output(tile, position, n4, sum[m * N4_PER_INVOCATION + n]);
                }
            }
        }
    }
}
