// An element-wise function of two values, and an activation; the second may be 1 in batch, height or width.
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
    let pixel = index / params.output.groups;
    let group = index % params.output.groups;
    if pixel >= params.output.pixels {
        return;
    }
    let last = vec3<u32>(params.b.batch, params.b.height, params.b.width) - 1u;
    let at = min(position_of(params.output, pixel), last);
    let x = unpack_element(a[element_of(params.a, pixel) + group]);
    let y = unpack_element(b[element_at(params.b, at.x, at.y, at.z) + group]);
    // Unused lanes divide zero by zero.
    let result = zero_unused_lanes(
        activate(operate(x, y), params.slope),
        group,
        params.output.channels,
    );
    output[element_of(params.output, pixel) + group] = pack_element(result);
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
            return select(x, y, (y > x) | is_nan(y));
        }
        case MIN: {
            return select(x, y, (y < x) | is_nan(y));
        }
        default: {
            return x + y;
        }
    }
}
