// Reduction over the channels. An invocation computes one pixel.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/reduce

struct Params {
    input: TensorView,
    output: TensorView,
    // The channels that this dispatch has. Every dispatch but the first adds to the output.
    first: u32,
    end: u32,
}

override ACCUMULATE: u32 = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let pixel = flat_index(id, workgroups);
    if pixel >= params.output.pixels {
        return;
    }
    let source = element_of_pixel(params.input, pixel);
    // All lanes carry the same value; only the first is stored.
    var result = vec4<f32>(unpack_element(input[source + params.first / 4u])[params.first % 4u]);
    for (var channel = params.first + 1u; channel < params.end; channel++) {
        let value = unpack_element(input[source + channel / 4u])[channel % 4u];
        result = reduce(result, vec4<f32>(value));
    }
    if OPERATION == MEAN {
        result /= f32(params.input.channels);
    }
    let destination = element_of_pixel(params.output, pixel);
    if ACCUMULATE != 0u {
        result = reduce(unpack_element(output[destination]), result);
    }
    output[destination] =
        pack_element(vec4<f32>(result.x, 0.0, 0.0, 0.0));
}
