// Depthwise convolution: one kernel a channel. Weights lie [ky][kx][channels / 4].
#import element
#import shared/map
#import shared/grid
#import shared/window
#import shared/epilogue

struct Params {
    input: Map,
    output: Map,
    window: Window,
    epilogue: Epilogue,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> weight: array<Element>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Element>;
@group(0) @binding(5) var<storage, read_write> output: array<Element>;

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
    var sum = bias[group];
    var w = group;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            let at_tap = tap(params.window, params.input, at, 0u, ky, kx);
            if at_tap.inside {
                let value = unpack_element(input[at_tap.element + group]);
                sum = fma(value, unpack_element(weight[w]), sum);
            }
            w += params.output.groups;
        }
    }
    output[element_of(params.output, pixel) + group] = pack_element(finish(sum, at, group));
}
