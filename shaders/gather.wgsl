// Elements at indices along an axis. Elements are counted row-major, in NCHW order: as [outer, count, inner] in the
// input, and as [outer, len, inner] in the output, where `len` is the number of indices.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
    count: u32,
    len: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
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
    let plane = params.output.height * params.output.width;
    let source_plane = params.input.height * params.input.width;
    var value = vec4<f32>();
    for (var lane = 0u; lane < 4u; lane++) {
        // Unused lanes repeat the last channel.
        let channel = min(c4_index * 4u + lane, params.output.channels - 1u);
        let at = (pixel / plane * params.output.channels + channel) * plane + pixel % plane;
        let row = at / params.inner;
        let taken = indices[row % params.len];
        let source = (row / params.len * params.count + taken) * params.inner + at % params.inner;
        let source_row = source / source_plane;
        let source_channel = source_row % params.input.channels;
        let source_pixel = source_row / params.input.channels * source_plane + source % source_plane;
        let element = input[element_of_pixel(params.input, source_pixel) + source_channel / 4u];
        value[lane] = unpack_element(element)[source_channel % 4u];
    }
    output[element_of_pixel(params.output, pixel) + c4_index] =
        pack_element(zero_unused_lanes(value, c4_index, params.output.channels));
}
