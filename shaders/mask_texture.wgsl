// The colour of the likeliest class of every texel, from logits that lie over the whole texture:
// bilinear between them, edges aligned, as `vision::Mask` has it. A workgroup answers 8 by 8 texels.
#import shared/grid
#import shared/argmax

struct Params {
    // Where the first channel begins, in numbers, and how many of them a channel and a row are.
    offset: u32,
    channels: u32,
    plane: u32,
    row: u32,
    // The part of the map that is shown.
    first: vec2<u32>,
    size: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
// A class's red, green, blue and alpha, the first in the lowest byte; of 256 classes.
@group(0) @binding(2) var<storage, read> colors: array<u32>;
@group(0) @binding(3) var mask: texture_storage_2d<rgba8unorm, write>;

const TILE: u32 = 8u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) tile: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let texel = tile.xy * TILE + vec2<u32>(index % TILE, index / TILE);
    let size = textureDimensions(mask);
    if any(texel >= size) {
        return;
    }
    let scale = vec2<f32>(params.size) / vec2<f32>(size);
    let position = max((vec2<f32>(texel) + 0.5) * scale - 0.5, vec2<f32>(0.0));
    let before = min(vec2<u32>(position), params.size - 1u);
    let after = min(before + 1u, params.size - 1u);
    let share = position - vec2<f32>(before);

    let columns = params.first.x + vec2<u32>(before.x, after.x);
    let rows = (params.first.y + vec2<u32>(before.y, after.y)) * params.row;
    var best = Likeliest(0u, 0u);
    for (var channel = 0u; channel < params.channels; channel++) {
        let base = params.offset + channel * params.plane;
        let left = vec2<f32>(logits[base + rows.x + columns.x], logits[base + rows.y + columns.x]);
        let right = vec2<f32>(logits[base + rows.x + columns.y], logits[base + rows.y + columns.y]);
        let ends = left * (1.0 - share.x) + right * share.x;
        let logit = ends.x * (1.0 - share.y) + ends.y * share.y;
        if channel == 0u {
            best = first_of(logit, params.channels);
        } else {
            best = likelier(best, channel, logit);
        }
    }
    textureStore(mask, texel, unpack4x8unorm(colors[best.id]));
}
