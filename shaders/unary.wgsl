// An element-wise function. NaN stays NaN, except in functions that return booleans.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/unary
#import shared/trigonometry
#import shared/truth

struct Params {
    input: TensorView,
    output: TensorView,
    // The function's parameters, in the order in which they are declared.
    settings: vec4<f32>,
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
    let x = unpack_element(input[element_of_pixel(params.input, pixel) + c4_index]);
    let result = select(apply(x), x, is_nan(x) & vec4<bool>(FUNCTION < IS_NAN));
    output[element_of_pixel(params.output, pixel) + c4_index] =
        pack_element(zero_unused_lanes(result, c4_index, params.output.channels));
}

// Where a driver's own function is imprecise or wrong for large arguments, it is written out.
fn apply(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>();
    let one = vec4<f32>(1.0);
    let a = params.settings.x;
    let b = params.settings.y;
    let c = params.settings.z;
    switch FUNCTION {
        case ELU: {
            return select(a * (exponential(min(x, zero)) - 1.0), x, x > zero);
        }
        case SELU: {
            return b * select(a * (exponential(min(x, zero)) - 1.0), x, x > zero);
        }
        case CELU: {
            return select(a * (exponential(min(x, zero) / a) - 1.0), x, x > zero);
        }
        case GELU: {
            return 0.5 * x * (1.0 + error_function(x * 0.70710678));
        }
        case GELU_TANH: {
            return x * gelu_sigmoid(x);
        }
        case ERF: {
            return error_function(x);
        }
        case SOFTPLUS: {
            return max(x, zero) + log(1.0 + exponential(-abs(x)));
        }
        case SOFTSIGN: {
            return x / (1.0 + abs(x));
        }
        case HARD_SIGMOID: {
            let y = a * x + b;
            return select(clamp(y, zero, one), y, is_nan(y));
        }
        case SWISH: {
            return x * sigmoid(a * x);
        }
        case THRESHOLDED_RELU: {
            return select(zero, x, x > vec4<f32>(a));
        }
        case EXP: {
            return exponential(x);
        }
        case LOG: {
            let inside = log(clamp(x, vec4<f32>(SMALLEST_NORMAL), vec4<f32>(LARGEST)));
            let above = select(inside, infinity(x), x > vec4<f32>(LARGEST));
            return select(select(above, -infinity(x), x == zero), not_a_number(x), x < zero);
        }
        case SQRT: {
            return select(sqrt(max(x, zero)), not_a_number(x), x < zero);
        }
        case POW: {
            return power_of_all(x, a);
        }
        case ABS: {
            return abs(x);
        }
        case NEG: {
            return -x;
        }
        case FLOOR: {
            return floor(x);
        }
        case CEIL: {
            return ceil(x);
        }
        case ROUND: {
            return round(x);
        }
        case SIGN: {
            return sign(x);
        }
        case SIN: {
            return sine(x, 0.0);
        }
        case COS: {
            return sine(x, 1.0);
        }
        case TAN: {
            return sine(x, 0.0) / sine(x, 1.0);
        }
        case RECIPROCAL: {
            return 1.0 / x;
        }
        case CLIP: {
            let raised = select(x, vec4<f32>(a), x < vec4<f32>(a));
            return select(raised, vec4<f32>(b), raised > vec4<f32>(b));
        }
        case AFFINE: {
            return a * x + b;
        }
        case ASIN: {
            return arc_sine(x);
        }
        case ACOS: {
            return arc_cosine(x);
        }
        case ATAN: {
            return arc_tangent(x);
        }
        case SINH: {
            return hyperbolic_sine(x);
        }
        case COSH: {
            return hyperbolic_cosine(x);
        }
        case ASINH: {
            return inverse_hyperbolic_sine(x);
        }
        case ACOSH: {
            return inverse_hyperbolic_cosine(x);
        }
        case ATANH: {
            return inverse_hyperbolic_tangent(x);
        }
        case SHRINK: {
            return select(select(zero, x - b, x > vec4<f32>(a)), x + b, x < vec4<f32>(-a));
        }
        case TRUNC: {
            return trunc(x);
        }
        case QUANTIZE: {
            return clamp(round(x / a), vec4<f32>(b), vec4<f32>(c));
        }
        case FAKE_QUANTIZE: {
            return a * clamp(round(x / a), vec4<f32>(b), vec4<f32>(c));
        }
        case IS_NAN: {
            return numbers(is_nan(x));
        }
        case IS_INF: {
            let is_infinite = !is_nan(x) & (abs(x) > vec4<f32>(LARGEST));
            let counts = select(vec4<f32>(a), vec4<f32>(b), x < zero);
            return select(zero, counts, is_infinite);
        }
        case NOT: {
            return numbers(!is_true(x));
        }
        case TO_BOOL: {
            return numbers(is_true(x));
        }
        default: {
            return x;
        }
    }
}
