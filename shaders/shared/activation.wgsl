// Activation functions. NaN stays NaN.
#import shared/nan
#import shared/sigmoid

const IDENTITY: u32 = 0u;
const RELU: u32 = 1u;
const RELU6: u32 = 2u;
const LEAKY_RELU: u32 = 3u;
const SIGMOID: u32 = 4u;
const TANH: u32 = 5u;
const HARD_SWISH: u32 = 6u;
const SILU: u32 = 7u;
const MISH: u32 = 8u;

override ACTIVATION: u32 = IDENTITY;

// tanh(ln(1 + exp(x))), of which 1 is all that float32 keeps beyond 20.
fn tanh_of_softplus(x: vec4<f32>) -> vec4<f32> {
    let e = exp(min(x, vec4<f32>(20.0)));
    let w = e * (e + 2.0);
    return w / (w + 2.0);
}

// The bits of -infinity as an integer. Those of other negative numbers are less, and those of NaN are more.
const NEGATIVE_INFINITY: i32 = -8388608;

// One comparison, and no test for NaN. Zero for all numbers where `is_on` is false.
fn relu_or_zero(x: vec4<f32>, is_on: bool) -> vec4<f32> {
    let largest_zero = select(0x7fffffff, NEGATIVE_INFINITY, is_on);
    return select(x, vec4<f32>(), bitcast<vec4<i32>>(x) <= vec4<i32>(largest_zero));
}

fn relu6(x: vec4<f32>) -> vec4<f32> {
    return clamp(x, vec4<f32>(), vec4<f32>(6.0));
}

// `slope` is the negative slope of leaky ReLU.
fn activate(x: vec4<f32>, slope: f32) -> vec4<f32> {
    return activate_as(ACTIVATION, x, slope);
}

fn activate_as(activation: u32, x: vec4<f32>, slope: f32) -> vec4<f32> {
    if activation == IDENTITY {
        return x;
    }
    if activation == RELU {
        return relu_or_zero(x, true);
    }
    return select(activate_not_nan(activation, x, slope), x, is_nan(x));
}

fn activate_not_nan(activation: u32, x: vec4<f32>, slope: f32) -> vec4<f32> {
    switch activation {
        case RELU6: {
            return relu6(x);
        }
        case LEAKY_RELU: {
            return select(x, x * slope, x < vec4<f32>());
        }
        case SIGMOID: {
            return sigmoid(x);
        }
        case TANH: {
            // Written so that large arguments saturate: the tanh of some drivers returns NaN for them.
            let magnitude = 1.0 - 2.0 / (exp(2.0 * abs(x)) + 1.0);
            return select(magnitude, -magnitude, x < vec4<f32>());
        }
        case HARD_SWISH: {
            return x * relu6(x + 3.0) / 6.0;
        }
        case SILU: {
            return x * sigmoid(x);
        }
        case MISH: {
            return x * tanh_of_softplus(x);
        }
        default: {
            return x;
        }
    }
}
