// What the dense convolutions share: their uniform block, their bindings, and how an answer is
// stored. Weights lie [plane][block][ky][kx][in / 4][4 in][16 out], or
// [block][plane] and so on.
//
// Groups of channels are served where both sides of a group are whole elements; a block never
// crosses into the next group. A dispatch may compute several planes, each with weights of its own:
// the remainders of a transposed convolution's stride, whose answers interleave, or the positions of
// Winograd's transform, each of which is a row of the input and of the output.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/window
#import shared/prologue
#import shared/epilogue
#import input

struct Params {
    input: TensorView,
    output: TensorView,
    window: Window,
    outputs: Outputs,
    epilogue: Epilogue,
    // Elements of the input that one output channel reads, and of the output in a channel group.
    inner: u32,
    group_elements: u32,
    // Blocks in a channel group, and the first block that this dispatch's weights hold.
    group_blocks: u32,
    first_block: u32,
    // Blocks of each plane in this dispatch.
    blocks: u32,
    prologue_slope: f32,
    // Rows of the input between planes, and planes in this dispatch.
    plane_rows: u32,
    planes: u32,
    // Blocks of weights from one plane to the next, and from one block to the next.
    plane_step: u32,
    block_step: u32,
    // Whether neighbours in the dispatch work at different blocks of the same pixels, rather than at
    // other pixels with the same block: what is larger should be read once. Subgroups only.
    blocks_first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weight: array<Element>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Element>;
@group(0) @binding(5) var<storage, read> prologue: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> output: array<Element>;

// Elements of a block.
const BLOCK: u32 = 4u;

// What an invocation, or a subgroup, works at: one block of output channels of one plane.
struct Work {
    plane: u32,
    block: u32,
    // The first elements, of a pixel, that it reads and writes.
    first_input: u32,
    first_output: u32,
    // The block's first element within its channel group.
    in_group: u32,
    // Where its weights begin.
    weights: u32,
}

// The work of index `index` among planes and blocks.
fn work_at(index: u32) -> Work {
    let block = params.first_block + index % params.blocks;
    let channel_group = block / params.group_blocks;
    let in_group = (block % params.group_blocks) * BLOCK;
    return Work(
        index / params.blocks,
        block,
        channel_group * params.inner,
        channel_group * params.group_elements + in_group,
        in_group,
        weights_of(index / params.blocks, index % params.blocks),
    );
}

// Where the weights of a plane and a block of this dispatch begin.
fn weights_of(plane: u32, block: u32) -> u32 {
    let taps = params.window.kernel.x * params.window.kernel.y;
    return (plane * params.plane_step + block * params.block_step) * taps * params.inner * 4u * BLOCK;
}

// Stores element `b` of the block for the pixel at `place` of the output.
fn store(work: Work, place: vec3<u32>, b: u32, sum: vec4<f32>) {
    if work.in_group + b < params.group_elements {
        let element = element_at(params.output, place.x, place.y, place.z) + work.first_output + b;
        output[element] = pack_element(finish(sum, place, work.first_output + b));
    }
}
