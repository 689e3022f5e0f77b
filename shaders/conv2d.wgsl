// Convolution: an invocation answers PIXELS pixels of one block of 16 output channels, so that
// every weight, read at an address that is the same for the whole workgroup, serves PIXELS times
// and every input element 16 times.
#import shared/conv2d

// Pixels an invocation, at most MAX_PIXELS.
override PIXELS: u32 = 4u;
const MAX_PIXELS: u32 = 4u;

// Loops over PIXELS and BLOCK have constant bounds, so that drivers unroll them and keep `sum` in
// registers: a bound that varies costs a factor of 4.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first_pixel = (workgroup.z * workgroups.x + workgroup.x) * WORKGROUP * PIXELS + local;
    let work = work_at(workgroup.y);

    var at: array<vec3<u32>, MAX_PIXELS>;
    for (var p = 0u; p < PIXELS; p++) {
        // Pixels beyond the last redo it; they are not stored.
        let pixel = min(first_pixel + p * WORKGROUP, params.outputs.pixels - 1u);
        at[p] = output_position(params.outputs, pixel);
    }

    var sum: array<vec4<f32>, MAX_PIXELS * BLOCK>;
    for (var p = 0u; p < PIXELS; p++) {
        for (var b = 0u; b < BLOCK; b++) {
            sum[p * BLOCK + b] = bias[work.block * BLOCK + b];
        }
    }

    var w = work.weights;
    for (var ky = 0u; ky < params.window.kernel.x; ky++) {
        for (var kx = 0u; kx < params.window.kernel.y; kx++) {
            var taps: array<Tap, MAX_PIXELS>;
            for (var p = 0u; p < PIXELS; p++) {
                taps[p] = tap(params.window, params.input, at[p], work.plane * params.plane_rows, ky, kx);
                taps[p].element += work.first_input;
            }
            for (var i = 0u; i < params.inner; i++) {
                var value: array<vec4<f32>, MAX_PIXELS>;
                for (var p = 0u; p < PIXELS; p++) {
                    let element = input_element(taps[p].element + i, at[p].x);
                    value[p] = select(vec4<f32>(), enter(element, work.first_input + i), taps[p].inside);
                }
                for (var lane = 0u; lane < CHANNELS; lane++) {
                    for (var b = 0u; b < BLOCK; b++) {
                        let outputs = unpack_element(weight[w + b]);
                        for (var p = 0u; p < PIXELS; p++) {
                            let x = vec4<f32>(value[p][lane]);
                            sum[p * BLOCK + b] = fma(x, outputs, sum[p * BLOCK + b]);
                        }
                    }
                    w += BLOCK;
                }
                w += (4u - CHANNELS) * BLOCK;
            }
        }
    }

    for (var p = 0u; p < PIXELS; p++) {
        if first_pixel + p * WORKGROUP < params.outputs.pixels {
            let place = output_place(params.outputs, at[p], work.plane);
            for (var b = 0u; b < BLOCK; b++) {
                store(work, place, b, sum[p * BLOCK + b]);
            }
        }
    }
}
