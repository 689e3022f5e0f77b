// Codes of element-wise functions, and what several shaders need to compute them.
#import shared/nan
#import shared/pow
#import shared/sigmoid
#import shared/special

const ELU: u32 = 0u;
const SELU: u32 = 1u;
const CELU: u32 = 2u;
const GELU: u32 = 3u;
const GELU_TANH: u32 = 4u;
const ERF: u32 = 5u;
const SOFTPLUS: u32 = 6u;
const SOFTSIGN: u32 = 7u;
const HARD_SIGMOID: u32 = 8u;
const SWISH: u32 = 9u;
const THRESHOLDED_RELU: u32 = 10u;
const EXP: u32 = 11u;
const LOG: u32 = 12u;
const SQRT: u32 = 13u;
const POW: u32 = 14u;
const ABS: u32 = 15u;
const NEG: u32 = 16u;
const FLOOR: u32 = 17u;
const CEIL: u32 = 18u;
const ROUND: u32 = 19u;
const SIGN: u32 = 20u;
const SIN: u32 = 21u;
const COS: u32 = 22u;
const TAN: u32 = 23u;
const RECIPROCAL: u32 = 24u;
const CLIP: u32 = 25u;
const AFFINE: u32 = 26u;
const ASIN: u32 = 27u;
const ACOS: u32 = 28u;
const ATAN: u32 = 29u;
const SINH: u32 = 30u;
const COSH: u32 = 31u;
const ASINH: u32 = 32u;
const ACOSH: u32 = 33u;
const ATANH: u32 = 34u;
const SHRINK: u32 = 35u;
const TRUNC: u32 = 36u;
const QUANTIZE: u32 = 37u;
const FAKE_QUANTIZE: u32 = 38u;
// From here on, booleans are returned, for NaN as well.
const IS_NAN: u32 = 39u;
const IS_INF: u32 = 40u;
const NOT: u32 = 41u;
const TO_BOOL: u32 = 42u;

override FUNCTION: u32 = ELU;

// sqrt(2 / pi) and the factor of the cube in GELU's approximation.
const GELU_SCALE: f32 = 0.7978845608;
const GELU_CUBE: f32 = 0.044715;

// exp(x), with the limits written out: drivers return NaN or the largest numbers for large arguments.
fn exponential(x: vec4<f32>) -> vec4<f32> {
    let inside = exp(clamp(x, vec4<f32>(-104.0), vec4<f32>(88.7228)));
    let above = select(inside, infinity(x), x > vec4<f32>(88.7228394));
    return select(above, vec4<f32>(), x < vec4<f32>(-104.0));
}

// The error function, off by at most 1.5e-7: 7.1.26 in Abramowitz and Stegun, "Handbook of Mathematical
// Functions" (1964).
fn error_function(x: vec4<f32>) -> vec4<f32> {
    let t = 1.0 / (1.0 + 0.3275911 * abs(x));
    let series = (((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592;
    let magnitude = 1.0 - series * t * exponential(-x * x);
    return select(magnitude, -magnitude, x < vec4<f32>());
}

// tanh(u) = 2 sigmoid(2 u) - 1, with the argument of GELU's approximation.
fn gelu_sigmoid(x: vec4<f32>) -> vec4<f32> {
    // Beyond 20 nothing changes, and the cube does not overflow.
    let near = clamp(x, vec4<f32>(-20.0), vec4<f32>(20.0));
    return sigmoid(2.0 * GELU_SCALE * (near + GELU_CUBE * near * near * near));
}

// Powers of one exponent: of a small integer by products, which are exact to the last bits.
fn power_of_all(x: vec4<f32>, exponent: f32) -> vec4<f32> {
    if floor(exponent) != exponent || abs(exponent) > 16.0 {
        return power(x, vec4<f32>(exponent));
    }
    let bits = u32(abs(exponent));
    var product = vec4<f32>(1.0);
    var square = x;
    for (var bit = 0u; bit < 5u; bit++) {
        if ((bits >> bit) & 1u) == 1u {
            product *= square;
        }
        square *= square;
    }
    if exponent < 0.0 {
        return 1.0 / product;
    }
    return product;
}
