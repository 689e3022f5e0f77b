// Padding with a constant value; cropping where the padding is negative.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
    // Rows added above and columns added on the left. Negative (wrapped around) where cropped.
    before: vec2<u32>,
    value: f32,
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
    let position = pixel_position(params.output, pixel);
    // Coordinates above or left of the input wrap around to huge numbers.
    let source = position.yz - params.before;
    var result = vec4<f32>(params.value);
    if source.x < params.input.height && source.y < params.input.width {
        result = unpack_element(input[element_at(params.input, position.x, source.x, source.y) + c4_index]);
    }
    output[element_of_pixel(params.output, pixel) + c4_index] =
        pack_element(zero_unused_lanes(result, c4_index, params.output.channels));
}
