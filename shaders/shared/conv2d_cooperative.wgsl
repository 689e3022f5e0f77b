// Convolution as an implicit product of matrices of 16×16 that a subgroup holds together. A workgroup
// of four subgroups answers a tile of pixels and output channels, each subgroup 32 pixels and two
// blocks of 16 channels of it, as four matrices. The patches of the input that the tile needs are
// gathered into workgroup memory, 32 input channels of one tap at a time; weights are matrices as they
// lie.
//
// A shader that imports this has `Left`, `Right` and `Sum`, such matrices, and `load_left` (from
// `patches`), `load_right` (from `weight`), `multiply_add` and `store_sum` (to `answers`).
//
// One channel group. `params.inner` is a multiple of 4, the weights filled up with zeros: more than
// the input may have.
#import shared/conv2d

// Blocks a workgroup: 2, 4 or 8, for a tile of 256 / BLOCKS pixels by 16 * BLOCKS channels.
override BLOCKS: u32 = 4u;

const SUBGROUPS: u32 = 4u;
// Invocations a subgroup, and a workgroup.
const LANES: u32 = 32u;
const INVOCATIONS: u32 = SUBGROUPS * LANES;
// Rows and columns of a matrix; what a subgroup answers of each.
const SIDE: u32 = 16u;
const REACH: u32 = 2u * SIDE;

// Elements of the input gathered at a time; a matrix has 4.
const DEPTH: u32 = 8u;
// Elements from one pixel to the next: not DEPTH, so that pixels begin in different banks.
const ROW: u32 = 10u;
// Pixels gathered at once, and how often for the largest tile.
const SPREAD: u32 = INVOCATIONS / DEPTH;
const ROUNDS: u32 = 8u;

// Elements of a matrix of weights, and of one of sums.
const MATRIX: u32 = SIDE * BLOCK;

// [pixel][element], and [subgroup][pixel][element].
var<workgroup> patches: array<Element, SPREAD * ROUNDS * ROW>;
var<workgroup> answers: array<vec4<f32>, SUBGROUPS * MATRIX>;

// The part of the answer that a workgroup computes.
struct Tile {
    first_pixel: u32,
    first_block: u32,
    plane: u32,
}

// How many subgroups lie side by side over the channels.
fn subgroups_across() -> u32 {
    return BLOCKS / 2u;
}

fn loaded(element: u32, group: u32) -> Element {
    if PROLOGUE_NORM == 0u && PROLOGUE_ACTIVATION == IDENTITY {
        return input[element];
    }
    return pack_element(enter(unpack_element(input[element]), group));
}

fn convolve(workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32, subgroup: u32) {
    let pixels = SUBGROUPS / subgroups_across() * REACH;
    // The last blocks may be fewer than BLOCKS: the very last is then done again, and not stored.
    let strips = (params.blocks + BLOCKS - 1u) / BLOCKS;
    let tile = Tile(
        (workgroup.z * workgroups.x + workgroup.x) * pixels,
        (workgroup.y % strips) * BLOCKS,
        workgroup.y / strips,
    );

    let block = tile.first_block + subgroup % subgroups_across() * 2u;
    let last_block = params.blocks - 1u;
    var weights_0 = weights_of(tile.plane, min(block, last_block));
    var weights_1 = weights_of(tile.plane, min(block + 1u, last_block));
    let rows_0 = subgroup / subgroups_across() * REACH * ROW;
    let rows_1 = rows_0 + SIDE * ROW;

    // The pixels that this invocation gathers, one element of each.
    var gathered: array<vec3<u32>, ROUNDS>;
    for (var s = 0u; s < ROUNDS; s++) {
        let pixel = tile.first_pixel + local / DEPTH + s * SPREAD;
        // Pixels beyond the last redo it; they are not stored.
        gathered[s] = output_position(params.outputs, min(pixel, params.outputs.pixels - 1u));
    }

    var sum_00 = Sum();
    var sum_01 = Sum();
    var sum_10 = Sum();
    var sum_11 = Sum();
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            var taps: array<Tap, ROUNDS>;
            for (var s = 0u; s < ROUNDS; s++) {
                taps[s] = tap(params.window, params.input, gathered[s], tile.plane * params.plane_rows, ky, kx);
            }
            for (var i = 0u; i < params.inner; i += DEPTH) {
                let e = i + local % DEPTH;
                workgroupBarrier();
                for (var s = 0u; s < ROUNDS; s++) {
                    if s * SPREAD < pixels {
                        var value = pack_element(vec4<f32>());
                        if taps[s].inside && e < params.input.groups {
                            value = loaded(taps[s].element + e, e);
                        }
                        patches[(local / DEPTH + s * SPREAD) * ROW + local % DEPTH] = value;
                    }
                }
                workgroupBarrier();
                // One where a tap's last elements are not DEPTH.
                let steps = min(DEPTH, params.inner - i) / 4u;
                for (var k = 0u; k < steps; k++) {
                    let left_0 = load_left(rows_0 + k * 4u);
                    let left_1 = load_left(rows_1 + k * 4u);
                    let right_0 = load_right(weights_0);
                    let right_1 = load_right(weights_1);
                    sum_00 = multiply_add(left_0, right_0, sum_00);
                    sum_01 = multiply_add(left_0, right_1, sum_01);
                    sum_10 = multiply_add(left_1, right_0, sum_10);
                    sum_11 = multiply_add(left_1, right_1, sum_11);
                    weights_0 += MATRIX;
                    weights_1 += MATRIX;
                }
            }
        }
    }

    answer(tile, local, subgroup, 0u, 0u, sum_00);
    answer(tile, local, subgroup, 0u, 1u, sum_01);
    answer(tile, local, subgroup, 1u, 0u, sum_10);
    answer(tile, local, subgroup, 1u, 1u, sum_11);
}

// Stores every subgroup's matrix in this row and column of its four.
fn answer(tile: Tile, local: u32, subgroup: u32, row: u32, column: u32, sum: Sum) {
    store_sum(sum, subgroup * MATRIX);
    workgroupBarrier();
    // Half a pixel an invocation, of the subgroup that it counts among here: which of them are in
    // one is the device's business.
    let part = local / LANES;
    let within = local % LANES / 2u;
    let pixel = tile.first_pixel + part / subgroups_across() * REACH + row * SIDE + within;
    let block = tile.first_block + part % subgroups_across() * 2u + column;
    if pixel < params.outputs.pixels && block < params.blocks {
        let work = work_at(tile.plane * params.blocks + block);
        let at = output_position(params.outputs, pixel);
        let place = output_place(params.outputs, at, tile.plane);
        for (var half = 0u; half < 2u; half++) {
            let b = local % 2u * 2u + half;
            let value = answers[part * MATRIX + within * BLOCK + b];
            store(work, place, b, value + bias[work.block * BLOCK + b]);
        }
    }
    workgroupBarrier();
}
