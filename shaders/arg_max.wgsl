// Argmax over the channels of NCHW logits, pixel by pixel.
#import shared/grid
#import shared/argmax

struct Params {
    // Where the tensor begins, in floats.
    offset: u32,
    channels: u32,
    // Pixels per image, and of the whole batch.
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
    var best = argmax_start(logits[source], params.channels);
    for (var channel = 1u; channel < params.channels; channel++) {
        best = argmax_update(best, channel, logits[source + channel * params.plane]);
    }
    classes[pixel] = best.class_id;
}
