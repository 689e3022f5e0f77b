// Elements in another order or number. The row-major index of an output element, in NCHW order, is split into
// digits, and the input's index is the sum of each digit times its stride. Arithmetic is modulo 2^32, so that
// negative strides need nothing else.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
    offset: u32,
    factor_count: u32,
    // Extent and stride in x and y. The first factor is the most significant.
    factors: array<vec4<u32>, 8>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
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
    let plane = params.output.height * params.output.width;
    let channel = vec4<u32>(0u, 1u, 2u, 3u) + c4_index * 4u;
    // Digits are below their extents whatever the number, so that unused lanes, too, read within the input.
    var rest = (pixel / plane * params.output.channels + channel) * plane + pixel % plane;
    var source = vec4<u32>(params.offset);
    for (var i = params.factor_count; i > 0u; i--) {
        let factor = params.factors[i - 1u].xy;
        source += rest % factor.x * factor.y;
        rest /= factor.x;
    }

    let source_plane = params.input.height * params.input.width;
    let source_row = source / source_plane;
    let source_channel = source_row % params.input.channels;
    let source_pixel = source_row / params.input.channels * source_plane + source % source_plane;
    let element = params.input.offset + source_pixel * params.input.pixel_stride + source_channel / 4u;
    let lane = source_channel % 4u;
    var value = vec4<f32>();
    for (var i = 0u; i < 4u; i++) {
        value[i] = unpack_element(input[element[i]])[lane[i]];
    }
    output[element_of_pixel(params.output, pixel) + c4_index] =
        pack_element(zero_unused_lanes(value, c4_index, params.output.channels));
}
