// The likeliest class of every pixel of NCHW logits.
#import shared/grid
#import shared/argmax

struct Params {
    // Where the tensor begins, in numbers.
    offset: u32,
    channels: u32,
    // Pixels of an image, and of all.
    plane: u32,
    pixels: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> classes: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let pixel = flat_index(id, workgroups);
    if pixel >= params.pixels {
        return;
    }
    let image = pixel / params.plane;
    let source = params.offset + image * params.channels * params.plane + pixel % params.plane;
    var best = first_of(logits[source], params.channels);
    for (var channel = 1u; channel < params.channels; channel++) {
        best = likelier(best, channel, logits[source + channel * params.plane]);
    }
    classes[pixel] = best.id;
}
