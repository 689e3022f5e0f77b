// Some channels of the input to some channels of the output: an input of a concatenation, or a
// slice. Channels need not start at a multiple of 4: an element shared with what was copied before
// is read, and its other lanes kept.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
    // The first channel on both sides, and how many.
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
    let first_group = params.first_output / 4u;
    let groups = (params.first_output + params.count - 1u) / 4u - first_group + 1u;
    let pixel = index / groups;
    let group = first_group + index % groups;
    if pixel >= params.output.pixels {
        return;
    }
    let destination = element_of(params.output, pixel) + group;
    let source = element_of(params.input, pixel);
    var value = vec4<f32>();
    // Only the first element can hold lanes of an earlier input.
    if group * 4u < params.first_output {
        value = unpack_element(output[destination]);
    }
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = group * 4u + lane;
        if channel >= params.first_output {
            let copied = channel - params.first_output;
            if copied < params.count {
                let channel_in = params.first_input + copied;
                value[lane] = unpack_element(input[source + channel_in / 4u])[channel_in % 4u];
            } else {
                // Later inputs overwrite it; after the last, unused lanes are zero.
                value[lane] = 0.0;
            }
        }
    }
    output[destination] = pack_element(value);
}
