// A host's texture into one image of a network's input, NCHW float32: resized, cropped, normalised.
//
// In the fixed point of `src/vision/resize.rs`, for networks were trained on these bytes: the rows of a
// pixel's support are summed up one by one and rounded to bytes, then those bytes are. An invocation
// answers some pixels of a column, whose supports overlap: what they share is read once.
#import shared/grid

// Whether what is read is linear light, to be encoded as sRGB. Whether it can be anything, infinite or
// NaN, and not only from 0 to 1. Whether red stands for all three channels. Channels of the network.
override LINEAR: u32 = 0u;
override FLOAT: u32 = 0u;
override GREY: u32 = 0u;
override CHANNELS: u32 = 3u;

// The most pixels that an invocation answers.
const STRIP: u32 = 4u;
// See `PRECISION_BITS` and `HALF` there.
const PRECISION_BITS: u32 = 22u;
const HALF: i32 = 2097152;

struct Axis {
    // Of the input: its length, and where the picture lies in it.
    whole: u32,
    padding: u32,
    len: u32,
    // In `tables`: each pixel's first source pixel, `len` of them, the numbers of taps, then the weights
    // of first taps, of second ones, and so on.
    table: u32,
}

struct Params {
    x: Axis,
    y: Axis,
    // Pixels an invocation, up to STRIP.
    strip: u32,
    // In `tables`: what each byte becomes, 256 a channel.
    normalised: u32,
    // Where the image begins in `output`.
    offset: u32,
    unused: u32,
    // A byte for each channel.
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
        // By its bits, since drivers may assume that there is no NaN. It is no colour: black.
        let is_nan = (bitcast<vec3<u32>>(value) & vec3<u32>(0x7fffffffu)) > vec3<u32>(0x7f800000u);
        value = clamp(select(value, vec3<f32>(), is_nan), vec3<f32>(), vec3<f32>(1.0));
    }
    if LINEAR == 1u {
        value = encode_srgb(value);
    }
    let bytes = vec3<i32>(255.0 * value + 0.5);
    if CHANNELS == 1u {
        // Luma as `greyscale` in `src/vision/preprocess.rs` has it.
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
    // What lies before the picture wraps around, and so is beyond it.
    let x = column - params.x.padding;
    let has_column = x < params.x.len;

    // The source rows of each pixel, and those of all of them.
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
    // As if the strip began in the picture: wraps around where it does not, and is right again for pixels
    // that do.
    let row_weights = params.y.table + 2u * params.y.len + top - params.y.padding;
    let column_weights = params.x.table + 2u * params.x.len + x;
    // The view may show less than the tables are for, if the host said something else of it.
    let last = textureDimensions(source) - vec2<u32>(1u);
    // Two rows at a time, which share the weights of columns.
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
            // Rows before a pixel's first wrap around, too.
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
            let has_picture = has_column && y - params.y.padding < params.y.len;
            let pixel = select(vec3<i32>(params.background.rgb), to_bytes(sums[i]), has_picture);
            for (var channel = 0u; channel < CHANNELS; channel++) {
                let value = tables[params.normalised + 256u * channel + u32(pixel[channel])];
                output[params.offset + channel * plane + y * params.x.whole + column] =
                    bitcast<f32>(value);
            }
        }
    }
}
