// Gradient of adaptive average pooling: each input pixel sums its share of the gradients of the bins that
// contain it. Bin i of `out` is floor(i * in / out) .. ceil((i + 1) * in / out); neighboring bins overlap where
// `in` is not a multiple of `out`.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/sum_part

struct Params {
    gradient: TensorView,
    output: TensorView,
    part: SumPart,
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
    let position = pixel_position(params.output, pixel);
    let size = vec2<u32>(params.output.height, params.output.width);
    let bins = vec2<u32>(params.gradient.height, params.gradient.width);
    // The bins that contain the pixel: they begin at or before it and end after it.
    let first = position.yz * bins / size;
    let end = ((position.yz + 1u) * bins + size - 1u) / size;
    var sum = vec4<f32>();
    let rows = share_of(vec2<u32>(first.x, end.x), params.part.first.x, params.part.len.x);
    let columns = share_of(vec2<u32>(first.y, end.y), params.part.first.y, params.part.len.y);
    for (var row = rows.x; row < rows.y; row++) {
        for (var column = columns.x; column < columns.y; column++) {
            let bin = vec2<u32>(row, column);
            let extent = ((bin + 1u) * size + bins - 1u) / bins - bin * size / bins;
            let g = gradient[element_at(params.gradient, position.x, row, column) + c4_index];
            sum += unpack_element(g) / f32(extent.x * extent.y);
        }
    }
    let destination = element_of_pixel(params.output, pixel) + c4_index;
    if ACCUMULATE != 0u {
        sum += unpack_element(output[destination]);
    }
    output[destination] = pack_element(sum);
}
