// An element-wise function. NaN stays NaN.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/unary

struct Params {
    input: TensorView,
    output: TensorView,
    // The function's parameters, in the order in which they are declared.
    settings: vec2<f32>,
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
    let result = select(apply(x), x, is_nan(x));
    output[element_of_pixel(params.output, pixel) + c4_index] =
        pack_element(zero_unused_lanes(result, c4_index, params.output.channels));
}

// Where a driver's own function is imprecise or wrong for large arguments, it is written out.
fn apply(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>();
    let one = vec4<f32>(1.0);
    let a = params.settings.x;
    let b = params.settings.y;
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
        default: {
            return x;
        }
    }
}

// The sine of x and some quarter turns. WGSL lets drivers be off by 5e-4, and by more for large arguments, so
// that its own function is not used. Reduction in three parts, of which two have few bits, and the polynomials
// are those of Cephes' sinf and cosf (Moshier 1989).
fn sine(x: vec4<f32>, quarters: f32) -> vec4<f32> {
    let turns = round(x * 0.63661977);
    let reduced = ((x - turns * 1.5703125) - turns * 4.8375129699707e-4) - turns * 7.5497899548919e-8;
    // Beyond a quarter of pi only where x is so large that nothing is left of it.
    let r = clamp(reduced, vec4<f32>(-0.8), vec4<f32>(0.8));
    let z = r * r;
    let sine = r + r * z * ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1);
    let cosine = 1.0 - 0.5 * z
        + z * z * ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2);
    let sum = turns + quarters;
    let quadrant = sum - 4.0 * floor(sum * 0.25);
    let is_odd = (quadrant == vec4<f32>(1.0)) | (quadrant == vec4<f32>(3.0));
    let value = select(sine, cosine, is_odd);
    let signed = select(value, -value, quadrant >= vec4<f32>(2.0));
    return select(signed, not_a_number(x), abs(x) > vec4<f32>(LARGEST));
}
