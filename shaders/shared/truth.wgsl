// Booleans as numbers: 0 is false, 1 is true, and any other number is read as true, NaN too.
#import shared/nan

fn is_true(x: vec4<f32>) -> vec4<bool> {
    return (x != vec4<f32>()) | is_nan(x);
}

fn numbers(holds: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(), vec4<f32>(1.0), holds);
}
