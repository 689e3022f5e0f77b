// Convolution with channel groups of any size: the four channels of an output element may be in different
// groups, so each lane reads its own input channels. An invocation computes one element of one output pixel.
// Weights: [out / 4][ky][kx][in per group], four output channels per element.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/window
#import shared/epilogue

struct Params {
    input: TensorView,
    output: TensorView,
    window: Window,
    outputs: Outputs,
    epilogue: EpilogueParams,
    // Input and output channels per group, and the first output element whose weights this dispatch has.
    group_inputs: u32,
    group_outputs: u32,
    first_element: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> weight: array<Element>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Element>;
@group(0) @binding(5) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let pixel = (workgroup.z * workgroups.x + workgroup.x) * WORKGROUP + local;
    if pixel >= params.outputs.pixels {
        return;
    }
    let element = params.first_element + workgroup.y;
    let position = output_pixel(params.outputs, pixel);
    // Unused lanes read the inputs of the last channel, with zero weights.
    let channel = min(
        vec4<u32>(0u, 1u, 2u, 3u) + element * 4u,
        vec4<u32>(params.output.channels - 1u),
    );
    let first_input = (channel / params.group_outputs) * params.group_inputs;

    var sum = bias[element];
    var w = workgroup.y * params.window.kernel.x * params.window.kernel.y * params.group_inputs;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            let at = locate_tap(params.window, params.input, position, 0u, ky, kx);
            for (var i = 0u; i < params.group_inputs; i++) {
                var value = vec4<f32>();
                if at.inside {
                    for (var lane = 0u; lane < 4u; lane++) {
                        let input_channel = first_input[lane] + i;
                        value[lane] = unpack_element(input[at.element + input_channel / 4u])[input_channel % 4u];
                    }
                }
                sum = fma(value, unpack_element(weight[w]), sum);
                w++;
            }
        }
    }
    let out = position_in_output(params.outputs, position, 0u);
    output[element_at(params.output, out.x, out.y, out.z) + element] =
        pack_element(apply_epilogue(sum, out, element));
}
