// The color of the argmax class of every texel of a texture. The logits are stretched over the whole texture
// and interpolated bilinearly with aligned edges, as `vision::Mask` does. A workgroup computes 8 by 8 texels.
#import shared/grid
#import shared/argmax

struct Params {
    // Where the first channel begins, in floats, then the number of channels, and the floats per channel and
    // per row.
    offset: u32,
    channels: u32,
    plane: u32,
    row: u32,
    // The region of the map that is shown: its first column and row, its width and height.
    first: vec2<u32>,
    size: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
// Red, green, blue and alpha of each of 256 classes, red in the lowest byte.
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
    let fraction = position - vec2<f32>(before);

    let columns = params.first.x + vec2<u32>(before.x, after.x);
    let rows = (params.first.y + vec2<u32>(before.y, after.y)) * params.row;
    var best = ArgMax(0u, 0u);
    for (var channel = 0u; channel < params.channels; channel++) {
        let base = params.offset + channel * params.plane;
        let left = vec2<f32>(logits[base + rows.x + columns.x], logits[base + rows.y + columns.x]);
        let right = vec2<f32>(logits[base + rows.x + columns.y], logits[base + rows.y + columns.y]);
        let ends = left * (1.0 - fraction.x) + right * fraction.x;
        let logit = ends.x * (1.0 - fraction.y) + ends.y * fraction.y;
        if channel == 0u {
            best = argmax_start(logit, params.channels);
        } else {
            best = argmax_update(best, channel, logit);
        }
    }
    textureStore(mask, texel, unpack4x8unorm(colors[best.class_id]));
}
