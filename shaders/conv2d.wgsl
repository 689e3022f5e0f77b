// Convolution: an invocation answers PIXELS pixels of one block of 16 output channels, so that
// every weight, read at an address that is the same for the whole workgroup, serves PIXELS times
// and every input element 16 times. Weights lie [remainder][block][ky][kx][in / 4][4 in][16 out].
//
// Groups of channels are served where both sides of a group are whole elements; a block never
// crosses into the next group.
#import element
#import shared/map
#import shared/grid
#import shared/window
#import shared/prologue
#import shared/epilogue

struct Params {
    input: Map,
    output: Map,
    window: Window,
    outputs: Outputs,
    epilogue: Epilogue,
    // Elements of the input that one output channel reads, and of the output in a channel group.
    inner: u32,
    group_elements: u32,
    // Blocks in a channel group, and the first block that this dispatch's weights hold.
    group_blocks: u32,
    first_block: u32,
    // Blocks in this dispatch, for each remainder of a transposed convolution's stride.
    blocks: u32,
    prologue_slope: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> weight: array<Element>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Element>;
@group(0) @binding(5) var<storage, read> prologue: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> output: array<Element>;

// Pixels an invocation, at most MAX_PIXELS.
override PIXELS: u32 = 4u;
const MAX_PIXELS: u32 = 4u;
// Elements of a block. Loops over PIXELS and BLOCK have constant bounds, so that drivers unroll them
// and keep `sum` in registers: a bound that varies costs a factor of 4.
const BLOCK: u32 = 4u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first_pixel = (workgroup.z * workgroups.x + workgroup.x) * WORKGROUP * PIXELS + local;
    let block = params.first_block + workgroup.y % params.blocks;
    let remainder = workgroup.y / params.blocks;
    let channel_group = block / params.group_blocks;
    let first_input = channel_group * params.inner;
    let element_in_group = (block % params.group_blocks) * BLOCK;
    let first_output = channel_group * params.group_elements + element_in_group;

    var at: array<vec3<u32>, MAX_PIXELS>;
    for (var p = 0u; p < PIXELS; p++) {
        // Pixels beyond the last redo it; they are not stored.
        let pixel = min(first_pixel + p * WORKGROUP, params.outputs.pixels - 1u);
        at[p] = output_position(params.outputs, pixel);
    }

    var sum: array<vec4<f32>, MAX_PIXELS * BLOCK>;
    for (var p = 0u; p < PIXELS; p++) {
        for (var b = 0u; b < BLOCK; b++) {
            sum[p * BLOCK + b] = bias[block * BLOCK + b];
        }
    }

    var w = workgroup.y * params.window.kernel.x * params.window.kernel.y * params.inner * 4u * BLOCK;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            var taps: array<Tap, MAX_PIXELS>;
            for (var p = 0u; p < PIXELS; p++) {
                taps[p] = tap(params.window, params.input, at[p], ky, kx);
                taps[p].element += first_input;
            }
            for (var i = 0u; i < params.inner; i++) {
                var value: array<vec4<f32>, MAX_PIXELS>;
                for (var p = 0u; p < PIXELS; p++) {
                    let element = enter(unpack_element(input[taps[p].element + i]), first_input + i);
                    value[p] = select(vec4<f32>(), element, taps[p].inside);
                }
                for (var lane = 0u; lane < 4u; lane++) {
                    for (var b = 0u; b < BLOCK; b++) {
                        let outputs = unpack_element(weight[w + b]);
                        for (var p = 0u; p < PIXELS; p++) {
                            let x = vec4<f32>(value[p][lane]);
                            sum[p * BLOCK + b] = fma(x, outputs, sum[p * BLOCK + b]);
                        }
                    }
                    w += BLOCK;
                }
            }
        }
    }

    for (var p = 0u; p < PIXELS; p++) {
        let pixel = first_pixel + p * WORKGROUP;
        if pixel < params.outputs.pixels {
            let place = output_place(params.outputs, at[p], remainder);
            let destination = element_at(params.output, place.x, place.y, place.z) + first_output;
            for (var b = 0u; b < BLOCK; b++) {
                if element_in_group + b < params.group_elements {
                    let value = finish(sum[p * BLOCK + b], place, first_output + b);
                    output[destination + b] = pack_element(value);
                }
            }
        }
    }
}
