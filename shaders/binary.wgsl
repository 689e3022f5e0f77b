// An element-wise function of two tensors, and an activation. Either tensor is broadcast along the axes where its
// extent is 1.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/activation
#import shared/pow

const ADD: u32 = 0u;
const MUL: u32 = 1u;
const SUB: u32 = 2u;
const DIV: u32 = 3u;
const MAX: u32 = 4u;
const MIN: u32 = 5u;
const POW: u32 = 6u;

override OPERATION: u32 = ADD;
// Whether an operand has the output's extents, so that its pixels need not be found by row and column.
override A_IS_WHOLE: u32 = 0u;
override B_IS_WHOLE: u32 = 0u;

// Where an operand is, seen from the output.
struct Operand {
    // Elements from one image, row, column and group of four channels to the next; 0 where it is broadcast.
    strides: vec4<u32>,
    offset: u32,
}

struct Params {
    a: Operand,
    b: Operand,
    output: TensorView,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Element>;
@group(0) @binding(2) var<storage, read> b: array<Element>;
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
    let a_element = element_of(params.a, A_IS_WHOLE, pixel, c4_index);
    let b_element = element_of(params.b, B_IS_WHOLE, pixel, c4_index);
    let x = channels_of(params.a, A_IS_WHOLE, unpack_element(a[a_element]));
    let y = channels_of(params.b, B_IS_WHOLE, unpack_element(b[b_element]));
    // Unused lanes are zero in both, or broadcast: a division gives NaN there.
    let result = zero_unused_lanes(
        activate(operate(x, y), params.slope),
        c4_index,
        params.output.channels,
    );
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(result);
}

fn element_of(operand: Operand, is_whole: u32, pixel: u32, c4_index: u32) -> u32 {
    if is_whole != 0u {
        return operand.offset + pixel * operand.strides.z + c4_index;
    }
    let position = vec4<u32>(pixel_position(params.output, pixel), c4_index);
    return operand.offset + dot(operand.strides, position);
}

// The only channel in all lanes where it is broadcast.
fn channels_of(operand: Operand, is_whole: u32, element: vec4<f32>) -> vec4<f32> {
    if is_whole != 0u {
        return element;
    }
    return select(element, element.xxxx, operand.strides.w == 0u);
}

fn operate(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    switch OPERATION {
        case MUL: {
            return x * y;
        }
        case SUB: {
            return x - y;
        }
        case DIV: {
            return x / y;
        }
        case MAX: {
            return max_or_nan(x, y);
        }
        case MIN: {
            return min_or_nan(x, y);
        }
        case POW: {
            return select(select(power(x, y), x, is_nan(x)), y, is_nan(y));
        }
        default: {
            return x + y;
        }
    }
}
