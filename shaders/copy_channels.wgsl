// Copies a range of channels of the input to a range of channels of the output: one input of a concatenation,
// or a slice. The ranges need not begin at a multiple of 4: an output element shared with an earlier copy is
// read first and its other lanes are kept.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
    // The first channel in the input and in the output, and the number of channels.
    first_input: u32,
    first_output: u32,
    count: u32,
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
    let first_c4 = params.first_output / 4u;
    let copied_c4 = (params.first_output + params.count - 1u) / 4u - first_c4 + 1u;
    let pixel = index / copied_c4;
    let c4_index = first_c4 + index % copied_c4;
    if pixel >= params.output.pixels {
        return;
    }
    let destination = element_of_pixel(params.output, pixel) + c4_index;
    let source = element_of_pixel(params.input, pixel);
    var value = vec4<f32>();
    // Only the first element can have lanes of an earlier input.
    if c4_index * 4u < params.first_output {
        value = unpack_element(output[destination]);
    }
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = c4_index * 4u + lane;
        if channel >= params.first_output {
            let copied = channel - params.first_output;
            if copied < params.count {
                let channel_in = params.first_input + copied;
                value[lane] = unpack_element(input[source + channel_in / 4u])[channel_in % 4u];
            } else {
                // Later inputs overwrite these lanes; after the last input, unused lanes are zero.
                value[lane] = 0.0;
            }
        }
    }
    output[destination] = pack_element(value);
}
