// Gradient of sampling a map, with respect to the positions.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/grid_sample

struct Params {
    gradient: TensorView,
    input: TensorView,
    positions: TensorView,
    output: TensorView,
    // The elements of each pixel that this dispatch adds up. Every dispatch but the first adds to the output.
    first_c4: u32,
    end_c4: u32,
}

override ACCUMULATE: u32 = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read> input: array<Element>;
@group(0) @binding(3) var<storage, read> positions: array<Element>;
@group(0) @binding(4) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let pixel = flat_index(id, workgroups);
    if pixel >= params.output.pixels {
        return;
    }
    let given = unpack_element(positions[element_of_pixel(params.positions, pixel)]);
    let n = pixel_position(params.output, pixel).x;
    let own = element_of_pixel(params.gradient, pixel);
    let row = place(given.y, params.input.height);
    let column = place(given.x, params.input.width);
    // By column and by row.
    var sum = vec2<f32>();
    for (var ky = 0; ky < tap_count(); ky++) {
        let y = source(i32(row.x) + ky, i32(params.input.height));
        for (var kx = 0; kx < tap_count(); kx++) {
            let x = source(i32(column.x) + kx, i32(params.input.width));
            if y < 0 || x < 0 {
                continue;
            }
            let tap = element_at(params.input, n, u32(y), u32(x));
            var product = vec4<f32>();
            for (var c4_index = params.first_c4; c4_index < params.end_c4; c4_index++) {
                product += unpack_element(gradient[own + c4_index]) * unpack_element(input[tap + c4_index]);
            }
            let total = product.x + product.y + product.z + product.w;
            sum += total * vec2<f32>(
                slope(kx, column.y) * weight(ky, row.y),
                weight(kx, column.y) * slope(ky, row.y),
            );
        }
    }
    sum *= vec2<f32>(
        pixels_per_position(given.x, params.input.width),
        pixels_per_position(given.y, params.input.height),
    );
    var result = vec4<f32>(sum, 0.0, 0.0);
    let destination = element_of_pixel(params.output, pixel);
    if ACCUMULATE != 0u {
        result += unpack_element(output[destination]);
    }
    output[destination] = pack_element(result);
}

// The derivative of a tap's weight with respect to the part of a pixel.
fn slope(tap: i32, part: f32) -> f32 {
    if MODE == NEAREST {
        return 0.0;
    }
    if MODE == BILINEAR {
        return select(-1.0, 1.0, tap == 1);
    }
    let a = -0.75;
    let distance = f32(tap) - 1.0 - part;
    let d = abs(distance);
    let near = (3.0 * (a + 2.0) * d - 2.0 * (a + 3.0)) * d;
    let far = ((3.0 * d - 10.0) * d + 8.0) * a;
    return select(-1.0, 1.0, distance < 0.0) * select(far, near, d <= 1.0);
}

// The derivative of `place`.
fn pixels_per_position(position: f32, size: u32) -> f32 {
    let last = f32(size) - 1.0;
    let per_position = 0.5 * select(f32(size), last, ALIGN_CORNERS != 0u);
    let x = 0.5 * last + position * per_position;
    let beyond = select(0.5, 0.0, ALIGN_CORNERS != 0u);
    let is_moved = PADDING == BORDER && MODE != BICUBIC && (x < -beyond || x > last + beyond);
    return select(per_position, 0.0, is_moved);
}
