// Transposed depthwise convolution with kernels of any size. An invocation computes one element of one
// output pixel: it gathers from the input pixels that contribute to it. Weights: [ky][kx][channels / 4], as
// for `conv2d_depthwise.wgsl`.
#import shared/depthwise

// A row or column of the input that contributes to an output, if there is no remainder. Those above or left of the
// input wrap around to huge numbers.
struct Source {
    at: u32,
    remainder: u32,
}

fn source_of(offset: u32, stride: u32) -> Source {
    return Source(offset / stride, offset % stride);
}

// That of the next tap, which is `step` further up or left.
fn next_source(source: Source, step: Source, stride: u32) -> Source {
    let borrows = source.remainder < step.remainder;
    return Source(
        source.at - step.at - u32(borrows),
        source.remainder - step.remainder + select(0u, stride, borrows),
    );
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let pixel = index / params.output.c4;
    let c4_index = index % params.output.c4;
    if pixel >= params.output.pixels {
        return;
    }
    let position = pixel_position(params.output, pixel);
    // The position in the output before it is cropped by the window's padding.
    let uncropped = position.yz + params.window.padding;
    let stride = params.window.stride;
    var sum = bias[c4_index];
    // The loops do not divide.
    let row_step = source_of(params.window.dilation.x, stride.x);
    let column_step = source_of(params.window.dilation.y, stride.y);
    let first_column = source_of(uncropped.y, stride.y);
    var row = source_of(uncropped.x, stride.x);
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        if row.at < params.input.height && row.remainder == 0u {
            var column = first_column;
            for (var kx = 0u; kx < params.window.kernel.y; kx++) {
                if column.at < params.input.width && column.remainder == 0u {
                    let source = element_at(params.input, position.x, row.at, column.at) + c4_index;
                    let w = (ky * params.window.kernel.y + kx) * params.output.c4 + c4_index;
                    sum = fma(unpack_element(input[source]), unpack_element(weight[w]), sum);
                }
                column = next_source(column, column_step, stride.y);
            }
        }
        row = next_source(row, row_step, stride.x);
    }
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(apply_epilogue(sum, position, c4_index));
}
