// Gradient of an activation function. `value` is the function's output or, for Hardswish, SiLU and Mish, its input.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/activation

struct Params {
    gradient: TensorView,
    value: TensorView,
    output: TensorView,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read> value: array<Element>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;

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
    let g = unpack_element(gradient[element_of_pixel(params.gradient, pixel) + c4_index]);
    let v = unpack_element(value[element_of_pixel(params.value, pixel) + c4_index]);
    output[element_of_pixel(params.output, pixel) + c4_index] =
        pack_element(zero_unused_lanes(activation_gradient(g, v), c4_index, params.output.channels));
}

fn activation_gradient(g: vec4<f32>, v: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>();
    switch ACTIVATION {
        case RELU: {
            return select(zero, g, v > zero);
        }
        case RELU6: {
            return select(zero, g, (v > zero) & (v < vec4<f32>(6.0)));
        }
        case LEAKY_RELU: {
            return select(g * params.slope, g, v > zero);
        }
        case SIGMOID: {
            return g * v * (1.0 - v);
        }
        case TANH: {
            return g * (1.0 - v * v);
        }
        case HARD_SWISH: {
            let inside = select(g * (v / 3.0 + 0.5), g, v >= vec4<f32>(3.0));
            return select(inside, zero, v <= vec4<f32>(-3.0));
        }
        case SILU: {
            let s = sigmoid(v);
            return g * s * (1.0 + v * (1.0 - s));
        }
        case MISH: {
            // 1 - t * t, without the cancellation.
            let e = exp(min(v, vec4<f32>(20.0)));
            let w = e * (e + 2.0) + 2.0;
            let slope = 4.0 * (w - 1.0) / (w * w);
            return g * (tanh_of_softplus(v) + v * slope * sigmoid(v));
        }
        default: {
            return g;
        }
    }
}
