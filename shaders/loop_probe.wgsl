// Counts the iterations of one loop. Some drivers end a shader's loops early, without an error.
#import shared/grid

struct Params {
    iterations: u32,
    // Values that never occur, which a compiler cannot know.
    never: u32,
    unused: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x > 0u {
        return;
    }
    // A number with a long period, so that the loop cannot be replaced by a product.
    var random = input[0];
    var count = 0u;
    for (var i = 0u; i < params.iterations; i++) {
        random = random * 1664525u + 1013904223u;
        if random == params.never {
            break;
        }
        count++;
    }
    output[0] = count;
}
