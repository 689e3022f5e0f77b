// The gradient through average pooling: a pixel's share of every window that sees it.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/pool_backward_range

struct Params {
    gradient: TensorView,
    output: TensorView,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    // Top and left, then bottom and right.
    padding: vec2<u32>,
    padding_after: vec2<u32>,
    count_include_pad: u32,
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
    let position = at.yz + params.padding;
    let size = vec2<u32>(params.output.height, params.output.width);
    // What of the padded input counts: all of it, or the input in it.
    let counts = params.count_include_pad != 0u;
    let first = select(params.padding, vec2<u32>(), counts);
    let end = size + params.padding + select(vec2<u32>(), params.padding_after, counts);
    let rows = covering(position.x, params.kernel.x, params.stride.x, params.gradient.height);
    let columns = covering(position.y, params.kernel.y, params.stride.y, params.gradient.width);
    var sum = vec4<f32>();
    for (var row = rows.x; row < rows.y; row++) {
        for (var column = columns.x; column < columns.y; column++) {
            let start = vec2<u32>(row, column) * params.stride;
            let seen = min(start + params.kernel, end) - max(start, first);
            let g = gradient[element_at(params.gradient, at.x, row, column) + group];
            sum += unpack_element(g) / f32(seen.x * seen.y);
        }
    }
    output[element_of(params.output, pixel) + group] = pack_element(sum);
}
