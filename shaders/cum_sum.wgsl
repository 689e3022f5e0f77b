// Sums of all pixels of a row up to each one, channel by channel. An invocation computes an element of the channels of
// one image.
#import element
#import shared/tensor_view
#import shared/grid

override EXCLUSIVE: u32 = 0u;
override REVERSE: u32 = 0u;
override ACCUMULATE: u32 = 0u;

struct Params {
    input: TensorView,
    output: TensorView,
    // The pixels that this dispatch has, in the order of the sum. Every dispatch but the first continues the sum of
    // the pixel before.
    first: u32,
    end: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

// The column that is at this place in the order of the sum.
fn column(place: u32) -> u32 {
    return select(place, params.input.width - 1u - place, REVERSE != 0u);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let n = index / params.output.c4;
    let c4_index = index % params.output.c4;
    if n >= params.output.batch {
        return;
    }
    var sum = vec4<f32>();
    if ACCUMULATE != 0u {
        let before = column(params.first - 1u);
        sum = unpack_element(output[element_at(params.output, n, 0u, before) + c4_index]);
        if EXCLUSIVE != 0u {
            sum += unpack_element(input[element_at(params.input, n, 0u, before) + c4_index]);
        }
    }
    for (var place = params.first; place < params.end; place++) {
        let x = column(place);
        let value = unpack_element(input[element_at(params.input, n, 0u, x) + c4_index]);
        let destination = element_at(params.output, n, 0u, x) + c4_index;
        if EXCLUSIVE != 0u {
            output[destination] = pack_element(sum);
        }
        sum += value;
        if EXCLUSIVE == 0u {
            output[destination] = pack_element(sum);
        }
    }
}
