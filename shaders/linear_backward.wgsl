// The gradient through a fully connected layer of few rows, by the weights that `linear.wgsl` reads:
// [out / 4][in], four output features to an element. A workgroup answers ELEMENTS elements of one row,
// each a sum over all output features, which its invocations split; neighbours read neighbouring
// weights. Each dispatch holds the output groups from `first_group` on, and all but the first add.
#import element
#import shared/map
#import shared/grid
#import shared/reduce
#import reduction

// Elements of four input features a workgroup, and the invocations for one group of output features.
const ELEMENTS: u32 = 2u;
const ACROSS: u32 = ELEMENTS * 4u;

struct Params {
    gradient: Map,
    output: Map,
    first_group: u32,
    // Output groups of this dispatch.
    groups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read> weight: array<Element>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    invocation: Invocation,
) {
    let index = index_of(invocation);
    // Sums meet by their number modulo ELEMENTS, so that is which element it is; then comes which of
    // its lanes.
    let block = workgroup.y * workgroups.x + workgroup.x;
    let element = block * ELEMENTS + index % ELEMENTS;
    let lane = index / ELEMENTS % 4u;
    // What is left over redoes the last, since a barrier may not stand behind a return.
    let feature = min(element, params.output.groups - 1u) * 4u + lane;
    let row = workgroup.z;
    let source = element_of(params.gradient, row) + params.first_group;
    let features = params.output.groups * 4u;

    var sum = 0.0;
    for (var group = index / ACROSS; group < params.groups; group += WORKGROUP / ACROSS) {
        let value = unpack_element(gradient[source + group]);
        sum += dot(unpack_element(weight[group * features + feature]), value);
    }
    let own = select(vec4<f32>(), vec4<f32>(sum), vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(lane));
    var total = reduce_workgroup(own, ELEMENTS, invocation);
    if index < ELEMENTS && element < params.output.groups {
        let at = element_of(params.output, row) + element;
        if params.first_group > 0u {
            total += unpack_element(output[at]);
        }
        output[at] = pack_element(total);
    }
}
