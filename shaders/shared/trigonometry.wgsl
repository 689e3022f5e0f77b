// Trigonometric and hyperbolic functions and their inverses. WGSL lets drivers be off by up to 5e-4, and by more for
// large arguments, so that its own functions are not used. The polynomials are those of Cephes' single-precision
// functions (Moshier 1989).
#import shared/unary

// The sine of x and some quarter turns. Reduction in three parts, of which two have few bits.
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

const HALF_PI: f32 = 1.57079637;
const LN_2: f32 = 0.693147181;

// The inverse sine of 0..0.5, with its square.
fn arc_sine_series(x: vec4<f32>, z: vec4<f32>) -> vec4<f32> {
    let series = (((4.2163199048e-2 * z + 2.4181311049e-2) * z + 4.5470025998e-2) * z + 7.4953002686e-2) * z
        + 1.6666752422e-1;
    return x + x * z * series;
}

// The inverse sine of abs(x), or the rest of it to a quarter turn where abs(x) is above 0.5.
fn arc_sine_part(x: vec4<f32>, is_above: vec4<bool>) -> vec4<f32> {
    let magnitude = abs(x);
    let z = select(magnitude * magnitude, 0.5 * (1.0 - magnitude), is_above);
    let root = sqrt(max(z, vec4<f32>()));
    let part = arc_sine_series(select(magnitude, root, is_above), z);
    return select(part, 2.0 * part, is_above);
}

fn arc_sine(x: vec4<f32>) -> vec4<f32> {
    let is_above = abs(x) > vec4<f32>(0.5);
    let part = arc_sine_part(x, is_above);
    let value = select(part, HALF_PI - part, is_above);
    let signed = select(value, -value, x < vec4<f32>());
    return select(signed, not_a_number(x), abs(x) > vec4<f32>(1.0));
}

fn arc_cosine(x: vec4<f32>) -> vec4<f32> {
    let is_above = abs(x) > vec4<f32>(0.5);
    let is_negative = x < vec4<f32>();
    let part = arc_sine_part(x, is_above);
    let near = HALF_PI - select(part, -part, is_negative);
    let far = select(part, 2.0 * HALF_PI - part, is_negative);
    return select(select(near, far, is_above), not_a_number(x), abs(x) > vec4<f32>(1.0));
}

fn arc_tangent(x: vec4<f32>) -> vec4<f32> {
    let magnitude = abs(x);
    let is_large = magnitude > vec4<f32>(2.41421356);
    let is_middle = magnitude > vec4<f32>(0.414213562);
    let middle = (magnitude - 1.0) / (magnitude + 1.0);
    let reduced = select(select(magnitude, middle, is_middle), -1.0 / magnitude, is_large);
    let start = select(select(vec4<f32>(), vec4<f32>(0.5 * HALF_PI), is_middle), vec4<f32>(HALF_PI), is_large);
    let z = reduced * reduced;
    let series = ((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1;
    let value = start + (reduced + reduced * z * series);
    return select(value, -value, x < vec4<f32>());
}

fn hyperbolic_sine(x: vec4<f32>) -> vec4<f32> {
    let magnitude = abs(x);
    // Half of the exponential, which itself overflows earlier.
    let half = exponential(magnitude - LN_2);
    let large = half - 0.25 / half;
    let z = magnitude * magnitude;
    let series = (2.03721912945e-4 * z + 8.33028376239e-3) * z + 1.66667160211e-1;
    let value = select(large, magnitude + magnitude * z * series, magnitude < vec4<f32>(1.0));
    return select(value, -value, x < vec4<f32>());
}

fn hyperbolic_cosine(x: vec4<f32>) -> vec4<f32> {
    let half = exponential(abs(x) - LN_2);
    return half + 0.25 / half;
}

fn inverse_hyperbolic_sine(x: vec4<f32>) -> vec4<f32> {
    let magnitude = abs(x);
    let is_large = magnitude > vec4<f32>(1e4);
    let near = min(magnitude, vec4<f32>(1e4));
    let middle = log(near + sqrt(near * near + 1.0));
    let large = LN_2 + log(clamp(magnitude, vec4<f32>(1e4), vec4<f32>(LARGEST)));
    let z = near * near;
    let series = ((2.0122003309e-2 * z - 4.2699340972e-2) * z + 7.4847586088e-2) * z - 1.6666288134e-1;
    let small = near + near * z * series;
    let value = select(select(middle, large, is_large), small, magnitude < vec4<f32>(0.5));
    let finite = select(value, infinity(x), magnitude > vec4<f32>(LARGEST));
    return select(finite, -finite, x < vec4<f32>());
}

fn inverse_hyperbolic_cosine(x: vec4<f32>) -> vec4<f32> {
    let near = clamp(x, vec4<f32>(1.0), vec4<f32>(1e4));
    let above = near - 1.0;
    let middle = log(near + sqrt(above * (near + 1.0)));
    let large = LN_2 + log(clamp(x, vec4<f32>(1e4), vec4<f32>(LARGEST)));
    let series = (((1.7596881071e-3 * above - 7.5272886713e-3) * above + 2.6454905019e-2) * above
        - 1.1784741703e-1) * above + 1.4142135263;
    let small = series * sqrt(above);
    let value = select(select(middle, large, x > vec4<f32>(1e4)), small, above < vec4<f32>(0.5));
    let finite = select(value, infinity(x), x > vec4<f32>(LARGEST));
    return select(finite, not_a_number(x), x < vec4<f32>(1.0));
}

fn inverse_hyperbolic_tangent(x: vec4<f32>) -> vec4<f32> {
    let magnitude = abs(x);
    let near = min(magnitude, vec4<f32>(0.99999994));
    let large = 0.5 * log((1.0 + near) / (1.0 - near));
    let z = near * near;
    let series = (((1.81740078349e-1 * z + 8.24370301058e-2) * z + 1.46691431730e-1) * z + 1.99782164500e-1) * z
        + 3.33337300303e-1;
    let value = select(large, near + near * z * series, magnitude < vec4<f32>(0.5));
    let finite = select(value, infinity(x), magnitude == vec4<f32>(1.0));
    let signed = select(finite, -finite, x < vec4<f32>());
    return select(signed, not_a_number(x), magnitude > vec4<f32>(1.0));
}
