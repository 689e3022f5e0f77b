// Convolution as an implicit GEMM tiled through workgroup memory, for GPUs. M, N, K, A, B and C are those of
// `shared/conv2d.wgsl`.
//
//   workgroup     M = 64 / N_TILES * M_PER_INVOCATION output pixels, N = 16 * N_TILES output channels
//   invocation    M = M_PER_INVOCATION output pixels, 64 / N_TILES apart; N = one N tile: 16 output channels.
//                 The 64 invocations lie N_TILES along N by 64 / N_TILES along M
//   K step        8 input channels of one tap: K_STEP_C4 elements
//   workgroup memory:
//     a_tile      [K_STEP_C4][M]: the patches of the input, unpacked to float32
//     b_tile      [N_TILES][K_STEP_C4][4 in][16 out]: the weights, unpacked to float32
//   weights       [gemm][n_tile][ky][kx][in / 4][4 in][16 out]
#import shared/conv2d

// 1, 2 or 4.
override M_PER_INVOCATION: u32 = 4u;
const MAX_M_PER_INVOCATION: u32 = 4u;
// N tiles per workgroup: 1, 2 or 4.
override N_TILES: u32 = 4u;

// Input elements per K step.
const K_STEP_C4: u32 = 2u;
// Elements of an N tile's weights per input element.
const WEIGHTS_PER_K4: u32 = 4u * N_TILE_C4;

var<workgroup> a_tile: array<vec4<f32>, 512>;
var<workgroup> b_tile: array<vec4<f32>, 128>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Invocations side by side along M, and output pixels per workgroup.
    let m_invocations = WORKGROUP / N_TILES;
    let tile_m = m_invocations * M_PER_INVOCATION;
    let first_pixel = (workgroup.z * workgroups.x + workgroup.x) * tile_m;
    // The last workgroup along N may have fewer than N_TILES tiles: it recomputes the last one and does not
    // store it.
    let n_workgroups = (params.n_tiles + N_TILES - 1u) / N_TILES;
    let gemm = workgroup.y / n_workgroups;
    let first_n_tile = (workgroup.y % n_workgroups) * N_TILES;
    let n_tile = min(first_n_tile + local / m_invocations, params.n_tiles - 1u);
    let tile = n_tile_at(gemm * params.n_tiles + n_tile);
    let m_index = local % m_invocations;

    // The pixels that this invocation loads, WORKGROUP apart.
    var positions: array<vec3<u32>, MAX_M_PER_INVOCATION>;
    for (var l = 0u; l < MAX_M_PER_INVOCATION; l++) {
        let pixel = first_pixel + (local + l * WORKGROUP) % tile_m;
        positions[l] = output_pixel(params.outputs, min(pixel, params.outputs.pixels - 1u));
    }

    var sum: array<vec4<f32>, MAX_M_PER_INVOCATION * N_TILE_C4>;
    for (var m = 0u; m < M_PER_INVOCATION; m++) {
        for (var n4 = 0u; n4 < N_TILE_C4; n4++) {
            sum[m * N_TILE_C4 + n4] = bias[tile.n_tile * N_TILE_C4 + n4];
        }
    }

    var w = 0u;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            var taps: array<Tap, MAX_M_PER_INVOCATION>;
            for (var l = 0u; l < MAX_M_PER_INVOCATION; l++) {
                taps[l] = locate_tap(params.window, params.input, positions[l], gemm * params.gemm_rows, ky, kx);
                taps[l].element += tile.first_input_c4;
            }
            for (var first_k4 = 0u; first_k4 < params.k_c4; first_k4 += K_STEP_C4) {
                workgroupBarrier();
                for (var l = 0u; l < K_STEP_C4 * MAX_M_PER_INVOCATION; l++) {
                    let a_index = local + l * WORKGROUP;
                    if a_index < K_STEP_C4 * tile_m {
                        let k4 = first_k4 + a_index / tile_m;
                        // The invocation's pixels repeat after `tile_m`.
                        let at = taps[l % max(tile_m / WORKGROUP, 1u)];
                        var value = vec4<f32>();
                        if at.inside && k4 < params.k_c4 {
                            value = apply_prologue(
                                load_input_element(at.element + k4, positions[l % max(tile_m / WORKGROUP, 1u)].x),
                                tile.first_input_c4 + k4,
                            );
                        }
                        a_tile[a_index] = value;
                    }
                }
                for (var b_index = local; b_index < N_TILES * K_STEP_C4 * WEIGHTS_PER_K4; b_index += WORKGROUP) {
                    let b_n_tile = min(first_n_tile + b_index / (K_STEP_C4 * WEIGHTS_PER_K4), params.n_tiles - 1u);
                    let rest = b_index % (K_STEP_C4 * WEIGHTS_PER_K4);
                    var value = vec4<f32>();
                    if first_k4 + rest / WEIGHTS_PER_K4 < params.k_c4 {
                        value = unpack_element(weight[weight_offset(gemm, b_n_tile) + w + rest]);
                    }
                    b_tile[b_index] = value;
                }
                workgroupBarrier();
                for (var k4 = 0u; k4 < K_STEP_C4; k4++) {
                    var a: array<vec4<f32>, MAX_M_PER_INVOCATION>;
                    for (var m = 0u; m < M_PER_INVOCATION; m++) {
                        a[m] = a_tile[k4 * tile_m + m * m_invocations + m_index];
                    }
                    let b_row = ((local / m_invocations) * K_STEP_C4 + k4) * WEIGHTS_PER_K4;
                    for (var k = 0u; k < CHANNELS; k++) {
                        for (var n4 = 0u; n4 < N_TILE_C4; n4++) {
                            let b = b_tile[b_row + k * N_TILE_C4 + n4];
                            for (var m = 0u; m < M_PER_INVOCATION; m++) {
                                let x = vec4<f32>(a[m][k]);
                                sum[m * N_TILE_C4 + n4] = fma(x, b, sum[m * N_TILE_C4 + n4]);
                            }
                        }
                    }
                }
                w += K_STEP_C4 * WEIGHTS_PER_K4;
            }
            // The last step may have gone past the tap's elements.
            w = (ky * params.window.kernel.y + kx + 1u) * params.k_c4 * WEIGHTS_PER_K4;
        }
    }

    if first_n_tile + local / m_invocations < params.n_tiles {
        for (var m = 0u; m < M_PER_INVOCATION; m++) {
            let pixel = first_pixel + m * m_invocations + m_index;
            if pixel < params.outputs.pixels {
                let position = position_in_output(params.outputs, output_pixel(params.outputs, pixel), gemm);
                for (var n4 = 0u; n4 < N_TILE_C4; n4++) {
                    store_output(tile, position, n4, sum[m * N_TILE_C4 + n4]);
                }
            }
        }
    }
}
