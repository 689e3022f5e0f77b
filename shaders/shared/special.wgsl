// Numbers that WGSL has no constants for, made of the bits of any value at runtime.
const LARGEST: f32 = 3.4028234e38;
const SMALLEST_NORMAL: f32 = 1.1754944e-38;

fn infinity(any: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>((bitcast<vec4<u32>>(any) & vec4<u32>()) | vec4<u32>(0x7f800000u));
}

fn not_a_number(any: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(any) | vec4<u32>(0x7fc00000u));
}
