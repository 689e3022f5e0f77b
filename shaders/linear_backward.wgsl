// Gradient of a fully connected layer with respect to its input, for few rows.
//
//   M          rows of the gradient (the batch)
//   N          input row_stride of the layer
//   K          output row_stride of the layer
//   workgroup  M = 1 row, N = 4 * ELEMENTS input row_stride; its invocations split K, 64 / ELEMENTS ways, and
//              reduce their sums
//   weights    as `linear.wgsl` reads them: [out / 4][in], four output row_stride per element; neighboring
//              invocations read neighboring weights
//
// A dispatch has the weights of the layer's output elements from `first_output_c4` on, and every dispatch but
// the first adds to the sum.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/reduce
#import reduction

// Elements of four input row_stride per workgroup.
const ELEMENTS: u32 = 4u;

struct Params {
    gradient: TensorView,
    output: TensorView,
    first_output_c4: u32,
    // Output elements of the layer in this dispatch.
    output_c4: u32,
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
    let flat_workgroup = workgroup.y * workgroups.x + workgroup.x;
    let element = flat_workgroup * ELEMENTS + index % ELEMENTS;
    // Surplus invocations repeat the last element, since a barrier must not follow a return.
    let first = min(element, params.output.c4 - 1u) * 4u;
    let row = workgroup.z;
    let source = element_of_pixel(params.gradient, row) + params.first_output_c4;
    let row_stride = params.output.c4 * 4u;

    var sum = vec4<f32>();
    for (var k4 = index / ELEMENTS; k4 < params.output_c4; k4 += WORKGROUP / ELEMENTS) {
        let value = unpack_element(gradient[source + k4]);
        let at = k4 * row_stride + first;
        sum += vec4<f32>(
            dot(unpack_element(weight[at]), value),
            dot(unpack_element(weight[at + 1u]), value),
            dot(unpack_element(weight[at + 2u]), value),
            dot(unpack_element(weight[at + 3u]), value),
        );
    }
    sum = reduce_workgroup(sum, ELEMENTS, invocation);
    if index < ELEMENTS && element < params.output.c4 {
        let at = element_of_pixel(params.output, row) + element;
        if params.first_output_c4 > 0u {
            sum += unpack_element(output[at]);
        }
        output[at] = pack_element(sum);
    }
}
