// A weight as a value: copies the pixels from `first_pixel` up to `end_pixel`, which the weight holds.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    output: TensorView,
    first_pixel: u32,
    end_pixel: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let pixel = index / params.output.c4;
    let c4_index = index % params.output.c4;
    if pixel < params.first_pixel || pixel >= params.end_pixel {
        return;
    }
    output[element_of_pixel(params.output, pixel) + c4_index] =
        weight[(pixel - params.first_pixel) * params.output.c4 + c4_index];
}
