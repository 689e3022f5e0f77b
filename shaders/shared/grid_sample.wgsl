// Which pixels a position is between, with which weights.
const NEAREST: u32 = 0u;
const BILINEAR: u32 = 1u;
const BICUBIC: u32 = 2u;

const ZEROS: u32 = 0u;
const BORDER: u32 = 1u;
const REFLECTION: u32 = 2u;

override MODE: u32 = BILINEAR;
override PADDING: u32 = ZEROS;
override ALIGN_CORNERS: u32 = 0u;
// Pixels along an axis.
fn tap_count() -> i32 {
    if MODE == NEAREST {
        return 1;
    }
    return select(2, 4, MODE == BICUBIC);
}

// The number of the first tap along an axis of `size` pixels, and the part of a pixel beyond the one below, for a
// position from -1 to 1.
fn place(position: f32, size: u32) -> vec2<f32> {
    let last = f32(size) - 1.0;
    var x = ((position + 1.0) * f32(size) - 1.0) * 0.5;
    var beyond = 0.5;
    if ALIGN_CORNERS != 0u {
        x = (position + 1.0) * 0.5 * last;
        beyond = 0.0;
    }
    // Of a bicubic sample, each tap is moved instead.
    if PADDING == BORDER && MODE != BICUBIC && (x < -beyond || x > last + beyond) {
        x = clamp(x, 0.0, last);
    }
    // Beyond every map, and within 32-bit integers, even where the position is infinite or NaN.
    x = clamp(x, -268435456.0, 268435456.0);
    if MODE == NEAREST {
        // Halves are rounded to even numbers.
        return vec2<f32>(round(x), 0.0);
    }
    let below = floor(x);
    return vec2<f32>(select(below, below - 1.0, MODE == BICUBIC), x - below);
}

fn weight(tap: i32, part: f32) -> f32 {
    if MODE == NEAREST {
        return 1.0;
    }
    if MODE == BILINEAR {
        return select(1.0 - part, part, tap == 1);
    }
    // Keys 1981, equation 4.
    let a = -0.75;
    let d = abs(f32(tap) - 1.0 - part);
    let near = ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    let far = ((d - 5.0) * d + 8.0) * d * a - 4.0 * a;
    return select(far, near, d <= 1.0);
}

// The pixel with the number `i`; negative for one of zeros.
fn source(i: i32, size: i32) -> i32 {
    if PADDING == BORDER {
        return clamp(i, 0, size - 1);
    }
    if PADDING == REFLECTION {
        // The pixels at the edges are mirrored too where their outer edges are the mirrors.
        var twice = 1;
        if ALIGN_CORNERS != 0u {
            twice = 0;
        }
        let period = max(2 * (size - 1 + twice), 1);
        // Of negative numbers, GLSL defines no remainder.
        let place = select(i, -twice - i, i < 0) % period;
        return min(place, period - twice - place);
    }
    return select(-1, i, i >= 0 && i < size);
}
