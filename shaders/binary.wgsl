// An element-wise function of two tensors, and an activation. Either tensor is broadcast along the axes where its
// extent is 1.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/operand
#import shared/activation
#import shared/pow
#import shared/truth

const ADD: u32 = 0u;
const MUL: u32 = 1u;
const SUB: u32 = 2u;
const DIV: u32 = 3u;
const MAX: u32 = 4u;
const MIN: u32 = 5u;
const POW: u32 = 6u;
const EQUAL: u32 = 7u;
const GREATER: u32 = 8u;
const GREATER_OR_EQUAL: u32 = 9u;
const LESS: u32 = 10u;
const LESS_OR_EQUAL: u32 = 11u;
const AND: u32 = 12u;
const OR: u32 = 13u;
const XOR: u32 = 14u;
const REMAINDER: u32 = 15u;
const FMOD: u32 = 16u;
const TRUNC_DIV: u32 = 17u;

override OPERATION: u32 = ADD;
// Whether an operand has the output's extents.
override A_IS_WHOLE: u32 = 0u;
override B_IS_WHOLE: u32 = 0u;

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
    let a_element = element_of(params.a, A_IS_WHOLE, params.output, pixel, c4_index);
    let b_element = element_of(params.b, B_IS_WHOLE, params.output, pixel, c4_index);
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
        case EQUAL: {
            return compared(x, y, x == y);
        }
        case GREATER: {
            return compared(x, y, x > y);
        }
        case GREATER_OR_EQUAL: {
            return compared(x, y, x >= y);
        }
        case LESS: {
            return compared(x, y, x < y);
        }
        case LESS_OR_EQUAL: {
            return compared(x, y, x <= y);
        }
        case AND: {
            return numbers(is_true(x) & is_true(y));
        }
        case OR: {
            return numbers(is_true(x) | is_true(y));
        }
        case XOR: {
            return numbers(is_true(x) != is_true(y));
        }
        case REMAINDER: {
            let rest = rest_of_division(x, y);
            let differs = (rest != vec4<f32>()) & ((rest < vec4<f32>()) != (y < vec4<f32>()));
            return select(rest, rest + y, differs);
        }
        case FMOD: {
            return rest_of_division(x, y);
        }
        case TRUNC_DIV: {
            return truncated_quotient(x, y);
        }
        default: {
            return x + y;
        }
    }
}

// A comparison with NaN is false.
fn compared(x: vec4<f32>, y: vec4<f32>, holds: vec4<bool>) -> vec4<f32> {
    return numbers(holds & !is_nan(x) & !is_nan(y));
}

// The quotient without its fraction. A driver's division may be off, and by a whole number where the quotient is
// near one: the rest shows it.
fn truncated_quotient(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let quotient = trunc(x / y);
    let rest = fma(-quotient, y, x);
    let step = sign(x) * sign(y);
    let is_too_large = (rest != vec4<f32>()) & ((rest < vec4<f32>()) != (x < vec4<f32>()));
    let is_too_small = abs(rest) >= abs(y);
    let corrected = select(quotient, quotient + step, is_too_small);
    return select(corrected, quotient - step, is_too_large);
}

// C's fmod: of infinities and of 0, NaN, but by infinity, x.
fn rest_of_division(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let rest = fma(-truncated_quotient(x, y), y, x);
    let by_infinity = abs(y) > vec4<f32>(LARGEST);
    let is_undefined = (abs(x) > vec4<f32>(LARGEST)) | (y == vec4<f32>()) | is_nan(x) | is_nan(y);
    return select(select(rest, x, by_infinity), not_a_number(x), is_undefined);
}
