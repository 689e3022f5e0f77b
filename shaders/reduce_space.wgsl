// A reduction over windows that cover the input between them: over all of height and width, or adaptive
// average pooling. A workgroup answers 8 elements of one output pixel; 8 invocations share the window
// of each.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/prologue
#import shared/reduce
#import reduction

const ELEMENTS: u32 = 8u;
const PARTS: u32 = 8u;

struct Params {
    input: TensorView,
    output: TensorView,
    prologue_slope: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> prologue: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;

fn load(n: u32, at: vec2<u32>, group: u32) -> vec4<f32> {
    return enter(unpack_element(input[element_at(params.input, n, at.x, at.y) + group]), group);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    invocation: Invocation,
) {
    let index = index_of(invocation);
    let part = index / ELEMENTS;
    let blocks = (params.output.groups + ELEMENTS - 1u) / ELEMENTS;
    let block = workgroup.y * workgroups.x + workgroup.x;
    let pixel = block / blocks;
    let group = (block % blocks) * ELEMENTS + index % ELEMENTS;
    let inside = pixel < params.output.pixels && group < params.output.groups;

    let at = position_of(params.output, min(pixel, params.output.pixels - 1u));
    let size = vec2<u32>(params.input.height, params.input.width);
    let bins = vec2<u32>(params.output.height, params.output.width);
    let start = at.yz * size / bins;
    let end = ((at.yz + 1u) * size + bins - 1u) / bins;
    let extent = end - start;
    let count = extent.x * extent.y;

    var result = vec4<f32>();
    if inside {
        if OPERATION == MAX || OPERATION == MIN {
            // Of nothing there is no extreme; the first counts as often as one likes.
            result = load(at.x, start, group);
        }
        for (var i = part; i < count; i += PARTS) {
            let value = load(at.x, start + vec2<u32>(i / extent.y, i % extent.y), group);
            result = reduce(result, value);
        }
    }
    result = reduce_workgroup(result, ELEMENTS, invocation);
    if part == 0u && inside {
        if OPERATION == MEAN {
            result /= f32(count);
        }
        output[element_of(params.output, pixel) + group] =
            pack_element(zero_unused_lanes(result, group, params.output.channels));
    }
}
