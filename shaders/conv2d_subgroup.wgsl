// Convolution for subgroups of 8 invocations, as software Vulkan has them: a subgroup answers
// 8 * PIXELS pixels of one block of 16 output channels. There a load costs the same whether all
// invocations read one address or each its own, and handing a value from one to all costs next to
// nothing. So the 16 elements of weights that four input channels need are loaded in two loads, an
// element an invocation, and handed round.
#import shared/conv2d

// Pixels an invocation, at most MAX_PIXELS: 4 were no faster, and take three times as long to compile.
override PIXELS: u32 = 2u;
const MAX_PIXELS: u32 = 2u;
// Invocations a subgroup: the device must have no other size.
const LANES: u32 = 8u;

alias Sums = array<vec4<f32>, MAX_PIXELS * BLOCK>;

alias Values = array<vec4<f32>, MAX_PIXELS>;

// Adds channel `c` of every pixel's value, times `weights`, to element `b` of its sums.
fn multiply_add(sum: ptr<function, Sums>, value: ptr<function, Values>, c: u32, weights: vec4<f32>, b: u32) {
    for (var p = 0u; p < PIXELS; p++) {
        (*sum)[p * BLOCK + b] = fma(vec4<f32>((*value)[p][c]), weights, (*sum)[p * BLOCK + b]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * (WORKGROUP / LANES) + subgroup;
    let tiles = (params.outputs.pixels + LANES * PIXELS - 1u) / (LANES * PIXELS);
    if index >= tiles * params.blocks * params.planes {
        return;
    }
    let plane = index / (tiles * params.blocks);
    let rest = index % (tiles * params.blocks);
    var block = rest / tiles;
    var tile = rest % tiles;
    if params.blocks_first != 0u {
        block = rest % params.blocks;
        tile = rest / params.blocks;
    }
    let work = work_at(plane * params.blocks + block);
    let first_pixel = tile * LANES * PIXELS + lane;

    var at: array<vec3<u32>, MAX_PIXELS>;
    for (var p = 0u; p < PIXELS; p++) {
        // Pixels beyond the last redo it; they are not stored.
        let pixel = min(first_pixel + p * LANES, params.outputs.pixels - 1u);
        at[p] = output_position(params.outputs, pixel);
    }

    var sum: Sums;
    for (var b = 0u; b < BLOCK; b++) {
        let start = bias[work.block * BLOCK + b];
        for (var p = 0u; p < PIXELS; p++) {
            sum[p * BLOCK + b] = start;
        }
    }

    var w = work.weights + lane;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            var taps: array<Tap, MAX_PIXELS>;
            for (var p = 0u; p < PIXELS; p++) {
                taps[p] = tap(params.window, params.input, at[p], work.plane * params.plane_rows, ky, kx);
                taps[p].element += work.first_input;
            }
            for (var i = 0u; i < params.inner; i++) {
                var value: Values;
                for (var p = 0u; p < PIXELS; p++) {
                    let element = input_element(taps[p].element + i, at[p].x);
                    value[p] = select(vec4<f32>(), enter(element, work.first_input + i), taps[p].inside);
                }
                let low = unpack_element(weight[w]);
                let high = unpack_element(weight[w + LANES]);
                w += 4u * BLOCK;
                // The invocation to hear from has to be a constant.
                multiply_add(&sum, &value, 0u, subgroupBroadcast(low, 0u), 0u);
                multiply_add(&sum, &value, 0u, subgroupBroadcast(low, 1u), 1u);
                multiply_add(&sum, &value, 0u, subgroupBroadcast(low, 2u), 2u);
                multiply_add(&sum, &value, 0u, subgroupBroadcast(low, 3u), 3u);
                if CHANNELS > 1u {
                    multiply_add(&sum, &value, 1u, subgroupBroadcast(low, 4u), 0u);
                    multiply_add(&sum, &value, 1u, subgroupBroadcast(low, 5u), 1u);
                    multiply_add(&sum, &value, 1u, subgroupBroadcast(low, 6u), 2u);
                    multiply_add(&sum, &value, 1u, subgroupBroadcast(low, 7u), 3u);
                }
                if CHANNELS > 2u {
                    multiply_add(&sum, &value, 2u, subgroupBroadcast(high, 0u), 0u);
                    multiply_add(&sum, &value, 2u, subgroupBroadcast(high, 1u), 1u);
                    multiply_add(&sum, &value, 2u, subgroupBroadcast(high, 2u), 2u);
                    multiply_add(&sum, &value, 2u, subgroupBroadcast(high, 3u), 3u);
                }
                if CHANNELS > 3u {
                    multiply_add(&sum, &value, 3u, subgroupBroadcast(high, 4u), 0u);
                    multiply_add(&sum, &value, 3u, subgroupBroadcast(high, 5u), 1u);
                    multiply_add(&sum, &value, 3u, subgroupBroadcast(high, 6u), 2u);
                    multiply_add(&sum, &value, 3u, subgroupBroadcast(high, 7u), 3u);
                }
            }
        }
    }

    for (var p = 0u; p < PIXELS; p++) {
        if first_pixel + p * LANES < params.outputs.pixels {
            let place = output_place(params.outputs, at[p], work.plane);
            for (var b = 0u; b < BLOCK; b++) {
                store(work, place, b, sum[p * BLOCK + b]);
            }
        }
    }
}
