// Convolution as an implicit matrix product, for GPUs: a workgroup answers a tile of pixels and
// output channels. The patches of the input and the weights that the tile needs are gathered into
// workgroup memory, 8 input channels of one tap at a time, and each invocation multiplies PIXELS
// pixels with one block of 16 output channels. BLOCKS blocks side by side and 64 / BLOCKS columns of
// pixels make a tile of 64 / BLOCKS * PIXELS pixels by 16 * BLOCKS channels.
#import shared/conv2d

// Pixels an invocation: 1, 2 or 4.
override PIXELS: u32 = 4u;
const MAX_PIXELS: u32 = 4u;
// Blocks a workgroup: 1, 2 or 4.
override BLOCKS: u32 = 4u;

// Elements of the input gathered at a time.
const DEPTH: u32 = 2u;
// Elements of weights that one element of the input meets in a block.
const ROW: u32 = 4u * BLOCK;

// [element][pixel], and [block][element][4 in][16 out].
var<workgroup> patches: array<vec4<f32>, 512>;
var<workgroup> kernels: array<vec4<f32>, 128>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let columns = WORKGROUP / BLOCKS;
    let tile = columns * PIXELS;
    let first_pixel = (workgroup.z * workgroups.x + workgroup.x) * tile;
    // The last blocks may be fewer than BLOCKS: the very last is then done again, and not stored.
    let quads = (params.blocks + BLOCKS - 1u) / BLOCKS;
    let plane = workgroup.y / quads;
    let first_block = (workgroup.y % quads) * BLOCKS;
    let block = min(first_block + local / columns, params.blocks - 1u);
    let work = work_at(plane * params.blocks + block);
    let column = local % columns;

    // The pixels that this invocation gathers, WORKGROUP apart.
    var gathered: array<vec3<u32>, MAX_PIXELS>;
    for (var s = 0u; s < MAX_PIXELS; s++) {
        let pixel = first_pixel + (local + s * WORKGROUP) % tile;
        gathered[s] = output_position(params.outputs, min(pixel, params.outputs.pixels - 1u));
    }

    var sum: array<vec4<f32>, MAX_PIXELS * BLOCK>;
    for (var p = 0u; p < PIXELS; p++) {
        for (var b = 0u; b < BLOCK; b++) {
            sum[p * BLOCK + b] = bias[work.block * BLOCK + b];
        }
    }

    var w = 0u;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            var taps: array<Tap, MAX_PIXELS>;
            for (var s = 0u; s < MAX_PIXELS; s++) {
                taps[s] = tap(params.window, params.input, gathered[s], plane * params.plane_rows, ky, kx);
                taps[s].element += work.first_input;
            }
            for (var i = 0u; i < params.inner; i += DEPTH) {
                workgroupBarrier();
                for (var k = 0u; k < DEPTH * MAX_PIXELS; k++) {
                    let flat = local + k * WORKGROUP;
                    if flat < DEPTH * tile {
                        let e = i + flat / tile;
                        // What it gathers repeats after a tile.
                        let at = taps[k % max(tile / WORKGROUP, 1u)];
                        var value = vec4<f32>();
                        if at.inside && e < params.inner {
                            value = enter(input_element(at.element + e, gathered[k % max(tile / WORKGROUP, 1u)].x), work.first_input + e);
                        }
                        patches[flat] = value;
                    }
                }
                for (var flat = local; flat < BLOCKS * DEPTH * ROW; flat += WORKGROUP) {
                    let of_block = min(first_block + flat / (DEPTH * ROW), params.blocks - 1u);
                    let rest = flat % (DEPTH * ROW);
                    var value = vec4<f32>();
                    if i + rest / ROW < params.inner {
                        value = unpack_element(weight[weights_of(plane, of_block) + w + rest]);
                    }
                    kernels[flat] = value;
                }
                workgroupBarrier();
                for (var e = 0u; e < DEPTH; e++) {
                    var value: array<vec4<f32>, MAX_PIXELS>;
                    for (var p = 0u; p < PIXELS; p++) {
                        value[p] = patches[e * tile + p * columns + column];
                    }
                    let row = ((local / columns) * DEPTH + e) * ROW;
                    for (var lane = 0u; lane < CHANNELS; lane++) {
                        for (var b = 0u; b < BLOCK; b++) {
                            let outputs = kernels[row + lane * BLOCK + b];
                            for (var p = 0u; p < PIXELS; p++) {
                                let x = vec4<f32>(value[p][lane]);
                                sum[p * BLOCK + b] = fma(x, outputs, sum[p * BLOCK + b]);
                            }
                        }
                    }
                }
                w += DEPTH * ROW;
            }
            // The last step may have gone past the tap's elements.
            w = (ky * params.window.kernel.y + kx + 1u) * params.inner * ROW;
        }
    }

    if first_block + local / columns < params.blocks {
        for (var p = 0u; p < PIXELS; p++) {
            let pixel = first_pixel + p * columns + column;
            if pixel < params.outputs.pixels {
                let place = output_place(params.outputs, output_position(params.outputs, pixel), plane);
                for (var b = 0u; b < BLOCK; b++) {
                    store(work, place, b, sum[p * BLOCK + b]);
                }
            }
        }
    }
}
