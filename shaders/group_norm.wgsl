// Group, layer and instance normalization. A team computes a block: the fewest whole elements that consist of whole
// groups, which are at most four, of all pixels that are normalized together. The variance is the mean of
// squared differences from the mean, in a second pass over the values: the difference of two means of large
// squares would keep few digits.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/activation
#import reduction

// 1 where a block is one group, or else any other number.
override GROUPS: u32 = 1u;
// 0 where the mean is not subtracted.
override CENTERED: u32 = 1u;
// 1 where there are weights and biases.
override AFFINE: u32 = 1u;

struct Params {
    input: TensorView,
    output: TensorView,
    // Pixels that are normalized together. They follow one another.
    pixels: u32,
    // Channels of a group, and elements of a block. The last block may have fewer.
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

fn reduce(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return a + b;
}

// The group within its block of each channel of an element.
fn groups_of(block_element: u32) -> vec4<u32> {
    return (vec4<u32>(0u, 1u, 2u, 3u) + block_element * 4u) / params.group_channels;
}

fn sum_of_lanes(value: vec4<f32>) -> f32 {
    return value.x + value.y + value.z + value.w;
}

fn sum_where(value: vec4<f32>, own: vec4<bool>) -> f32 {
    return sum_of_lanes(select(vec4<f32>(), value, own));
}

// What an element adds to the sum of each group. The lanes of the only group are added at the end.
fn add_by_group(value: vec4<f32>, block_element: u32) -> vec4<f32> {
    if GROUPS == 1u {
        return value;
    }
    let groups = groups_of(block_element);
    return vec4<f32>(
        sum_where(value, groups == vec4<u32>(0u)),
        sum_where(value, groups == vec4<u32>(1u)),
        sum_where(value, groups == vec4<u32>(2u)),
        sum_where(value, groups == vec4<u32>(3u)),
    );
}

// The mean of each group, of what was added by group.
fn mean_of(sum: vec4<f32>) -> vec4<f32> {
    let count = f32(params.pixels) * f32(params.group_channels);
    if GROUPS == 1u {
        return vec4<f32>(sum_of_lanes(sum) / count);
    }
    return sum / count;
}

// A number of each group as one of each channel of an element.
fn by_channel(value: vec4<f32>, block_element: u32) -> vec4<f32> {
    if GROUPS == 1u {
        return value;
    }
    // Lanes beyond the last channel may be of a fifth group.
    let groups = min(groups_of(block_element), vec4<u32>(3u));
    return vec4<f32>(value[groups.x], value[groups.y], value[groups.z], value[groups.w]);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    invocation: Invocation,
) {
    let team = team_of(invocation);
    let blocks = (params.input.c4 + params.block_c4 - 1u) / params.block_c4;
    let count = params.input.pixels / params.pixels * blocks;
    // Surplus teams repeat the last block, since a barrier must not follow a return.
    let flat_workgroup = workgroup.y * workgroups.x + workgroup.x;
    let index = min(flat_workgroup * team.teams + team.team, count - 1u);
    let first_pixel = index / blocks * params.pixels;
    let first_c4 = index % blocks * params.block_c4;
    let block_c4 = min(params.block_c4, params.input.c4 - first_c4);
    let elements = params.pixels * block_c4;

    var mean = vec4<f32>();
    if CENTERED != 0u {
        var sum = vec4<f32>();
        for (var i = team.member; i < elements; i += team.members) {
            let source = element_of_pixel(params.input, first_pixel + i / block_c4) + first_c4;
            sum += add_by_group(unpack_element(input[source + i % block_c4]), i % block_c4);
        }
        mean = mean_of(reduce_team(sum, invocation));
        between_reductions();
    }

    var squares = vec4<f32>();
    for (var i = team.member; i < elements; i += team.members) {
        let c4_index = i % block_c4;
        let source = element_of_pixel(params.input, first_pixel + i / block_c4) + first_c4;
        let difference = unpack_element(input[source + c4_index]) - by_channel(mean, c4_index);
        let square = zero_unused_lanes(difference * difference, first_c4 + c4_index, params.input.channels);
        squares += add_by_group(square, c4_index);
    }
    let variance = mean_of(reduce_team(squares, invocation));
    let factor = 1.0 / sqrt(variance + params.eps);

    for (var i = team.member; i < elements; i += team.members) {
        let c4_index = i % block_c4;
        let pixel = first_pixel + i / block_c4;
        let source = element_of_pixel(params.input, pixel) + first_c4;
        let difference = unpack_element(input[source + c4_index]) - by_channel(mean, c4_index);
        var value = difference * by_channel(factor, c4_index);
        let channels = first_c4 + c4_index;
        if AFFINE != 0u {
            value = value * affine[channels * 2u] + affine[channels * 2u + 1u];
        }
        value = activate(value, params.slope);
        output[element_of_pixel(params.output, pixel) + channels] =
            pack_element(zero_unused_lanes(value, channels, params.output.channels));
    }
}
