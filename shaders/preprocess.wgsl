// Converts a texture to one image of a network's input, NCHW float32: resized, cropped and normalized.
//
// The arithmetic is the fixed point of `src/vision/resize.rs`, because networks were trained on images resized
// so: each row of a pixel's support is summed and rounded to bytes, then those bytes are summed along the
// column. An invocation computes a strip of pixels in a column; their supports overlap, and what they share is
// read once.
#import shared/grid

// 1 where the texture has linear light, to be encoded as sRGB.
override LINEAR: u32 = 0u;
// 1 where texels may have any value, including infinity and NaN, rather than 0 to 1.
override FLOAT: u32 = 0u;
// 1 where red stands for all three channels.
override GREY: u32 = 0u;
// Channels of the network's input.
override CHANNELS: u32 = 3u;

// The most pixels per invocation.
const STRIP: u32 = 4u;
// As in `src/vision/resize.rs`.
const PRECISION_BITS: u32 = 22u;
const HALF: i32 = 2097152;

struct Axis {
    // The length of the network's input along this axis, and where the image begins in it and how long it is.
    whole: u32,
    padding: u32,
    len: u32,
    // Where in `tables` this axis begins: the first source pixel of each of `len` pixels, then their numbers of
    // taps, then the weights of all first taps, of all second taps, and so on.
    table: u32,
}

struct Params {
    x: Axis,
    y: Axis,
    // Pixels per invocation, up to STRIP.
    strip: u32,
    // Where in `tables` the normalized values of bytes begin, 256 per channel.
    normalized: u32,
    // Where the image begins in `output`, in floats.
    offset: u32,
    // 1 where the input's channels are in the opposite order of the texture's.
    reversed: u32,
    // The background's byte of each channel of the texture.
    background: vec4<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tables: array<i32>;
@group(0) @binding(2) var source: texture_2d<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

fn encode_srgb(light: vec3<f32>) -> vec3<f32> {
    let low = 12.92 * light;
    let high = 1.055 * pow(light, vec3<f32>(1.0 / 2.4)) - 0.055;
    return select(high, low, light <= vec3<f32>(0.0031308));
}

fn texel_bytes(at: vec2<u32>) -> vec3<i32> {
    let texel = textureLoad(source, at, 0);
    var value = texel.rgb;
    if GREY == 1u {
        value = texel.rrr;
    }
    if FLOAT == 1u {
        // NaN becomes black. It is tested by its bits, since drivers may assume that there is no NaN.
        let is_nan = (bitcast<vec3<u32>>(value) & vec3<u32>(0x7fffffffu)) > vec3<u32>(0x7f800000u);
        value = clamp(select(value, vec3<f32>(), is_nan), vec3<f32>(), vec3<f32>(1.0));
    }
    if LINEAR == 1u {
        value = encode_srgb(value);
    }
    let bytes = vec3<i32>(255.0 * value + 0.5);
    if CHANNELS == 1u {
        // Luma as in `src/vision/preprocess.rs`.
        let luma = (19595 * bytes.r + 38470 * bytes.g + 7471 * bytes.b + 32768) >> 16u;
        return vec3<i32>(luma);
    }
    return bytes;
}

fn to_bytes(sum: vec3<i32>) -> vec3<i32> {
    return clamp(sum >> vec3<u32>(PRECISION_BITS), vec3<i32>(), vec3<i32>(255));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let column = index % params.x.whole;
    let top = (index / params.x.whole) * params.strip;
    if top >= params.y.whole {
        return;
    }
    // Columns left of the image wrap around, and fail the same comparison as those right of it.
    let x = column - params.x.padding;
    let has_column = x < params.x.len;

    // The source rows of each pixel, and the range of all of them.
    var starts = array<u32, STRIP>();
    var counts = array<u32, STRIP>();
    var sums = array<vec3<i32>, STRIP>();
    var first_row = 0xffffffffu;
    var end_row = 0u;
    for (var i = 0u; i < STRIP; i++) {
        sums[i] = vec3<i32>(HALF);
        let y = top + i - params.y.padding;
        if has_column && i < params.strip && y < params.y.len {
            starts[i] = u32(tables[params.y.table + y]);
            counts[i] = u32(tables[params.y.table + params.y.len + y]);
            first_row = min(first_row, starts[i]);
            end_row = max(end_row, starts[i] + counts[i]);
        }
    }

    var first_column = 0u;
    var taps = 0u;
    if has_column {
        first_column = u32(tables[params.x.table + x]);
        taps = u32(tables[params.x.table + params.x.len + x]);
    }
    // For a strip that begins above the image this wraps around; the index of a pixel within the image is
    // correct again.
    let row_weights = params.y.table + 2u * params.y.len + top - params.y.padding;
    let column_weights = params.x.table + 2u * params.x.len + x;
    // The texture may be smaller than the tables assume, where the caller gave a wrong size.
    let last = textureDimensions(source) - vec2<u32>(1u);
    // Two rows at a time, which share the column weights.
    for (var row = first_row; row < end_row; row += 2u) {
        let rows = min(vec2<u32>(row, row + 1u), last.yy);
        var upper = vec3<i32>(HALF);
        var lower = vec3<i32>(HALF);
        for (var tap = 0u; tap < taps; tap++) {
            let weight = tables[column_weights + tap * params.x.len];
            let source_column = min(first_column + tap, last.x);
            upper += weight * texel_bytes(vec2<u32>(source_column, rows.x));
            lower += weight * texel_bytes(vec2<u32>(source_column, rows.y));
        }
        upper = to_bytes(upper);
        lower = to_bytes(lower);
        for (var i = 0u; i < STRIP; i++) {
            // Rows before a pixel's first wrap around, and fail the comparison with its taps.
            let tap = row - starts[i];
            let weight = row_weights + tap * params.y.len + i;
            if tap < counts[i] {
                sums[i] += tables[weight] * upper;
            }
            if tap + 1u < counts[i] {
                sums[i] += tables[weight + params.y.len] * lower;
            }
        }
    }

    let plane = params.x.whole * params.y.whole;
    for (var i = 0u; i < STRIP; i++) {
        let y = top + i;
        if i < params.strip && y < params.y.whole {
            let is_in_image = has_column && y - params.y.padding < params.y.len;
            let pixel = select(vec3<i32>(params.background.rgb), to_bytes(sums[i]), is_in_image);
            for (var channel = 0u; channel < CHANNELS; channel++) {
                let component = select(channel, CHANNELS - 1u - channel, params.reversed != 0u);
                let value = tables[params.normalized + 256u * channel + u32(pixel[component])];
                output[params.offset + channel * plane + y * params.x.whole + column] =
                    bitcast<f32>(value);
            }
        }
    }
}
