// The gradient through adaptive average pooling: a pixel's share of every bin that it was in. Bin i of
// `out` is floor(i * in / out) .. ceil((i + 1) * in / out); neighbours overlap where `in` is no
// multiple of `out`.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    gradient: TensorView,
    output: TensorView,
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
    let pixel = index / params.output.groups;
    let group = index % params.output.groups;
    if pixel >= params.output.pixels {
        return;
    }
    let at = position_of(params.output, pixel);
    let size = vec2<u32>(params.output.height, params.output.width);
    let bins = vec2<u32>(params.gradient.height, params.gradient.width);
    // The bins that begin at or before the pixel and end behind it.
    let first = at.yz * bins / size;
    let end = ((at.yz + 1u) * bins + size - 1u) / size;
    var sum = vec4<f32>();
    for (var row = first.x; row < end.x; row++) {
        for (var column = first.y; column < end.y; column++) {
            let bin = vec2<u32>(row, column);
            let seen = ((bin + 1u) * size + bins - 1u) / bins - bin * size / bins;
            let g = gradient[element_at(params.gradient, at.x, row, column) + group];
            sum += unpack_element(g) / f32(seen.x * seen.y);
        }
    }
    output[element_of(params.output, pixel) + group] = pack_element(sum);
}
