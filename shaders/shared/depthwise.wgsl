// Uniform block and bindings of the depthwise convolutions.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/window
#import shared/epilogue

struct Params {
    input: TensorView,
    output: TensorView,
    window: Window,
    epilogue: EpilogueParams,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> weight: array<Element>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Element>;
@group(0) @binding(5) var<storage, read_write> output: array<Element>;
