// The gradient through max pooling: a window's goes to its maximum, the first of several. An
// invocation looks at the windows that see its pixel.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/nan
#import shared/pool_backward_range

struct Params {
    gradient: TensorView,
    input: TensorView,
    pooled: TensorView,
    output: TensorView,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    dilation: vec2<u32>,
    // Top and left.
    padding: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read> input: array<Element>;
@group(0) @binding(3) var<storage, read> pooled: array<Element>;
@group(0) @binding(4) var<storage, read_write> output: array<Element>;

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
    let position = at.yz + params.padding;
    let reach = params.dilation * (params.kernel - 1u) + 1u;
    let rows = covering(position.x, reach.x, params.stride.x, params.pooled.height);
    let columns = covering(position.y, reach.y, params.stride.y, params.pooled.width);
    let value = unpack_element(input[element_of(params.input, pixel) + group]);
    var sum = vec4<f32>();
    for (var row = rows.x; row < rows.y; row++) {
        let down = position.x - row * params.stride.x;
        if down % params.dilation.x != 0u {
            continue;
        }
        for (var column = columns.x; column < columns.y; column++) {
            let right = position.y - column * params.stride.y;
            if right % params.dilation.y != 0u {
                continue;
            }
            let largest = unpack_element(
                pooled[element_at(params.pooled, at.x, row, column) + group]
            );
            var is_largest = same(value, largest);
            if any(is_largest) {
                let tap = vec2<u32>(down, right) / params.dilation;
                let window = vec3<u32>(at.x, row, column);
                is_largest &= !is_earlier(window, tap, largest, group);
                let g = gradient[element_at(params.gradient, at.x, row, column) + group];
                sum += select(vec4<f32>(), unpack_element(g), is_largest);
            }
        }
    }
    output[element_of(params.output, pixel) + group] =
        pack_element(zero_unused_lanes(sum, group, params.output.channels));
}

fn same(a: vec4<f32>, b: vec4<f32>) -> vec4<bool> {
    return (a == b) | (is_nan(a) & is_nan(b));
}

// Whether a tap before `tap` (row, column) of the window (batch, row, column) has its maximum.
fn is_earlier(window: vec3<u32>, tap: vec2<u32>, largest: vec4<f32>, group: u32) -> vec4<bool> {
    // What lies above or before the input wraps around.
    let first = window.yz * params.stride - params.padding;
    var found = vec4<bool>();
    for (var i = 0u; i < tap.x * params.kernel.y + tap.y; i++) {
        let y = first.x + i / params.kernel.y * params.dilation.x;
        let x = first.y + i % params.kernel.y * params.dilation.y;
        if y < params.input.height && x < params.input.width {
            let other = unpack_element(input[element_at(params.input, window.x, y, x) + group]);
            found |= same(other, largest);
        }
    }
    return found;
}
