// Max and average pooling, and the norms of windows.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/nan
#import shared/pow
#import shared/sum_part

const MAX: u32 = 0u;
const AVERAGE: u32 = 1u;
const LP: u32 = 2u;

override OPERATION: u32 = MAX;

struct Params {
    input: TensorView,
    output: TensorView,
    part: SumPart,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    dilation: vec2<u32>,
    // Top and left, then bottom and right. Negative (wrapped around) where cropped.
    padding: vec2<u32>,
    padding_after: vec2<u32>,
    count_include_pad: u32,
    // The result of a window without pixels: minus infinity for a maximum.
    empty: f32,
    // The value of taps outside the input.
    outside: f32,
    // The power of magnitudes that are summed, and that of the sum.
    exponent: f32,
    root: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let pixel = index / params.output.c4;
    let c4_index = index % params.output.c4;
    if pixel >= params.output.pixels {
        return;
    }
    let position = pixel_position(params.output, pixel);
    let size = vec2<u32>(params.input.height, params.input.width);
    // `start` is in padded coordinates. `first` wraps around above and left of the input, and then fails the
    // comparison with its size.
    let start = position.yz * params.stride;
    let first = start - params.padding;
    var result = vec4<f32>(params.empty);
    let end_tap = params.part.first + params.part.len;
    for (var ky = params.part.first.x; ky < end_tap.x; ky++) {
        let y = first.x + ky * params.dilation.x;
        for (var kx = params.part.first.y; kx < end_tap.y; kx++) {
            let x = first.y + kx * params.dilation.y;
            var value = vec4<f32>(params.outside);
            if y < size.x && x < size.y {
                value = unpack_element(input[element_at(params.input, position.x, y, x) + c4_index]);
            }
            if OPERATION == AVERAGE {
                result += value;
            } else if OPERATION == LP {
                result += power_or_nan(abs(value), params.exponent);
            } else {
                result = max_or_nan(result, value);
            }
        }
    }
    if OPERATION == AVERAGE {
        var count = taps_inside(first.x, params.kernel.x, params.dilation.x, size.x)
            * taps_inside(first.y, params.kernel.y, params.dilation.y, size.y);
        if params.count_include_pad != 0u {
            // The taps inside the padded input: what ceil mode adds beyond does not count.
            let room = size + params.padding + params.padding_after - start;
            let taps = min(params.kernel, (room + params.dilation - 1u) / params.dilation);
            count = taps.x * taps.y;
        }
        // A dilated window may have no tap inside.
        result /= f32(max(count, 1u));
    }
    let destination = element_of_pixel(params.output, pixel) + c4_index;
    if ACCUMULATE != 0u {
        let others = unpack_element(output[destination]);
        if OPERATION == AVERAGE {
            result += others;
        } else if OPERATION == LP {
            // The norm of the windows' other part: float16 may not hold its power.
            result += power_or_nan(others, params.exponent);
        } else {
            result = select(others, result, (result > others) | is_nan(result));
        }
    }
    if OPERATION == LP {
        result = power_or_nan(result, params.root);
    }
    output[destination] = pack_element(zero_unused_lanes(result, c4_index, params.output.channels));
}

fn power_or_nan(x: vec4<f32>, exponent: f32) -> vec4<f32> {
    return select(power(x, vec4<f32>(exponent)), x, is_nan(x) | vec4<bool>(exponent == 1.0));
}

// How many of `count` taps, `dilation` apart from `first` on, are within the input along one axis. `first` wraps
// around above and left of the input.
fn taps_inside(first: u32, count: u32, dilation: u32, size: u32) -> u32 {
    let start = i32(first);
    let before = (max(-start, 0) + i32(dilation) - 1) / i32(dilation);
    let end = (max(i32(size) - start, 0) + i32(dilation) - 1) / i32(dilation);
    return u32(max(min(end, i32(count)) - before, 0));
}
