// Max and average pooling over windows.
#import element
#import shared/map
#import shared/grid
#import shared/nan

const MAX: u32 = 0u;
const AVERAGE: u32 = 1u;

override OPERATION: u32 = MAX;

struct Params {
    input: Map,
    output: Map,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    dilation: vec2<u32>,
    // Top and left, then bottom and right.
    padding: vec2<u32>,
    padding_after: vec2<u32>,
    count_include_pad: u32,
    // What a window that sees no pixel answers: minus infinity for a maximum.
    empty: f32,
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
    let pixel = index / params.output.groups;
    let group = index % params.output.groups;
    if pixel >= params.output.pixels {
        return;
    }
    let at = position_of(params.output, pixel);
    let size = vec2<u32>(params.input.height, params.input.width);
    // In padded coordinates, so that nothing is negative.
    let start = at.yz * params.stride;
    var result = vec4<f32>(params.empty);
    var count = 0u;
    for (var ky = 0u; ky < params.kernel.x; ky++) {
        let y = start.x + ky * params.dilation.x;
        if y < params.padding.x || y >= size.x + params.padding.x {
            continue;
        }
        for (var kx = 0u; kx < params.kernel.y; kx++) {
            let x = start.y + kx * params.dilation.y;
            if x < params.padding.y || x >= size.y + params.padding.y {
                continue;
            }
            let source = element_at(params.input, at.x, y - params.padding.x, x - params.padding.y);
            let value = unpack_element(input[source + group]);
            count++;
            if OPERATION == AVERAGE {
                result += value;
            } else {
                result = select(result, value, (value > result) | is_nan(value));
            }
        }
    }
    if OPERATION == AVERAGE {
        if params.count_include_pad != 0u {
            // The window's part inside the padded input; what ceil mode hangs over does not count.
            let end = min(start + params.kernel, size + params.padding + params.padding_after);
            count = (end.x - start.x) * (end.y - start.y);
        }
        result /= f32(count);
    }
    output[element_of(params.output, pixel) + group] =
        pack_element(zero_unused_lanes(result, group, params.output.channels));
}
