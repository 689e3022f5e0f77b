// Resizing: nearest, and bilinear with or without aligned corners.
#import element
#import shared/tensor_view
#import shared/grid

const NEAREST: u32 = 0u;
const BILINEAR: u32 = 1u;
const BILINEAR_ALIGNED: u32 = 2u;

override MODE: u32 = NEAREST;

struct Params {
    input: TensorView,
    output: TensorView,
    // Input pixels an output pixel.
    scale: vec2<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
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
    let last = vec2<u32>(params.input.height, params.input.width) - 1u;
    var position = vec2<f32>(at.yz) * params.scale;
    if MODE == BILINEAR {
        position = max((vec2<f32>(at.yz) + 0.5) * params.scale - 0.5, vec2<f32>());
    }
    let first = min(vec2<u32>(position), last);
    var result = load(at.x, first, group);
    if MODE != NEAREST {
        let second = min(first + 1u, last);
        let part = position - vec2<f32>(first);
        // Not `mix`: its (b - a) would make of two infinities a NaN.
        let top = result * (1.0 - part.y) + load(at.x, vec2<u32>(first.x, second.y), group) * part.y;
        let bottom = load(at.x, vec2<u32>(second.x, first.y), group) * (1.0 - part.y)
            + load(at.x, second, group) * part.y;
        result = top * (1.0 - part.x) + bottom * part.x;
    }
    output[element_of(params.output, pixel) + group] = pack_element(result);
}

fn load(n: u32, at: vec2<u32>, group: u32) -> vec4<f32> {
    return unpack_element(input[element_at(params.input, n, at.x, at.y) + group]);
}
