// Gradient of max pooling: the gradient of a window goes to its maximum, the first of equals. An invocation
// checks the windows that contain its input pixel.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/sum_part
#import shared/nan
#import shared/pool_backward_range

struct Params {
    gradient: TensorView,
    input: TensorView,
    pooled: TensorView,
    output: TensorView,
    part: SumPart,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    dilation: vec2<u32>,
    // Top and left.
    padding: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read> input: array<Element>;
@group(0) @binding(3) var<storage, read> pooled: array<Element>;
@group(0) @binding(4) var<storage, read_write> output: array<Element>;

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
    let padded_position = position.yz + params.padding;
    let extent = params.dilation * (params.kernel - 1u) + 1u;
    let rows = share_of(
        windows_containing(padded_position.x, extent.x, params.stride.x, params.pooled.height),
        params.part.first.x,
        params.part.len.x,
    );
    let columns = share_of(
        windows_containing(padded_position.y, extent.y, params.stride.y, params.pooled.width),
        params.part.first.y,
        params.part.len.y,
    );
    let value = unpack_element(input[element_of_pixel(params.input, pixel) + c4_index]);
    var sum = vec4<f32>();
    for (var row = rows.x; row < rows.y; row++) {
        let row_offset = padded_position.x - row * params.stride.x;
        if row_offset % params.dilation.x != 0u {
            continue;
        }
        for (var column = columns.x; column < columns.y; column++) {
            let column_offset = padded_position.y - column * params.stride.y;
            if column_offset % params.dilation.y != 0u {
                continue;
            }
            let largest = unpack_element(
                pooled[element_at(params.pooled, position.x, row, column) + c4_index]
            );
            var is_largest = equal_or_nan(value, largest);
            if any(is_largest) {
                let tap = vec2<u32>(row_offset, column_offset) / params.dilation;
                let window = vec3<u32>(position.x, row, column);
                is_largest &= !has_earlier_maximum(window, tap, largest, c4_index);
                let g = gradient[element_at(params.gradient, position.x, row, column) + c4_index];
                sum += select(vec4<f32>(), unpack_element(g), is_largest);
            }
        }
    }
    let destination = element_of_pixel(params.output, pixel) + c4_index;
    if ACCUMULATE != 0u {
        sum += unpack_element(output[destination]);
    }
    output[destination] = pack_element(zero_unused_lanes(sum, c4_index, params.output.channels));
}

fn equal_or_nan(a: vec4<f32>, b: vec4<f32>) -> vec4<bool> {
    return (a == b) | (is_nan(a) & is_nan(b));
}

// Whether a tap before `tap` (row, column) of the window (batch, row, column) equals the window's maximum.
fn has_earlier_maximum(window: vec3<u32>, tap: vec2<u32>, largest: vec4<f32>, c4_index: u32) -> vec4<bool> {
    // Coordinates above or left of the input wrap around to huge numbers.
    let first = window.yz * params.stride - params.padding;
    var found = vec4<bool>();
    for (var i = 0u; i < tap.x * params.kernel.y + tap.y; i++) {
        let y = first.x + i / params.kernel.y * params.dilation.x;
        let x = first.y + i % params.kernel.y * params.dilation.y;
        if y < params.input.height && x < params.input.width {
            let other = unpack_element(input[element_at(params.input, window.x, y, x) + c4_index]);
            found |= equal_or_nan(other, largest);
        }
    }
    return found;
}
