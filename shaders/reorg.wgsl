// Darknet's reorg, a space-to-depth with a peculiar order: the input, viewed as [N, C / s2, H, s, W, s], is
// transposed to [N, s, s, C / s2, H, W] and reshaped to the output, [N, C * s2, H / s, W / s] (s2 = s * s).
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    input: TensorView,
    output: TensorView,
    stride: u32,
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
    let position = pixel_position(params.output, pixel);
    let s = params.stride;
    let height = params.input.height;
    let width = params.input.width;
    let outer = params.input.channels / (s * s);
    var value = vec4<f32>();
    for (var lane = 0u; lane < 4u; lane++) {
        let channel_out = c4_index * 4u + lane;
        if channel_out < params.output.channels {
            // The index in one image of the output, split as [s, s, C / s2, H, W].
            var rest = (channel_out * params.output.height + position.y) * params.output.width + position.z;
            let column = rest % width;
            rest /= width;
            let row = rest % height;
            rest /= height;
            let channel = rest % outer;
            rest /= outer;
            // The index in one image of the input, composed as [C / s2, H, s, W, s] and split as [C, H, W].
            rest = (((channel * height + row) * s + rest / s) * width + column) * s + rest % s;
            let x = rest % width;
            let y = (rest / width) % height;
            let channel_in = rest / (width * height);
            let element = input[element_at(params.input, position.x, y, x) + channel_in / 4u];
            value[lane] = unpack_element(element)[channel_in % 4u];
        }
    }
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(value);
}
