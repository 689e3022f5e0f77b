// Gradient of upsampling: each input pixel sums the gradients of the output pixels that it contributed to,
// times its interpolation weights. Positions are computed exactly as in `upsample.wgsl`, so that the same
// pixels are selected.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/sum_part

const NEAREST: u32 = 0u;
const BILINEAR: u32 = 1u;
const BILINEAR_ALIGNED: u32 = 2u;

override MODE: u32 = NEAREST;

struct Params {
    gradient: TensorView,
    output: TensorView,
    part: SumPart,
    // Input pixels per output pixel of the upsampling, along each axis.
    scale: vec2<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

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
    let input_position = pixel_position(params.output, pixel);
    let size = vec2<u32>(params.output.height, params.output.width);
    let output_size = vec2<u32>(params.gradient.height, params.gradient.width);
    let rows = share_of(
        contribution_range(input_position.y, size.x, output_size.x, params.scale.x),
        params.part.first.x,
        params.part.len.x,
    );
    let columns = share_of(
        contribution_range(input_position.z, size.y, output_size.y, params.scale.y),
        params.part.first.y,
        params.part.len.y,
    );
    var sum = vec4<f32>();
    for (var row = rows.x; row < rows.y; row++) {
        let row_weight = interpolation_weight(row, input_position.y, size.x, params.scale.x);
        if row_weight == 0.0 {
            continue;
        }
        for (var column = columns.x; column < columns.y; column++) {
            let weight = row_weight * interpolation_weight(column, input_position.z, size.y, params.scale.y);
            if weight != 0.0 {
                let g = gradient[element_at(params.gradient, input_position.x, row, column) + c4_index];
                sum += weight * unpack_element(g);
            }
        }
    }
    let destination = element_of_pixel(params.output, pixel) + c4_index;
    if ACCUMULATE != 0u {
        sum += unpack_element(output[destination]);
    }
    output[destination] = pack_element(sum);
}

// A half-open range, along one axis, of output pixels that input pixel `read` may have contributed to: those
// whose position is within a pixel of it, and one more on either side for rounding.
fn contribution_range(read: u32, size: u32, output_size: u32, scale: f32) -> vec2<u32> {
    var positions = vec2<f32>(f32(read), f32(read) + 1.0);
    if MODE == BILINEAR {
        positions += vec2<f32>(-0.5, 0.5);
    }
    if MODE == BILINEAR_ALIGNED {
        positions.x -= 1.0;
    }
    // The scale is 0 where the first input pixel is the only one read.
    var range = positions / max(scale, 1e-30) + vec2<f32>(-2.0, 2.0);
    if MODE == BILINEAR {
        range -= 0.5;
    }
    let found = vec2<u32>(clamp(range, vec2<f32>(), vec2<f32>(f32(output_size))));
    // Positions outside the input are clamped to the first or last pixel.
    return vec2<u32>(
        select(found.x, 0u, read == 0u),
        select(found.y, output_size, read == size - 1u),
    );
}

// The interpolation weight of input pixel `read` for output pixel `index`, along one axis.
fn interpolation_weight(index: u32, read: u32, size: u32, scale: f32) -> f32 {
    var position = f32(index) * scale;
    if MODE == BILINEAR {
        position = max((f32(index) + 0.5) * scale - 0.5, 0.0);
    }
    let first = min(u32(position), size - 1u);
    if MODE == NEAREST {
        return f32(first == read);
    }
    let second = min(first + 1u, size - 1u);
    let fraction = position - f32(first);
    return select(0.0, 1.0 - fraction, first == read) + select(0.0, fraction, second == read);
}
