// Numbers compared by their bits: drivers may assume that there is no NaN, and may take the smallest
// numbers for zero.

// Of NaN; above that of every number.
const NAN_ORDER: u32 = 0xfffffffeu;

fn is_number(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) <= 0x7f800000u;
}

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u;
}

// Larger for larger numbers, and equal for both zeros.
fn order_of(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    let magnitude = bits & 0x7fffffffu;
    if magnitude > 0x7f800000u {
        return NAN_ORDER;
    }
    // What is negative falls as its bits rise.
    return select(0x80000000u + magnitude, 0x80000000u - magnitude, bits >= 0x80000000u);
}
