// Reduction over bins that together cover the input: over all of height and width, or adaptive average
// pooling. A workgroup computes ELEMENTS elements of one output pixel; PARTS invocations share the bin of each
// element.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/prologue
#import shared/reduce
#import reduction

override ACCUMULATE: u32 = 0u;

const ELEMENTS: u32 = 8u;
const PARTS: u32 = 8u;

struct Params {
    input: TensorView,
    output: TensorView,
    prologue_slope: f32,
    // The pixels of each bin that this dispatch has. Every dispatch but the first adds to the output.
    first: u32,
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> prologue: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;

fn load(n: u32, position: vec2<u32>, c4_index: u32) -> vec4<f32> {
    return apply_prologue(unpack_element(input[element_at(params.input, n, position.x, position.y) + c4_index]), c4_index);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    invocation: Invocation,
) {
    let index = index_of(invocation);
    let part = index / ELEMENTS;
    let workgroups_per_pixel = (params.output.c4 + ELEMENTS - 1u) / ELEMENTS;
    let flat_workgroup = workgroup.y * workgroups.x + workgroup.x;
    let pixel = flat_workgroup / workgroups_per_pixel;
    let c4_index = (flat_workgroup % workgroups_per_pixel) * ELEMENTS + index % ELEMENTS;
    let inside = pixel < params.output.pixels && c4_index < params.output.c4;

    let position = pixel_position(params.output, min(pixel, params.output.pixels - 1u));
    let size = vec2<u32>(params.input.height, params.input.width);
    let bins = vec2<u32>(params.output.height, params.output.width);
    let start = position.yz * size / bins;
    let end = ((position.yz + 1u) * size + bins - 1u) / bins;
    let extent = end - start;
    let count = extent.x * extent.y;

    var result = vec4<f32>();
    if inside {
        if OPERATION == MAX || OPERATION == MIN {
            // Maximum and minimum have no neutral element: start from the first value, which may repeat.
            result = load(position.x, start, c4_index);
        }
        if OPERATION == PROD {
            result = vec4<f32>(1.0);
        }
        let end = min(count, params.first + params.len);
        let first = params.first + part;
        // The loop adds rows and columns, and does not divide.
        let step = vec2<u32>(PARTS / extent.y, PARTS % extent.y);
        var at = vec2<u32>(first / extent.y, first % extent.y);
        for (var i = first; i < end; i += PARTS) {
            result = reduce(result, load(position.x, start + at, c4_index));
            at += step;
            if at.y >= extent.y {
                at += vec2<u32>(1u, 0u - extent.y);
            }
        }
    }
    result = reduce_workgroup(result, ELEMENTS, invocation);
    if part == 0u && inside {
        if OPERATION == MEAN {
            result /= f32(count);
        }
        let destination = element_of_pixel(params.output, pixel) + c4_index;
        if ACCUMULATE != 0u {
            result = reduce(unpack_element(output[destination]), result);
        }
        output[destination] =
            pack_element(zero_unused_lanes(result, c4_index, params.output.channels));
    }
}
