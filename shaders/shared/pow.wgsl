#import shared/special

// x to the power of y, as C's pow for numbers. The callers keep NaN.
fn power(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>();
    let magnitude = abs(x);
    let is_zero = magnitude == zero;
    let is_infinite = magnitude > vec4<f32>(LARGEST);
    // The logarithm of 0 and infinity is not needed.
    let binary = y * log2(clamp(magnitude, vec4<f32>(SMALLEST_NORMAL), vec4<f32>(LARGEST)));
    let inside = exp2(clamp(binary, vec4<f32>(-150.0), vec4<f32>(127.999992)));
    var result = select(inside, infinity(x), binary >= vec4<f32>(128.0));
    result = select(result, zero, binary < vec4<f32>(-150.0));
    let grows = y > zero;
    result = select(result, select(infinity(x), zero, grows), is_zero);
    result = select(result, select(zero, infinity(x), grows), is_infinite);
    // Also 1 to the power of infinity, whose product with the logarithm is NaN.
    result = select(result, vec4<f32>(1.0), (y == zero) | (magnitude == vec4<f32>(1.0)));
    // Odd integers keep the sign of x. Large floats are even integers.
    let half = y * 0.5;
    let is_integer = floor(y) == y;
    let is_odd = is_integer & (floor(half) != half);
    let is_negative = (bitcast<vec4<u32>>(x) >> vec4<u32>(31u)) == vec4<u32>(1u);
    result = select(result, -result, is_negative & is_odd);
    return select(result, not_a_number(x), is_negative & !is_zero & !is_infinite & !is_integer);
}
