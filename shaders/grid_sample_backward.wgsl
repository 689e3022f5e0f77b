// Gradient of sampling a map, with respect to the map: each pixel finds the samples that it is part of.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/nan
#import shared/sum_part
#import shared/grid_sample

struct Params {
    gradient: TensorView,
    positions: TensorView,
    output: TensorView,
    // The samples that this dispatch looks at.
    part: SumPart,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
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
    let position = pixel_position(params.output, pixel);
    let rows = share_of(vec2<u32>(0u, params.gradient.height), params.part.first.x, params.part.len.x);
    let columns = share_of(vec2<u32>(0u, params.gradient.width), params.part.first.y, params.part.len.y);
    var sum = vec4<f32>();
    for (var row = rows.x; row < rows.y; row++) {
        for (var column = columns.x; column < columns.y; column++) {
            let given = unpack_element(positions[element_at(params.positions, position.x, row, column)]);
            let unknown = is_nan(given);
            let own = weight_of(position.y, given.y, params.output.height)
                * weight_of(position.z, given.x, params.output.width);
            if unknown.x || unknown.y || own == 0.0 {
                continue;
            }
            sum += own * unpack_element(gradient[element_at(params.gradient, position.x, row, column) + c4_index]);
        }
    }
    let destination = element_of_pixel(params.output, pixel) + c4_index;
    if ACCUMULATE != 0u {
        sum += unpack_element(output[destination]);
    }
    output[destination] = pack_element(sum);
}

// The weight of a pixel in a sample, along one axis. It may be several of the sample's taps.
fn weight_of(pixel: u32, position: f32, size: u32) -> f32 {
    let placed = place(position, size);
    var sum = 0.0;
    for (var tap = 0; tap < tap_count(); tap++) {
        if source(i32(placed.x) + tap, i32(size)) == i32(pixel) {
            sum += weight(tap, placed.y);
        }
    }
    return sum;
}
