// Gradient of an element-wise function. `value` is the function's input. NaN stays NaN.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/unary
#import shared/trigonometry

struct Params {
    gradient: TensorView,
    value: TensorView,
    output: TensorView,
    // As in `unary.wgsl`.
    settings: vec4<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read> value: array<Element>;
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
    let g = unpack_element(gradient[element_of_pixel(params.gradient, pixel) + c4_index]);
    let x = unpack_element(value[element_of_pixel(params.value, pixel) + c4_index]);
    let result = select(g * derivative(x), x, is_nan(x));
    output[element_of_pixel(params.output, pixel) + c4_index] =
        pack_element(zero_unused_lanes(result, c4_index, params.output.channels));
}

fn derivative(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>();
    let one = vec4<f32>(1.0);
    let a = params.settings.x;
    let b = params.settings.y;
    let c = params.settings.z;
    switch FUNCTION {
        case ELU: {
            return select(a * exponential(min(x, zero)), one, x > zero);
        }
        case SELU: {
            return b * select(a * exponential(min(x, zero)), one, x > zero);
        }
        case CELU: {
            return select(exponential(min(x, zero) / a), one, x > zero);
        }
        case GELU: {
            // Beyond 20 the density is 0.
            let near = clamp(x, vec4<f32>(-20.0), vec4<f32>(20.0));
            let density = 0.39894228 * exponential(-0.5 * near * near);
            return 0.5 * (1.0 + error_function(x * 0.70710678)) + near * density;
        }
        case GELU_TANH: {
            let near = clamp(x, vec4<f32>(-20.0), vec4<f32>(20.0));
            let s = gelu_sigmoid(x);
            let slope = 2.0 * GELU_SCALE * (1.0 + 3.0 * GELU_CUBE * near * near);
            return s + near * s * (1.0 - s) * slope;
        }
        case ERF: {
            return 1.12837917 * exponential(-x * x);
        }
        case SOFTPLUS: {
            return sigmoid(x);
        }
        case SOFTSIGN: {
            let y = 1.0 / (1.0 + abs(x));
            return y * y;
        }
        case HARD_SIGMOID: {
            let y = a * x + b;
            return select(zero, vec4<f32>(a), (y > zero) & (y < one));
        }
        case SWISH: {
            let s = sigmoid(a * x);
            return s * (1.0 + a * x * (1.0 - s));
        }
        case THRESHOLDED_RELU: {
            return select(zero, one, x > vec4<f32>(a));
        }
        case EXP: {
            return exponential(x);
        }
        case LOG: {
            return 1.0 / x;
        }
        case SQRT: {
            return select(0.5 / sqrt(max(x, zero)), not_a_number(x), x < zero);
        }
        case POW: {
            // The power of -1 of 0 is infinite.
            if a == 0.0 {
                return zero;
            }
            return a * power_of_all(x, a - 1.0);
        }
        case ABS: {
            return sign(x);
        }
        case NEG: {
            return -one;
        }
        case RECIPROCAL: {
            return -1.0 / (x * x);
        }
        case CLIP: {
            return select(zero, one, (x >= vec4<f32>(a)) & (x <= vec4<f32>(b)));
        }
        case AFFINE: {
            return vec4<f32>(a);
        }
        case SIN: {
            return sine(x, 1.0);
        }
        case COS: {
            return -sine(x, 0.0);
        }
        case TAN: {
            let cosine = sine(x, 1.0);
            return 1.0 / (cosine * cosine);
        }
        case ASIN: {
            return inverse_root((one - x) * (one + x), x);
        }
        case ACOS: {
            return -inverse_root((one - x) * (one + x), x);
        }
        case ATAN: {
            return 1.0 / (x * x + 1.0);
        }
        case SINH: {
            return hyperbolic_cosine(x);
        }
        case COSH: {
            return hyperbolic_sine(x);
        }
        case ASINH: {
            return inverse_root(x * x + 1.0, x);
        }
        case ACOSH: {
            return inverse_root((x - one) * (x + one), x);
        }
        case ATANH: {
            return 1.0 / ((one - x) * (one + x));
        }
        case SHRINK: {
            return select(zero, one, abs(x) > vec4<f32>(a));
        }
        case FAKE_QUANTIZE: {
            let steps = round(x / a);
            return select(zero, one, (steps >= vec4<f32>(b)) & (steps <= vec4<f32>(c)));
        }
        default: {
            return zero;
        }
    }
}

// One by the square root, of which drivers say nothing for negative numbers.
fn inverse_root(square: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
    return select(1.0 / sqrt(max(square, vec4<f32>())), not_a_number(x), square < vec4<f32>());
}
