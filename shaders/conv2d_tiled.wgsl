// Convolution as an implicit GEMM tiled through workgroup memory, for GPUs. M, N, K, A, B and C are those of
// `shared/conv2d.wgsl`.
//
//   workgroup     M = TILE_M output pixels, N = TILE_N output channels
//   invocation    M = M_PER_INVOCATION output pixels, M_INVOCATIONS apart; N = N4_PER_INVOCATION elements of four
//                 output channels, N_INVOCATIONS apart; K = one of K_SLICES slices of each K step. The invocations lie
//                 M_INVOCATIONS along M by N_INVOCATIONS along N by K_SLICES. The sums of the slices are added at the
//                 end
//   K step        K_STEP_C4 elements of one tap. `params.k_c4` is a multiple of it, and may be more than the
//                 input has: the weights beyond are zero
//   workgroup memory:
//     a_tile      [K_STEP_C4][M], rows A_ROW elements apart: the patches of the input, unpacked to float32
//     b_tile      [K_STEP_C4][4 in][N / 4]: the weights, unpacked to float32
//   weights       [gemm][n_tile][ky][kx][in / 4][4 in][16 out]
//
// While a K step is multiplied, the next one is loaded to registers. All that depends on the tap alone is computed where
// the tap begins: what is left in the loop over its steps are products, one addition for each load, and the zeros of the
// padding, for which the input's first pixel is loaded. Nothing jumps there.
#import shared/conv2d

override TILE_M: u32 = 64u;
override TILE_N: u32 = 64u;
// At most 8, and at most 2.
override M_PER_INVOCATION: u32 = 8u;
override N4_PER_INVOCATION: u32 = 2u;
override K_STEP_C4: u32 = 2u;
override K_SLICES: u32 = 1u;

// 0 where every tap is in the input.
override PADDED: u32 = 1u;

// 0 where `params.k_c4` is what the input has.
override K_PADDED: u32 = 0u;

// 1 where the GEMMs of the dispatch are parts of one sum, split along K: the sums are stored as float32, one row of
// pixels for each part, without the epilogue.
override SPLIT: u32 = 0u;

override M_INVOCATIONS: u32 = TILE_M / M_PER_INVOCATION;
override N_INVOCATIONS: u32 = TILE_N / 4u / N4_PER_INVOCATION;
override SLICE_INVOCATIONS: u32 = M_INVOCATIONS * N_INVOCATIONS;
override INVOCATIONS: u32 = SLICE_INVOCATIONS * K_SLICES;
override SLICE_C4: u32 = K_STEP_C4 / K_SLICES;

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
const MAX_N4_PER_INVOCATION: u32 = 2u;
const MAX_SUMS: u32 = 16u;
// Elements of an N tile's weights for an element of K.
const K_WEIGHTS: u32 = 4u * N_TILE_C4;

var<workgroup> a_tile: array<vec4<f32>, A_LEN>;
var<workgroup> b_tile: array<vec4<f32>, B_LEN>;

// A pixel of which an invocation loads an element for each K step.
struct Source {
    // The input's row and column under the window's first tap. Negative (wrapped around) in the padding.
    y: u32,
    x: u32,
    // The element there.
    element: u32,
    image: u32,
}

// What an invocation loads and where it stores that. K is counted in elements, through all taps.
struct Loader {
    sources: array<Source, MAX_LOADS>,
    // For the tap at hand: the elements from which on K is counted, and whether they are inside the input.
    taps: array<Tap, MAX_LOADS>,
    // Where the tap begins along K, and the element of the prologue from which on K is counted.
    tap_k: u32,
    prologue: u32,
    // The element of a K step that the invocation loads, and where its first pixel goes.
    a_k4: u32,
    a_slot: u32,
    // Weights from which on K is counted, and where they go.
    b_at: array<u32, MAX_LOADS>,
    b_slot: array<u32, MAX_LOADS>,
}

// What was loaded for a K step. It is unpacked when it is stored: until then, nothing waits for it.
struct Step {
    a: array<StoredElement, MAX_LOADS>,
    b: array<Element, MAX_LOADS>,
    scales: Scales,
}

// Channels beyond the input's last are not loaded.
fn last_k4() -> u32 {
    return params.input_k_c4 - 1u;
}

fn begin_tap(loader: ptr<function, Loader>, ky: u32, kx: u32, tap_k: u32, first_c4: u32) {
    let k4 = select(loader.a_k4, min(loader.a_k4, last_k4()), K_PADDED != 0u);
    loader.tap_k = tap_k;
    loader.prologue = first_c4 + k4 - tap_k;
    for (var l = 0u; l < A_LOADS; l++) {
        let source = loader.sources[l];
        let row = ky * params.window.dilation.x;
        let column = kx * params.window.dilation.y;
        var element = source.element + (row * params.input.width + column) * params.input.pixel_stride;
        var inside = true;
        if PADDED != 0u {
            // Not `&&`, which jumps. In the padding, the input's first pixel is loaded.
            inside = (source.y + row < params.input.height) & (source.x + column < params.input.width);
            element = select(params.input.offset, element, inside);
        }
        loader.taps[l] = Tap(element + k4 - tap_k, inside);
    }
}

fn load_step(loader: ptr<function, Loader>, k: u32) -> Step {
    var step: Step;
    var a_k = k;
    if K_PADDED != 0u {
        a_k = min(k, loader.tap_k + last_k4() - min(loader.a_k4, last_k4()));
    }
    step.scales = load_scales(loader.prologue + a_k);
    for (var l = 0u; l < A_LOADS; l++) {
        step.a[l] = load_stored_element(loader.taps[l].element + a_k, loader.sources[l].image);
    }
    for (var l = 0u; l < B_LOADS; l++) {
        step.b[l] = weight[loader.b_at[l] + k * K_WEIGHTS];
    }
    return step;
}

// Stores what was loaded, with zeros in the padding. They must not go through the prologue. What was loaded last comes
// first, so that all of it is waited for at once.
fn store_step(loader: ptr<function, Loader>, step: ptr<function, Step>, k: u32, local: u32) {
    for (var i = 0u; i < B_LOADS; i++) {
        let l = B_LOADS - 1u - i;
        if B_WHOLE || local + l * INVOCATIONS < K_STEP_C4 * TILE_N {
            b_tile[loader.b_slot[l]] = unpack_element(step.b[l]);
        }
    }
    for (var i = 0u; i < A_LOADS; i++) {
        let l = A_LOADS - 1u - i;
        var inside = true;
        if PADDED != 0u {
            inside = loader.taps[l].inside;
        }
        if K_PADDED != 0u {
            inside = inside & (k - loader.tap_k + loader.a_k4 <= last_k4());
        }
        if A_WHOLE || local / K_STEP_C4 + l * PIXELS_PER_LOAD < TILE_M {
            var value: vec4<f32>;
            if PROLOGUE_NORM != 0u || PROLOGUE_ACTIVATION != IDENTITY {
                value = apply_scales(unpack_stored_element(step.a[l]), step.scales, inside);
            } else {
                // What is stored has fewer words than its values, or as many.
                value = unpack_stored_element(select(StoredElement(), step.a[l], inside));
            }
            a_tile[loader.a_slot + l * PIXELS_PER_LOAD] = value;
        }
    }
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
    let within_slice = local % SLICE_INVOCATIONS;
    let slice = local / SLICE_INVOCATIONS;
    let m_index = within_slice % M_INVOCATIONS;
    let n_index = within_slice / M_INVOCATIONS;

    var loader: Loader;
    let a_pixel = local / K_STEP_C4;
    loader.a_k4 = local % K_STEP_C4;
    loader.a_slot = loader.a_k4 * A_ROW + a_pixel;
    for (var l = 0u; l < A_LOADS; l++) {
        // Pixels beyond the last repeat it; they are not stored.
        let pixel = min(first_pixel + a_pixel + l * PIXELS_PER_LOAD, params.outputs.pixels - 1u);
        let position = output_pixel(params.outputs, pixel);
        let first = position.yz * params.window.stride - params.window.padding;
        let y = first.x + gemm * params.gemm_rows;
        let element = element_at(params.input, position.x, y, first.y) + tile.first_input_c4;
        loader.sources[l] = Source(y, first.y, element, position.x);
    }
    for (var l = 0u; l < B_LOADS; l++) {
        let index = local + l * INVOCATIONS;
        let n_tile = min(first_n_tile + index / STEP_WEIGHTS, params.n_tiles - 1u);
        let rest = index % STEP_WEIGHTS;
        let column = index / STEP_WEIGHTS * N_TILE_C4 + rest % N_TILE_C4;
        loader.b_at[l] = weight_offset(gemm, n_tile) + rest;
        loader.b_slot[l] = rest / N_TILE_C4 * (TILE_N / 4u) + column;
    }

    var sum: array<vec4<f32>, MAX_SUMS>;
    let last_bias = (params.first_n_tile + params.n_tiles) * N_TILE_C4 - 1u;
    for (var n = 0u; n < N4_PER_INVOCATION; n++) {
        let n4 = min(tile.n_tile * N_TILE_C4 + n_index + n * N_INVOCATIONS, last_bias);
        let start = select(vec4<f32>(), bias[n4], slice == 0u);
        for (var m = 0u; m < M_PER_INVOCATION; m++) {
            sum[m * N4_PER_INVOCATION + n] = start;
        }
    }

    let first_k = gemm * params.part_steps * K_STEP_C4;
    let all_k = params.window.kernel.x * params.window.kernel.y * params.k_c4;
    let part_k = min(first_k + params.part_steps * K_STEP_C4, all_k);
    let end_k = select(part_k, all_k, params.part_steps == 0u);
    // Without a tap, there are no weights.
    if first_k < end_k {
        let first_tap = first_k / params.k_c4;
        var ky = first_tap / params.window.kernel.y;
        var kx = first_tap % params.window.kernel.y;
        var tap_k = first_tap * params.k_c4;
        begin_tap(&loader, ky, kx, tap_k, tile.first_input_c4);
        var first = load_step(&loader, first_k);
        store_step(&loader, &first, first_k, local);
        workgroupBarrier();
        let a_first = slice * SLICE_C4 * A_ROW + m_index;
        let b_first = slice * SLICE_C4 * TILE_N + n_index;
        // The step to be loaded. Where there is none, the last is loaded again, and not used: what would follow may be
        // beyond the buffers.
        var next_k = first_k + K_STEP_C4;
        loop {
            if next_k >= tap_k + params.k_c4 && next_k < end_k {
                let ends_row = kx + 1u >= params.window.kernel.y;
                kx = select(kx + 1u, 0u, ends_row);
                ky += u32(ends_row);
                tap_k += params.k_c4;
                begin_tap(&loader, ky, kx, tap_k, tile.first_input_c4);
            }
            let tap_end = tap_k + params.k_c4;
            let stop_k = select(tap_end, end_k + 1u, tap_end >= end_k);
            loop {
                let k = min(next_k, end_k - K_STEP_C4);
                var next = load_step(&loader, k);
                for (var k4 = 0u; k4 < SLICE_C4; k4++) {
                    var a: array<vec4<f32>, MAX_M_PER_INVOCATION>;
                    for (var m = 0u; m < M_PER_INVOCATION; m++) {
                        a[m] = a_tile[a_first + k4 * A_ROW + m * M_INVOCATIONS];
                    }
                    for (var i = 0u; i < CHANNELS; i++) {
                        var b: array<vec4<f32>, MAX_N4_PER_INVOCATION>;
                        for (var n = 0u; n < N4_PER_INVOCATION; n++) {
                            b[n] = b_tile[b_first + (k4 * 4u + i) * (TILE_N / 4u) + n * N_INVOCATIONS];
                        }
                        // As in `store_step`.
                        for (var j = 0u; j < N4_PER_INVOCATION; j++) {
                            let n = N4_PER_INVOCATION - 1u - j;
                            for (var m = 0u; m < M_PER_INVOCATION; m++) {
                                let at = m * N4_PER_INVOCATION + n;
                                sum[at] = fma(vec4<f32>(a[m][i]), b[n], sum[at]);
                            }
                        }
                    }
                }
                workgroupBarrier();
                store_step(&loader, &next, k, local);
                workgroupBarrier();
                next_k += K_STEP_C4;
                continuing {
                    break if next_k >= stop_k;
                }
            }
            continuing {
                break if next_k > end_k;
            }
        }
    }

    // Each slice adds and stores the sums of some pixels.
    for (var round = 0u; round < M_PER_INVOCATION / K_SLICES; round++) {
        var whole: array<vec4<f32>, MAX_N4_PER_INVOCATION>;
        for (var n = 0u; n < N4_PER_INVOCATION; n++) {
            if K_SLICES == 1u {
                whole[n] = sum[round * N4_PER_INVOCATION + n];
            } else {
                for (var to = 0u; to < K_SLICES; to++) {
                    let part = sum[(round * K_SLICES + to) * N4_PER_INVOCATION + n];
                    a_tile[(to * K_SLICES + slice) * SLICE_INVOCATIONS + within_slice] = part;
                }
                workgroupBarrier();
                for (var part = 0u; part < K_SLICES; part++) {
                    whole[n] += a_tile[(slice * K_SLICES + part) * SLICE_INVOCATIONS + within_slice];
                }
                workgroupBarrier();
            }
        }
        let pixel = first_pixel + (round * K_SLICES + slice) * M_INVOCATIONS + m_index;
        if pixel < params.outputs.pixels {
            let position = position_in_output(params.outputs, output_pixel(params.outputs, pixel), gemm);
            for (var n = 0u; n < N4_PER_INVOCATION; n++) {
                let n4 = n * N_INVOCATIONS + n_index;
                if SPLIT != 0u {
                    if n4 + tile.first_c4_in_group < params.group_out_c4 {
                        let at = element_at(params.output, 0u, gemm, pixel) + tile.first_output_c4 + n4;
                        for (var i = 0u; i < ELEMENTS_PER_SUM; i++) {
                            output[at * ELEMENTS_PER_SUM + i] = part_of_sum(whole[n], i);
                        }
                    }
                } else if first_n_tile + n4 / N_TILE_C4 < params.n_tiles {
                    store_output(tile, position, n4, whole[n]);
                }
            }
        }
    }
}
