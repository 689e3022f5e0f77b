// The input moved in a plane of one value: padding, and cropping where it moves the other way.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
    // Rows above and columns before; below zero (wrapped around) where cut off.
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
    let pixel = index / params.output.groups;
    let group = index % params.output.groups;
    if pixel >= params.output.pixels {
        return;
    }
    let at = position_of(params.output, pixel);
    // What lies above or before wraps around to a huge number.
    let place = at.yz - params.before;
    var result = vec4<f32>(params.value);
    if place.x < params.input.height && place.y < params.input.width {
        result = unpack_element(input[element_at(params.input, at.x, place.x, place.y) + group]);
    }
    output[element_of(params.output, pixel) + group] =
        pack_element(zero_unused_lanes(result, group, params.output.channels));
}
