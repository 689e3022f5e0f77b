// Convolution as an implicit GEMM without workgroup memory. M, N, K, A, B and C are those of
// `shared/conv2d.wgsl`.
//
//   workgroup     M = 64 * M_PER_INVOCATION output pixels, N = one N tile: 16 output channels
//   invocation    M = M_PER_INVOCATION output pixels, 64 apart; N = the N tile
//   K step        four input channels of one tap: one element
//   weights       [gemm][n_tile][ky][kx][in / 4][4 in][16 out]
//
// All invocations of a workgroup read the same weights, each of which serves M_PER_INVOCATION pixels; each
// input element serves 16 output channels.
#import shared/conv2d

// At most MAX_M_PER_INVOCATION.
override M_PER_INVOCATION: u32 = 4u;
const MAX_M_PER_INVOCATION: u32 = 4u;

// Loops over M_PER_INVOCATION and N_TILE_C4 have constant bounds, so that drivers unroll them and keep `sum`
// in registers: a bound that varies costs a factor of 4.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first_pixel = (workgroup.z * workgroups.x + workgroup.x) * WORKGROUP * M_PER_INVOCATION + local;
    let tile = n_tile_at(workgroup.y);

    var positions: array<vec3<u32>, MAX_M_PER_INVOCATION>;
    for (var m = 0u; m < M_PER_INVOCATION; m++) {
        // Pixels beyond the last repeat it; they are not stored.
        let pixel = min(first_pixel + m * WORKGROUP, params.outputs.pixels - 1u);
        positions[m] = output_pixel(params.outputs, pixel);
    }

    var sum: array<vec4<f32>, MAX_M_PER_INVOCATION * N_TILE_C4>;
    for (var m = 0u; m < M_PER_INVOCATION; m++) {
        for (var n4 = 0u; n4 < N_TILE_C4; n4++) {
            sum[m * N_TILE_C4 + n4] = bias[tile.n_tile * N_TILE_C4 + n4];
        }
    }

    var w = tile.weight_offset;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            var taps: array<Tap, MAX_M_PER_INVOCATION>;
            for (var m = 0u; m < M_PER_INVOCATION; m++) {
                taps[m] = locate_tap(params.window, params.input, positions[m], tile.gemm * params.gemm_rows, ky, kx);
                taps[m].element += tile.first_input_c4;
            }
            for (var k4 = 0u; k4 < params.k_c4; k4++) {
                var a: array<vec4<f32>, MAX_M_PER_INVOCATION>;
                for (var m = 0u; m < M_PER_INVOCATION; m++) {
                    let element = load_input_element(taps[m].element + k4, positions[m].x);
                    a[m] = select(vec4<f32>(), apply_prologue(element, tile.first_input_c4 + k4), taps[m].inside);
                }
                for (var k = 0u; k < CHANNELS; k++) {
                    for (var n4 = 0u; n4 < N_TILE_C4; n4++) {
                        let b = unpack_element(weight[w + n4]);
                        for (var m = 0u; m < M_PER_INVOCATION; m++) {
                            let x = vec4<f32>(a[m][k]);
                            sum[m * N_TILE_C4 + n4] = fma(x, b, sum[m * N_TILE_C4 + n4]);
                        }
                    }
                    w += N_TILE_C4;
                }
                w += (4u - CHANNELS) * N_TILE_C4;
            }
        }
    }

    for (var m = 0u; m < M_PER_INVOCATION; m++) {
        if first_pixel + m * WORKGROUP < params.outputs.pixels {
            let position = position_in_output(params.outputs, positions[m], tile.gemm);
            for (var n4 = 0u; n4 < N_TILE_C4; n4++) {
                store_output(tile, position, n4, sum[m * N_TILE_C4 + n4]);
            }
        }
    }
}
