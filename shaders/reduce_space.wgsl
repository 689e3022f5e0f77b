// A reduction over height and width. A workgroup answers 8 elements of one image; 8 invocations
// share the pixels of each.
#import element
#import shared/map
#import shared/grid
#import shared/reduce

const ELEMENTS: u32 = 8u;
const PARTS: u32 = 8u;

struct Params {
    input: Map,
    output: Map,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

var<workgroup> partial: array<vec4<f32>, 64>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let part = local / ELEMENTS;
    let blocks = (params.output.groups + ELEMENTS - 1u) / ELEMENTS;
    let index = workgroup.y * workgroups.x + workgroup.x;
    let image = index / blocks;
    let group = (index % blocks) * ELEMENTS + local % ELEMENTS;
    let inside = image < params.output.batch && group < params.output.groups;
    let plane = params.input.height * params.input.width;
    // Parts beyond the pixels start with the first again, and are left out below.
    let start = select(0u, part, part < plane);

    var result = vec4<f32>();
    if inside {
        let first = image * plane;
        result = unpack_element(input[element_of(params.input, first + start) + group]);
        for (var i = start + PARTS; i < plane; i += PARTS) {
            let element = input[element_of(params.input, first + i) + group];
            result = reduce(result, unpack_element(element));
        }
    }
    partial[local] = result;
    workgroupBarrier();
    if part == 0u && inside {
        for (var i = 1u; i < min(PARTS, plane); i++) {
            result = reduce(result, partial[local + i * ELEMENTS]);
        }
        if OPERATION == MEAN {
            result /= f32(plane);
        }
        output[element_of(params.output, image) + group] = pack_element(result);
    }
}
