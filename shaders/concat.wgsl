// One input of a concatenation into its channels of the output. Channels need not start at a
// multiple of 4: an element shared with the input before is read, and its other lanes kept.
#import element
#import shared/map
#import shared/grid

struct Params {
    input: Map,
    output: Map,
    // The output channel of the input's first.
    first_channel: u32,
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
    let first_group = params.first_channel / 4u;
    let last_group = (params.first_channel + params.input.channels - 1u) / 4u;
    let groups = last_group - first_group + 1u;
    let pixel = index / groups;
    let group = first_group + index % groups;
    if pixel >= params.output.pixels {
        return;
    }
    let target_element = element_of(params.output, pixel) + group;
    let source = element_of(params.input, pixel);
    var value = vec4<f32>();
    // Only the first element can hold lanes of an earlier input.
    if group * 4u < params.first_channel {
        value = unpack_element(output[target_element]);
    }
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = group * 4u + lane;
        if channel >= params.first_channel {
            let inner = channel - params.first_channel;
            if inner < params.input.channels {
                let element = unpack_element(input[source + inner / 4u]);
                value[lane] = element[inner % 4u];
            } else {
                // Later inputs overwrite it; after the last, unused lanes are zero.
                value[lane] = 0.0;
            }
        }
    }
    output[target_element] = pack_element(value);
}
