// Upsampling: nearest, and bilinear with or without aligned corners.
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
    // Input pixels per output pixel, along each axis.
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
    let pixel = index / params.output.c4;
    let c4_index = index % params.output.c4;
    if pixel >= params.output.pixels {
        return;
    }
    let output_position = pixel_position(params.output, pixel);
    let last = vec2<u32>(params.input.height, params.input.width) - 1u;
    var position = vec2<f32>(output_position.yz) * params.scale;
    if MODE == BILINEAR {
        position = max((vec2<f32>(output_position.yz) + 0.5) * params.scale - 0.5, vec2<f32>());
    }
    let first = min(vec2<u32>(position), last);
    var result = load(output_position.x, first, c4_index);
    if MODE != NEAREST {
        let second = min(first + 1u, last);
        let fraction = position - vec2<f32>(first);
        // Not `mix`: its (b - a) would turn two infinities into NaN.
        let top = result * (1.0 - fraction.y) + load(output_position.x, vec2<u32>(first.x, second.y), c4_index) * fraction.y;
        let bottom = load(output_position.x, vec2<u32>(second.x, first.y), c4_index) * (1.0 - fraction.y)
            + load(output_position.x, second, c4_index) * fraction.y;
        result = top * (1.0 - fraction.x) + bottom * fraction.x;
    }
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(result);
}

fn load(n: u32, input_position: vec2<u32>, c4_index: u32) -> vec4<f32> {
    return unpack_element(input[element_at(params.input, n, input_position.x, input_position.y) + c4_index]);
}
