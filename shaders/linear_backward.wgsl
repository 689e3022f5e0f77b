// The gradient through a fully connected layer of few rows, by the weights that `linear.wgsl` reads:
// [out / 4][in], four output features to an element. A workgroup answers ELEMENTS elements of one row,
// each a sum over all output features, which its invocations split; neighbours read neighbouring
// weights. Each dispatch holds the output groups from `first_group` on, and all but the first add.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/reduce
#import reduction

// Elements of four input features a workgroup.
const ELEMENTS: u32 = 4u;

struct Params {
    gradient: TensorView,
    output: TensorView,
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
    let block = workgroup.y * workgroups.x + workgroup.x;
    let element = block * ELEMENTS + index % ELEMENTS;
    // What is left over redoes the last, since a barrier may not stand behind a return.
    let first = min(element, params.output.groups - 1u) * 4u;
    let row = workgroup.z;
    let source = element_of(params.gradient, row) + params.first_group;
    let features = params.output.groups * 4u;

    var sum = vec4<f32>();
    for (var group = index / ELEMENTS; group < params.groups; group += WORKGROUP / ELEMENTS) {
        let value = unpack_element(gradient[source + group]);
        let at = group * features + first;
        sum += vec4<f32>(
            dot(unpack_element(weight[at]), value),
            dot(unpack_element(weight[at + 1u]), value),
            dot(unpack_element(weight[at + 2u]), value),
            dot(unpack_element(weight[at + 3u]), value),
        );
    }
    sum = reduce_workgroup(sum, ELEMENTS, invocation);
    if index < ELEMENTS && element < params.output.groups {
        let at = element_of(params.output, row) + element;
        if params.first_group > 0u {
            sum += unpack_element(output[at]);
        }
        output[at] = pack_element(sum);
    }
}
