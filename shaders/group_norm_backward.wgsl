// Gradient of group, layer and instance normalization. With `g` the gradient times the weight, `z` the normalized
// input and means over each group: `(g - mean(g) - z * mean(g * z)) / sqrt(variance + eps)`.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/channel_groups
#import reduction

struct Params {
    gradient: TensorView,
    input: TensorView,
    output: TensorView,
    pixels: u32,
    group_channels: u32,
    block_c4: u32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read> input: array<Element>;
// As in `group_norm.wgsl`.
@group(0) @binding(3) var<storage, read> affine: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    invocation: Invocation,
) {
    let team = team_of(invocation);
    let flat_workgroup = workgroup.y * workgroups.x + workgroup.x;
    let block = block_of(flat_workgroup * team.teams + team.team);

    // The means of the input and of the gradient, of which only those that are subtracted are needed.
    var mean = vec4<f32>();
    var gradient_mean = vec4<f32>();
    if CENTERED != 0u {
        var sum = vec4<f32>();
        var gradient_sum = vec4<f32>();
        for (var i = team.member; i < block.elements; i += team.members) {
            let value = unpack_element(input[element_of_block(params.input, block, i)]);
            sum += add_by_group(value, i % block.c4);
            gradient_sum += add_by_group(weighted_gradient(block, i), i % block.c4);
        }
        mean = mean_of(reduce_team(sum, invocation));
        between_reductions();
        gradient_mean = mean_of(reduce_team(gradient_sum, invocation));
        between_reductions();
    }

    var squares = vec4<f32>();
    for (var i = team.member; i < block.elements; i += team.members) {
        let difference = difference_from(mean, block, i);
        squares += add_by_group(difference * difference, i % block.c4);
    }
    let variance = mean_of(reduce_team(squares, invocation));
    let factor = 1.0 / sqrt(variance + params.eps);
    between_reductions();

    var products = vec4<f32>();
    for (var i = team.member; i < block.elements; i += team.members) {
        let z = difference_from(mean, block, i) * by_channel(factor, i % block.c4);
        products += add_by_group(weighted_gradient(block, i) * z, i % block.c4);
    }
    let slope = mean_of(reduce_team(products, invocation));

    for (var i = team.member; i < block.elements; i += team.members) {
        let c4_index = i % block.c4;
        let own_factor = by_channel(factor, c4_index);
        let z = difference_from(mean, block, i) * own_factor;
        let difference = weighted_gradient(block, i) - by_channel(gradient_mean, c4_index);
        let value = (difference - z * by_channel(slope, c4_index)) * own_factor;
        output[element_of_block(params.output, block, i)] =
            pack_element(zero_unused_lanes(value, block.first_c4 + c4_index, params.output.channels));
    }
}

// The gradient with respect to the normalized input.
fn weighted_gradient(block: Block, i: u32) -> vec4<f32> {
    let value = unpack_element(gradient[element_of_block(params.gradient, block, i)]);
    if AFFINE == 0u {
        return value;
    }
    return value * affine[(block.first_c4 + i % block.c4) * 2u];
}

fn difference_from(mean: vec4<f32>, block: Block, i: u32) -> vec4<f32> {
    let c4_index = i % block.c4;
    let value = unpack_element(input[element_of_block(params.input, block, i)]) - by_channel(mean, c4_index);
    return zero_unused_lanes(value, block.first_c4 + c4_index, params.input.channels);
}
