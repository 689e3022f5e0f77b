// Convolution whose sums over K are split between workgroups, step 2 of 2: adds the parts that `conv2d_tiled` has
// computed, in order, then the epilogue.
//
//   invocation    an element of the output: four channels of a pixel
//   input         [part][pixel][out / 4], float32
//   output        NHWC, [out / 4] elements per pixel
#import element
#import shared/tensor_view
#import shared/grid
#import shared/epilogue

struct Params {
    output: TensorView,
    epilogue: EpilogueParams,
    // The first element of the parts, and their number.
    first: u32,
    parts: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> residual: array<Element>;
@group(0) @binding(4) var<storage, read_write> output: array<Element>;

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
    var sum = bias[c4_index];
    var at = params.first + index;
    for (var part = 0u; part < params.parts; part++) {
        sum += input[at];
        at += params.output.pixels * params.output.c4;
    }
    let value = apply_epilogue(sum, pixel_position(params.output, pixel), c4_index);
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(value);
}
