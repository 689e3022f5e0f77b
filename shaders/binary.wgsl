// An element-wise function of two tensors, and an activation. The second tensor is broadcast where its batch,
// height or width is 1.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/activation

const ADD: u32 = 0u;
const MUL: u32 = 1u;
const SUB: u32 = 2u;
const DIV: u32 = 3u;
const MAX: u32 = 4u;
const MIN: u32 = 5u;

override OPERATION: u32 = ADD;

struct Params {
    a: TensorView,
    b: TensorView,
    output: TensorView,
    slope: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Element>;
@group(0) @binding(2) var<storage, read> b: array<Element>;
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
    let last = vec3<u32>(params.b.batch, params.b.height, params.b.width) - 1u;
    let b_position = min(pixel_position(params.output, pixel), last);
    let x = unpack_element(a[element_of_pixel(params.a, pixel) + c4_index]);
    let y = unpack_element(b[element_at(params.b, b_position.x, b_position.y, b_position.z) + c4_index]);
    // Unused lanes are zero in both: a division gives NaN there.
    let result = zero_unused_lanes(
        activate(operate(x, y), params.slope),
        c4_index,
        params.output.channels,
    );
    output[element_of_pixel(params.output, pixel) + c4_index] = pack_element(result);
}

fn operate(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    switch OPERATION {
        case MUL: {
            return x * y;
        }
        case SUB: {
            return x - y;
        }
        case DIV: {
            return x / y;
        }
        case MAX: {
            return max_or_nan(x, y);
        }
        case MIN: {
            return min_or_nan(x, y);
        }
        default: {
            return x + y;
        }
    }
}
