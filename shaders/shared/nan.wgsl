// NaN must not be hidden. By its bits, since drivers may assume that x == x, and make of
// `select(x, 0, x < 0)` a maximum that loses it (Mesa's OpenGL does).
fn is_nan(x: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}
