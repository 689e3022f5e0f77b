// Gradient of average pooling: each input pixel sums its share of the gradients of the windows that contain
// it.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/sum_part
#import shared/pool_backward_range

// The taps in the input, those in the input or its padding, or 1.
const INPUT_TAPS: u32 = 0u;
const PADDED_TAPS: u32 = 1u;

struct Params {
    gradient: TensorView,
    output: TensorView,
    part: SumPart,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    // Top and left, then bottom and right.
    padding: vec2<u32>,
    padding_after: vec2<u32>,
    dilation: vec2<u32>,
    // What windows are divided by, see above.
    divisor: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
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
    let padded_position = position.yz + params.padding;
    let size = vec2<u32>(params.output.height, params.output.width);
    // The part of the padded input that counts toward the divisor: all of it, or the input only.
    let includes_padding = params.divisor == PADDED_TAPS;
    let first = select(params.padding, vec2<u32>(), includes_padding);
    let end = size + params.padding + select(vec2<u32>(), params.padding_after, includes_padding);
    let extent = params.dilation * (params.kernel - 1u) + 1u;
    let rows = share_of(
        windows_containing(padded_position.x, extent.x, params.stride.x, params.gradient.height),
        params.part.first.x,
        params.part.len.x,
    );
    let columns = share_of(
        windows_containing(padded_position.y, extent.y, params.stride.y, params.gradient.width),
        params.part.first.y,
        params.part.len.y,
    );
    var sum = vec4<f32>();
    for (var row = rows.x; row < rows.y; row++) {
        for (var column = columns.x; column < columns.y; column++) {
            let start = vec2<u32>(row, column) * params.stride;
            // Between the taps of a dilated window.
            let gap = (padded_position - start) % params.dilation;
            if any(gap != vec2<u32>()) {
                continue;
            }
            let g = gradient[element_at(params.gradient, position.x, row, column) + c4_index];
            let taps = taps_before(start, end) - taps_before(start, max(start, first));
            let divisor = select(1u, taps.x * taps.y, params.divisor <= PADDED_TAPS);
            sum += unpack_element(g) / f32(divisor);
        }
    }
    let destination = element_of_pixel(params.output, pixel) + c4_index;
    if ACCUMULATE != 0u {
        sum += unpack_element(output[destination]);
    }
    output[destination] = pack_element(sum);
}

// The taps of a window before `end`, which is not before its start.
fn taps_before(start: vec2<u32>, end: vec2<u32>) -> vec2<u32> {
    return min(params.kernel, (end - start + params.dilation - 1u) / params.dilation);
}
