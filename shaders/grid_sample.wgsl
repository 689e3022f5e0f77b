// Pixels of a map, or of a volume, at positions that are values: nearest, linear and bicubic.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/nan
#import shared/grid_sample

// 1 for a volume, whose positions have a third number.
override VOLUME: u32 = 0u;

struct Params {
    input: TensorView,
    positions: TensorView,
    output: TensorView,
    // Height and width, and the depth of a volume, or else 1.
    height: u32,
    width: u32,
    depth: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> positions: array<Element>;
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
    // Of the channels, the first is the column.
    let given = unpack_element(positions[element_of_pixel(params.positions, pixel)]);
    let first_plane = pixel_position(params.output, pixel).x * params.depth;
    let row = place(given.y, params.height);
    let column = place(given.x, params.width);
    let taps = tap_count();
    // Without a depth, the only plane.
    var layer = vec2<f32>();
    var layer_taps = 1;
    if VOLUME != 0u {
        layer = place(given.z, params.depth);
        layer_taps = taps;
    }
    var sum = vec4<f32>();
    for (var kz = 0; kz < layer_taps; kz++) {
        let z = source(i32(layer.x) + kz, i32(params.depth));
        if z < 0 {
            continue;
        }
        let first_row = (first_plane + u32(z)) * params.height;
        var layer_sum = vec4<f32>();
        for (var ky = 0; ky < taps; ky++) {
            let y = source(i32(row.x) + ky, i32(params.height));
            let row_weight = weight(ky, row.y);
            for (var kx = 0; kx < taps; kx++) {
                let x = source(i32(column.x) + kx, i32(params.width));
                if y >= 0 && x >= 0 {
                    let source_pixel = (first_row + u32(y)) * params.width + u32(x);
                    let value = unpack_element(input[element_of_pixel(params.input, source_pixel) + c4_index]);
                    layer_sum += row_weight * weight(kx, column.y) * value;
                }
            }
        }
        // The only plane of a map counts whole.
        sum += select(1.0, weight(kz, layer.y), VOLUME != 0u) * layer_sum;
    }
    let unknown = is_nan(given);
    if unknown.x || unknown.y || (VOLUME != 0u && unknown.z) {
        // Of NaN and a number, NaN.
        let all = given.x + given.y + select(0.0, given.z, VOLUME != 0u);
        sum = zero_unused_lanes(vec4<f32>(all), c4_index, params.output.channels);
    }
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(sum);
}
