// Depthwise convolution with square KERNEL x KERNEL kernels without dilation, the common case. An invocation
// computes COLUMNS neighboring output pixels of one element: each load of input and weights serves all of
// them, and loads bound the speed of depthwise convolution. Weights: [ky][kx][channels / 4].
#import shared/depthwise

override KERNEL: u32 = 3u;
override STRIDE: u32 = 1u;
const COLUMNS: u32 = 4u;

// Input columns under COLUMNS windows, for the largest KERNEL (5) and STRIDE (2).
const MAX_INPUT_COLUMNS: u32 = 11u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let c4_index = index % params.output.c4;
    let strip = index / params.output.c4;
    let strips = (params.output.width + COLUMNS - 1u) / COLUMNS;
    let row = strip / strips;
    if row >= params.output.batch * params.output.height {
        return;
    }
    let n = row / params.output.height;
    let y = row % params.output.height;
    let x = (strip % strips) * COLUMNS;
    // Coordinates left of or above the input wrap around to huge numbers.
    let left = x * STRIDE - params.window.padding.y;

    var sum: array<vec4<f32>, COLUMNS>;
    let initial = bias[c4_index];
    for (var i = 0u; i < COLUMNS; i++) {
        sum[i] = initial;
    }
    // The bound is a variable so that the loop is not unrolled: compile time grows with the number of loads.
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        let input_row = y * STRIDE + ky - params.window.padding.x;
        if input_row >= params.input.height {
            continue;
        }
        let first = element_at(params.input, n, input_row, 0u) + c4_index;
        var inputs: array<vec4<f32>, MAX_INPUT_COLUMNS>;
        for (var i = 0u; i < KERNEL + (COLUMNS - 1u) * STRIDE; i++) {
            let column = left + i;
            let inside = column < params.input.width;
            let value = unpack_element(input[first + select(0u, column, inside) * params.input.pixel_stride]);
            inputs[i] = select(vec4<f32>(), value, inside);
        }
        var w = ky * KERNEL * params.output.c4 + c4_index;
        for (var kx = 0u; kx < KERNEL; kx++) {
            let weights = unpack_element(weight[w]);
            w += params.output.c4;
            for (var i = 0u; i < COLUMNS; i++) {
                sum[i] = fma(inputs[i * STRIDE + kx], weights, sum[i]);
            }
        }
    }

    for (var i = 0u; i < COLUMNS; i++) {
        if x + i < params.output.width {
            let position = vec3<u32>(n, y, x + i);
            let element = element_at(params.output, n, y, x + i) + c4_index;
            output[element] = pack_element(apply_epilogue(sum[i], position, c4_index));
        }
    }
}
