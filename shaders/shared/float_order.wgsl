// Floats compared by their bits: drivers may assume that there is no NaN, and may flush denormals to zero.

// `float_order` of NaN: above that of every number.
const NAN_ORDER: u32 = 0xfffffffeu;

fn is_number(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) <= 0x7f800000u;
}

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u;
}

// An integer that orders floats: larger for larger numbers, equal for both zeros.
fn float_order(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    let magnitude = bits & 0x7fffffffu;
    if magnitude > 0x7f800000u {
        return NAN_ORDER;
    }
    // Negative numbers get smaller as their magnitude grows.
    return select(0x80000000u + magnitude, 0x80000000u - magnitude, bits >= 0x80000000u);
}
