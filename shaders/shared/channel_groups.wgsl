// Sums of groups of channels, for group, layer and instance normalization. A team computes a block: the fewest whole
// elements that consist of whole groups, which are at most four, of all pixels that are normalized together. An
// importing shader's `Params` have these members:
//     input: TensorView, and `pixels: u32`, those that are normalized together. They follow one another.
//     group_channels: u32, channels of a group, and `block_c4: u32`, elements of a block. The last block may have fewer.
#import shared/tensor_view

// 1 where a block is one group, or else any other number.
override GROUPS: u32 = 1u;
// 0 where the mean is not subtracted.
override CENTERED: u32 = 1u;
// 1 where there are weights and biases.
override AFFINE: u32 = 1u;

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

// What a team computes: all elements of a block of some pixels.
struct Block {
    first_pixel: u32,
    first_c4: u32,
    // The block's elements per pixel, and all.
    c4: u32,
    elements: u32,
}

// Surplus teams repeat the last block, since a barrier must not follow a return.
fn block_of(team: u32) -> Block {
    let blocks = (params.input.c4 + params.block_c4 - 1u) / params.block_c4;
    let count = params.input.pixels / params.pixels * blocks;
    let index = min(team, count - 1u);
    let first_c4 = index % blocks * params.block_c4;
    let c4 = min(params.block_c4, params.input.c4 - first_c4);
    return Block(index / blocks * params.pixels, first_c4, c4, params.pixels * c4);
}

// The element `i` of a block in a value that is stored as `view` says.
fn element_of_block(view: TensorView, block: Block, i: u32) -> u32 {
    return element_of_pixel(view, block.first_pixel + i / block.c4) + block.first_c4 + i % block.c4;
}
