// Products of matrices, [B, M, K] times [B, K, N]. The M rows of the output are its channels, and the N columns its
// pixels. A workgroup computes a tile of 64 rows and 32 columns of one product, in steps of 16 along K; an
// invocation, two elements of channels of four pixels.
#import element
#import shared/tensor_view
#import shared/grid

const TILE_M_C4: u32 = 16u;
const TILE_N: u32 = 32u;
const TILE_K: u32 = 16u;
const TILE_K_C4: u32 = 4u;
const N_PER_INVOCATION: u32 = 4u;
const M_C4_PER_INVOCATION: u32 = 2u;
// Invocations of a workgroup along M.
const M_INVOCATIONS: u32 = 8u;

struct Params {
    a: TensorView,
    b: TensorView,
    output: TensorView,
    // The steps along K that this dispatch has. Every dispatch but the first adds to the output.
    first: u32,
    end: u32,
}

override ACCUMULATE: u32 = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Element>;
@group(0) @binding(2) var<storage, read> b: array<Element>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;

var<workgroup> a_tile: array<vec4<f32>, 256>;
var<workgroup> b_tile: array<vec4<f32>, 128>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let m_tiles = (params.output.c4 + TILE_M_C4 - 1u) / TILE_M_C4;
    let n_tiles = (params.output.width + TILE_N - 1u) / TILE_N;
    let flat = workgroup.y * workgroups.x + workgroup.x;
    let batch = flat / (m_tiles * n_tiles);
    // Surplus workgroups compute the last product again: a barrier must not follow a return.
    let product = min(batch, params.output.batch - 1u);
    let first_m4 = flat % m_tiles * TILE_M_C4;
    let first_n = flat / m_tiles % n_tiles * TILE_N;
    // One matrix may be multiplied with all of the other's.
    let a_start = element_at(params.a, min(product, params.a.batch - 1u), 0u, 0u);
    let b_start = element_at(params.b, min(product, params.b.batch - 1u), 0u, 0u);

    var sum: array<vec4<f32>, 8>;
    for (var l = 0u; l < N_PER_INVOCATION * M_C4_PER_INVOCATION; l++) {
        sum[l] = vec4<f32>();
    }
    let m_index = local % M_INVOCATIONS;
    let n_index = local / M_INVOCATIONS * N_PER_INVOCATION;
    for (var step = params.first; step < params.end; step++) {
        workgroupBarrier();
        for (var l = 0u; l < 4u; l++) {
            let index = local + l * WORKGROUP;
            let k = step * TILE_K + index / TILE_M_C4;
            let m4 = first_m4 + index % TILE_M_C4;
            var value = vec4<f32>();
            if k < params.a.width && m4 < params.a.c4 {
                value = unpack_element(a[a_start + k * params.a.pixel_stride + m4]);
            }
            a_tile[index] = value;
        }
        for (var l = 0u; l < 2u; l++) {
            let index = local + l * WORKGROUP;
            let n = first_n + index / TILE_K_C4;
            let k4 = step * TILE_K_C4 + index % TILE_K_C4;
            var value = vec4<f32>();
            if n < params.b.width && k4 < params.b.c4 {
                value = unpack_element(b[b_start + n * params.b.pixel_stride + k4]);
            }
            b_tile[index] = value;
        }
        workgroupBarrier();
        for (var k4 = 0u; k4 < TILE_K_C4; k4++) {
            var factors: array<vec4<f32>, N_PER_INVOCATION>;
            for (var n = 0u; n < N_PER_INVOCATION; n++) {
                factors[n] = b_tile[(n_index + n) * TILE_K_C4 + k4];
            }
            for (var k = 0u; k < 4u; k++) {
                for (var m = 0u; m < M_C4_PER_INVOCATION; m++) {
                    let rows = a_tile[(k4 * 4u + k) * TILE_M_C4 + m * M_INVOCATIONS + m_index];
                    for (var n = 0u; n < N_PER_INVOCATION; n++) {
                        let at = m * N_PER_INVOCATION + n;
                        sum[at] = fma(vec4<f32>(factors[n][k]), rows, sum[at]);
                    }
                }
            }
        }
    }
    if batch >= params.output.batch {
        return;
    }
    for (var n = 0u; n < N_PER_INVOCATION; n++) {
        let pixel = first_n + n_index + n;
        for (var m = 0u; m < M_C4_PER_INVOCATION; m++) {
            let m4 = first_m4 + m * M_INVOCATIONS + m_index;
            if pixel < params.output.width && m4 < params.output.c4 {
                let destination = element_at(params.output, batch, 0u, pixel) + m4;
                var value = zero_unused_lanes(sum[m * N_PER_INVOCATION + n], m4, params.output.channels);
                if ACCUMULATE != 0u {
                    value += unpack_element(output[destination]);
                }
                output[destination] = pack_element(value);
            }
        }
    }
}
