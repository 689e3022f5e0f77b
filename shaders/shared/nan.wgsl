// NaN must not be hidden. It is tested by its bits, since drivers may assume that x == x and turn
// `select(x, 0, x < 0)` into a maximum that loses NaN (Mesa's OpenGL driver does).
fn is_nan(x: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}
