// Group, layer and instance normalization. The variance is the mean of squared differences from the mean, in a
// second pass over the values: the difference of two means of large squares would keep few digits.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/activation
#import shared/channel_groups
#import reduction

struct Params {
    input: TensorView,
    output: TensorView,
    pixels: u32,
    group_channels: u32,
    block_c4: u32,
    eps: f32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
// Each element's weights and biases side by side; any buffer where there are none.
@group(0) @binding(2) var<storage, read> affine: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    invocation: Invocation,
) {
    let team = team_of(invocation);
    let flat_workgroup = workgroup.y * workgroups.x + workgroup.x;
    let block = block_of(flat_workgroup * team.teams + team.team);

    var mean = vec4<f32>();
    if CENTERED != 0u {
        var sum = vec4<f32>();
        for (var i = team.member; i < block.elements; i += team.members) {
            let value = unpack_element(input[element_of_block(params.input, block, i)]);
            sum += add_by_group(value, i % block.c4);
        }
        mean = mean_of(reduce_team(sum, invocation));
        between_reductions();
    }

    var squares = vec4<f32>();
    for (var i = team.member; i < block.elements; i += team.members) {
        let c4_index = i % block.c4;
        let value = unpack_element(input[element_of_block(params.input, block, i)]);
        let difference = value - by_channel(mean, c4_index);
        let square = zero_unused_lanes(difference * difference, block.first_c4 + c4_index, params.input.channels);
        squares += add_by_group(square, c4_index);
    }
    let variance = mean_of(reduce_team(squares, invocation));
    let factor = 1.0 / sqrt(variance + params.eps);

    for (var i = team.member; i < block.elements; i += team.members) {
        let c4_index = i % block.c4;
        let difference =
            unpack_element(input[element_of_block(params.input, block, i)]) - by_channel(mean, c4_index);
        var value = difference * by_channel(factor, c4_index);
        let channels = block.first_c4 + c4_index;
        if AFFINE != 0u {
            value = value * affine[channels * 2u] + affine[channels * 2u + 1u];
        }
        value = activate(value, params.slope);
        output[element_of_block(params.output, block, i)] =
            pack_element(zero_unused_lanes(value, channels, params.output.channels));
    }
}
