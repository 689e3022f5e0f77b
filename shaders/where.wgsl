// The element of one tensor where a condition holds, that of another elsewhere. Each of the three is broadcast along
// the axes where its extent is 1.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/operand
#import shared/truth

override CONDITION_IS_WHOLE: u32 = 0u;
override A_IS_WHOLE: u32 = 0u;
override B_IS_WHOLE: u32 = 0u;

struct Params {
    condition: Operand,
    a: Operand,
    b: Operand,
    output: TensorView,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> condition: array<Element>;
@group(0) @binding(2) var<storage, read> a: array<Element>;
@group(0) @binding(3) var<storage, read> b: array<Element>;
@group(0) @binding(4) var<storage, read_write> output: array<Element>;

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
    let condition_element = element_of(params.condition, CONDITION_IS_WHOLE, params.output, pixel, c4_index);
    let a_element = element_of(params.a, A_IS_WHOLE, params.output, pixel, c4_index);
    let b_element = element_of(params.b, B_IS_WHOLE, params.output, pixel, c4_index);
    let holds = channels_of(params.condition, CONDITION_IS_WHOLE, unpack_element(condition[condition_element]));
    let x = channels_of(params.a, A_IS_WHOLE, unpack_element(a[a_element]));
    let y = channels_of(params.b, B_IS_WHOLE, unpack_element(b[b_element]));
    let result = zero_unused_lanes(select(y, x, is_true(holds)), c4_index, params.output.channels);
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(result);
}
