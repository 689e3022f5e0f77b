// Resizing by tables of weights: each output pixel is a weighted sum of neighboring rows and columns.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
    // Elements of the table for each output row, and for each output column.
    row_stride: u32,
    column_stride: u32,
    // Where the columns' part of the table begins.
    first_column: u32,
    // The value of pixels whose row or column has no taps.
    outside: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
// For every row, then for every column: the first tap, the number of taps, and their weights.
@group(0) @binding(2) var<storage, read> taps: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;

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
    let row = position.y * params.row_stride;
    let column = params.first_column + position.z * params.column_stride;
    let first = vec2<u32>(u32(taps[row].x), u32(taps[column].x));
    let count = vec2<u32>(u32(taps[row].y), u32(taps[column].y));
    var sum = vec4<f32>();
    for (var ky = 0u; ky < count.x; ky++) {
        let source = element_at(params.input, position.x, first.x + ky, first.y) + c4_index;
        var along = vec4<f32>();
        for (var kx = 0u; kx < count.y; kx++) {
            along += weight(column, kx) * unpack_element(input[source + kx * params.input.pixel_stride]);
        }
        sum += weight(row, ky) * along;
    }
    if count.x == 0u || count.y == 0u {
        sum = zero_unused_lanes(vec4<f32>(params.outside), c4_index, params.output.channels);
    }
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(sum);
}

// Weight `k` of the row or column whose part of the table begins at `start`.
fn weight(start: u32, k: u32) -> f32 {
    let place = k + 2u;
    return taps[start + place / 4u][place % 4u];
}
