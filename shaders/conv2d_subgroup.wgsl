// Convolution as an implicit GEMM for subgroups of 8 invocations, as software Vulkan drivers have them. M, N,
// K, A, B and C are those of `shared/conv2d.wgsl`.
//
//   subgroup      M = 8 * M_PER_INVOCATION output pixels, N = one N tile: 16 output channels
//   invocation    M = M_PER_INVOCATION output pixels, 8 apart; N = the N tile
//   workgroup     8 subgroups, each with a tile of its own; no workgroup memory
//   K step        four input channels of one tap: one element
//   weights       [gemm][n_tile][ky][kx][in / 4][4 in][16 out]
//
// On such a driver a load costs the same whether all invocations read one address or each its own, and a
// subgroup broadcast costs next to nothing. So the 16 elements of weights that four input channels need are
// loaded in two loads, one element per invocation, and broadcast.
#import shared/conv2d

// At most MAX_M_PER_INVOCATION: 4 were no faster, and take three times as long to compile.
override M_PER_INVOCATION: u32 = 2u;
const MAX_M_PER_INVOCATION: u32 = 2u;
// Invocations per subgroup: the device must have no other size.
const SUBGROUP_SIZE: u32 = 8u;

alias Sums = array<vec4<f32>, MAX_M_PER_INVOCATION * N_TILE_C4>;

alias Inputs = array<vec4<f32>, MAX_M_PER_INVOCATION>;

// Adds to element `n4` of every pixel's sums channel `k` of its input times the weights `b`.
fn multiply_add(sum: ptr<function, Sums>, a: ptr<function, Inputs>, k: u32, b: vec4<f32>, n4: u32) {
    for (var m = 0u; m < M_PER_INVOCATION; m++) {
        (*sum)[m * N_TILE_C4 + n4] = fma(vec4<f32>((*a)[m][k]), b, (*sum)[m * N_TILE_C4 + n4]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * (WORKGROUP / SUBGROUP_SIZE) + subgroup;
    let m_tiles = (params.outputs.pixels + SUBGROUP_SIZE * M_PER_INVOCATION - 1u) / (SUBGROUP_SIZE * M_PER_INVOCATION);
    if index >= m_tiles * params.n_tiles * params.gemms {
        return;
    }
    let gemm = index / (m_tiles * params.n_tiles);
    let rest = index % (m_tiles * params.n_tiles);
    var n_index = rest / m_tiles;
    var m_index = rest % m_tiles;
    if params.n_fastest != 0u {
        n_index = rest % params.n_tiles;
        m_index = rest / params.n_tiles;
    }
    let tile = n_tile_at(gemm * params.n_tiles + n_index);
    let first_pixel = m_index * SUBGROUP_SIZE * M_PER_INVOCATION + lane;

    var positions: array<vec3<u32>, MAX_M_PER_INVOCATION>;
    for (var m = 0u; m < M_PER_INVOCATION; m++) {
        // Pixels beyond the last repeat it; they are not stored.
        let pixel = min(first_pixel + m * SUBGROUP_SIZE, params.outputs.pixels - 1u);
        positions[m] = output_pixel(params.outputs, pixel);
    }

    var sum: Sums;
    for (var n4 = 0u; n4 < N_TILE_C4; n4++) {
        let start = bias[tile.n_tile * N_TILE_C4 + n4];
        for (var m = 0u; m < M_PER_INVOCATION; m++) {
            sum[m * N_TILE_C4 + n4] = start;
        }
    }

    var w = tile.weight_offset + lane;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            var taps: array<Tap, MAX_M_PER_INVOCATION>;
            for (var m = 0u; m < M_PER_INVOCATION; m++) {
                taps[m] = locate_tap(params.window, params.input, positions[m], tile.gemm * params.gemm_rows, ky, kx);
                taps[m].element += tile.first_input_c4;
            }
            for (var k4 = 0u; k4 < params.k_c4; k4++) {
                var a: Inputs;
                for (var m = 0u; m < M_PER_INVOCATION; m++) {
                    let element = load_input_element(taps[m].element + k4, positions[m].x);
                    a[m] = select(vec4<f32>(), apply_prologue(element, tile.first_input_c4 + k4), taps[m].inside);
                }
                let low = unpack_element(weight[w]);
                let high = unpack_element(weight[w + SUBGROUP_SIZE]);
                w += 4u * N_TILE_C4;
                // The lane to broadcast from has to be a constant.
                multiply_add(&sum, &a, 0u, subgroupBroadcast(low, 0u), 0u);
                multiply_add(&sum, &a, 0u, subgroupBroadcast(low, 1u), 1u);
                multiply_add(&sum, &a, 0u, subgroupBroadcast(low, 2u), 2u);
                multiply_add(&sum, &a, 0u, subgroupBroadcast(low, 3u), 3u);
                if CHANNELS > 1u {
                    multiply_add(&sum, &a, 1u, subgroupBroadcast(low, 4u), 0u);
                    multiply_add(&sum, &a, 1u, subgroupBroadcast(low, 5u), 1u);
                    multiply_add(&sum, &a, 1u, subgroupBroadcast(low, 6u), 2u);
                    multiply_add(&sum, &a, 1u, subgroupBroadcast(low, 7u), 3u);
                }
                if CHANNELS > 2u {
                    multiply_add(&sum, &a, 2u, subgroupBroadcast(high, 0u), 0u);
                    multiply_add(&sum, &a, 2u, subgroupBroadcast(high, 1u), 1u);
                    multiply_add(&sum, &a, 2u, subgroupBroadcast(high, 2u), 2u);
                    multiply_add(&sum, &a, 2u, subgroupBroadcast(high, 3u), 3u);
                }
                if CHANNELS > 3u {
                    multiply_add(&sum, &a, 3u, subgroupBroadcast(high, 4u), 0u);
                    multiply_add(&sum, &a, 3u, subgroupBroadcast(high, 5u), 1u);
                    multiply_add(&sum, &a, 3u, subgroupBroadcast(high, 6u), 2u);
                    multiply_add(&sum, &a, 3u, subgroupBroadcast(high, 7u), 3u);
                }
            }
        }
    }

    for (var m = 0u; m < M_PER_INVOCATION; m++) {
        if first_pixel + m * SUBGROUP_SIZE < params.outputs.pixels {
            let position = position_in_output(params.outputs, positions[m], tile.gemm);
            for (var n4 = 0u; n4 < N_TILE_C4; n4++) {
                store_output(tile, position, n4, sum[m * N_TILE_C4 + n4]);
            }
        }
    }
}
