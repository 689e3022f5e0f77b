// The gradient through resizing: to each pixel that was read, the gradients of those that were made of
// it, by how far it counted for them. Positions are computed as `upsample.wgsl` does, so that what is
// chosen is the same.
#import element
#import shared/tensor_view
#import shared/grid

const NEAREST: u32 = 0u;
const BILINEAR: u32 = 1u;
const BILINEAR_ALIGNED: u32 = 2u;

override MODE: u32 = NEAREST;

struct Params {
    gradient: TensorView,
    output: TensorView,
    // Pixels that were read a pixel made.
    scale: vec2<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let pixel = index / params.output.groups;
    let group = index % params.output.groups;
    if pixel >= params.output.pixels {
        return;
    }
    let at = position_of(params.output, pixel);
    let size = vec2<u32>(params.output.height, params.output.width);
    let made = vec2<u32>(params.gradient.height, params.gradient.width);
    let rows = candidates(at.y, size.x, made.x, params.scale.x);
    let columns = candidates(at.z, size.y, made.y, params.scale.y);
    var sum = vec4<f32>();
    for (var row = rows.x; row < rows.y; row++) {
        let part = counted(row, at.y, size.x, params.scale.x);
        if part == 0.0 {
            continue;
        }
        for (var column = columns.x; column < columns.y; column++) {
            let whole = part * counted(column, at.z, size.y, params.scale.y);
            if whole != 0.0 {
                let g = gradient[element_at(params.gradient, at.x, row, column) + group];
                sum += whole * unpack_element(g);
            }
        }
    }
    output[element_of(params.output, pixel) + group] = pack_element(sum);
}

// The first pixel that may have been made of `read`, and the end of them, one axis at a time: where a
// position lies within a pixel of it, and one more for rounding.
fn candidates(read: u32, size: u32, made: u32, scale: f32) -> vec2<u32> {
    var positions = vec2<f32>(f32(read), f32(read) + 1.0);
    if MODE == BILINEAR {
        positions += vec2<f32>(-0.5, 0.5);
    }
    if MODE == BILINEAR_ALIGNED {
        positions.x -= 1.0;
    }
    // A scale may be 0, where all were made of the first.
    var range = positions / max(scale, 1e-30) + vec2<f32>(-2.0, 2.0);
    if MODE == BILINEAR {
        range -= 0.5;
    }
    let found = vec2<u32>(clamp(range, vec2<f32>(), vec2<f32>(f32(made))));
    // What lies outside was made of the first or the last.
    return vec2<u32>(
        select(found.x, 0u, read == 0u),
        select(found.y, made, read == size - 1u),
    );
}

// How far `read` counted for the pixel `index` of those made.
fn counted(index: u32, read: u32, size: u32, scale: f32) -> f32 {
    var position = f32(index) * scale;
    if MODE == BILINEAR {
        position = max((f32(index) + 0.5) * scale - 0.5, 0.0);
    }
    let first = min(u32(position), size - 1u);
    if MODE == NEAREST {
        return f32(first == read);
    }
    let second = min(first + 1u, size - 1u);
    let part = position - f32(first);
    return select(0.0, 1.0 - part, first == read) + select(0.0, part, second == read);
}
