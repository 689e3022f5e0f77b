// Convolution with groups of any number of channels: the four channels of an output element may
// lie in different groups, so each lane reads inputs of its own. Weights lie
// [out / 4][ky][kx][in of a group], four output channels to an element.
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
    epilogue: Epilogue,
    // Channels of a group on both sides, and the first output element of this dispatch's weights.
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
    let at = output_position(params.outputs, pixel);
    // Unused lanes read the last channel's inputs with weights of zero.
    let channel = min(
        vec4<u32>(0u, 1u, 2u, 3u) + element * 4u,
        vec4<u32>(params.output.channels - 1u),
    );
    let first_input = (channel / params.group_outputs) * params.group_inputs;

    var sum = bias[element];
    var w = workgroup.y * params.window.kernel.x * params.window.kernel.y * params.group_inputs;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            let at_tap = tap(params.window, params.input, at, 0u, ky, kx);
            for (var i = 0u; i < params.group_inputs; i++) {
                var value = vec4<f32>();
                if at_tap.inside {
                    for (var lane = 0u; lane < 4u; lane++) {
                        let inner = first_input[lane] + i;
                        value[lane] = unpack_element(input[at_tap.element + inner / 4u])[inner % 4u];
                    }
                }
                sum = fma(value, unpack_element(weight[w]), sum);
                w++;
            }
        }
    }
    let place = output_place(params.outputs, at, 0u);
    output[element_at(params.output, place.x, place.y, place.z) + element] =
        pack_element(finish(sum, place, element));
}
