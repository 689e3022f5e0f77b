// Adaptive (and so global) average pooling. A workgroup answers 8 elements of one output pixel;
// 8 invocations share the window of each and add their sums up.
#import element
#import shared/map
#import shared/grid
#import shared/prologue

const ELEMENTS: u32 = 8u;
const PARTS: u32 = 8u;

struct Params {
    input: Map,
    output: Map,
    prologue_slope: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> prologue: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;

var<workgroup> sums: array<vec4<f32>, 64>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let part = local / ELEMENTS;
    let blocks = (params.output.groups + ELEMENTS - 1u) / ELEMENTS;
    let index = workgroup.y * workgroups.x + workgroup.x;
    let pixel = index / blocks;
    let group = (index % blocks) * ELEMENTS + local % ELEMENTS;
    let inside = pixel < params.output.pixels && group < params.output.groups;

    let at = position_of(params.output, min(pixel, params.output.pixels - 1u));
    let size = vec2<u32>(params.input.height, params.input.width);
    let bins = vec2<u32>(params.output.height, params.output.width);
    let start = at.yz * size / bins;
    let end = ((at.yz + 1u) * size + bins - 1u) / bins;
    let extent = end - start;
    let count = extent.x * extent.y;

    var sum = vec4<f32>();
    if inside {
        for (var i = part; i < count; i += PARTS) {
            let y = start.x + i / extent.y;
            let x = start.y + i % extent.y;
            let element = input[element_at(params.input, at.x, y, x) + group];
            sum += enter(unpack_element(element), group);
        }
    }
    sums[local] = sum;
    workgroupBarrier();
    if part == 0u && inside {
        for (var i = 1u; i < PARTS; i++) {
            sum += sums[local + i * ELEMENTS];
        }
        output[element_of(params.output, pixel) + group] =
            pack_element(zero_unused_lanes(sum / f32(count), group, params.output.channels));
    }
}
