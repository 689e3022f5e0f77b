// NaN must not be hidden. It is tested by its bits, since drivers may assume that x == x and turn
// `select(x, 0, x < 0)` into a maximum that loses NaN (Mesa's OpenGL driver does).
fn is_nan(x: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

// The larger of two numbers; NaN if one of them is. No comparison with NaN decides.
fn max_or_nan(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return select(a, b, ((b > a) & !is_nan(a)) | is_nan(b));
}

fn min_or_nan(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return select(a, b, ((b < a) & !is_nan(a)) | is_nan(b));
}
