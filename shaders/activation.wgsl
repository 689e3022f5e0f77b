// An activation function, element by element.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/activation

struct Params {
    input: TensorView,
    output: TensorView,
    slope: f32,
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
    let value = unpack_element(input[element_of_pixel(params.input, pixel) + c4_index]);
    let result = zero_unused_lanes(activate(value, params.slope), c4_index, params.output.channels);
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(result);
}
