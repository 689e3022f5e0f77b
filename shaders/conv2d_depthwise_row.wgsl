// Depthwise convolution by square kernels of KERNEL, undilated, as networks have them. An invocation
// answers COLUMNS pixels side by side of one element: what it loads of a row of the input and of the
// kernel serves all of them, and loads are what depthwise convolution costs. Weights lie
// [ky][kx][channels / 4].
#import shared/depthwise

override KERNEL: u32 = 3u;
override STRIDE: u32 = 1u;
const COLUMNS: u32 = 4u;

// As many columns of the input as COLUMNS windows see, for KERNEL and STRIDE at their largest.
const MAX_SEEN: u32 = 11u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let group = index % params.output.groups;
    let strip = index / params.output.groups;
    let strips = (params.output.width + COLUMNS - 1u) / COLUMNS;
    let row = strip / strips;
    if row >= params.output.batch * params.output.height {
        return;
    }
    let n = row / params.output.height;
    let y = row % params.output.height;
    let x = (strip % strips) * COLUMNS;
    // What lies left of or above the input wraps around to a huge number.
    let left = x * STRIDE - params.window.padding.y;

    var sum: array<vec4<f32>, COLUMNS>;
    let start = bias[group];
    for (var i = 0u; i < COLUMNS; i++) {
        sum[i] = start;
    }
    // Its bound varies so that it is not unrolled: compiling takes as long as there are loads.
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        let from_row = y * STRIDE + ky - params.window.padding.x;
        if from_row >= params.input.height {
            continue;
        }
        let first = element_at(params.input, n, from_row, 0u) + group;
        var seen: array<vec4<f32>, MAX_SEEN>;
        for (var i = 0u; i < KERNEL + (COLUMNS - 1u) * STRIDE; i++) {
            let column = left + i;
            let inside = column < params.input.width;
            let value = unpack_element(input[first + select(0u, column, inside) * params.input.stride]);
            seen[i] = select(vec4<f32>(), value, inside);
        }
        var w = ky * KERNEL * params.output.groups + group;
        for (var kx = 0u; kx < KERNEL; kx++) {
            let factor = unpack_element(weight[w]);
            w += params.output.groups;
            for (var i = 0u; i < COLUMNS; i++) {
                sum[i] = fma(seen[i * STRIDE + kx], factor, sum[i]);
            }
        }
    }

    for (var i = 0u; i < COLUMNS; i++) {
        if x + i < params.output.width {
            let at = vec3<u32>(n, y, x + i);
            let element = element_at(params.output, n, y, x + i) + group;
            output[element] = pack_element(finish(sum[i], at, group));
        }
    }
}
