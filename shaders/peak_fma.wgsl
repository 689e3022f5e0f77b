// Measures the peak rate of fused multiply-adds: no memory is accessed in the loop. Two vec4 values make eight
// independent chains, which hide the latency of each and fit the registers of a CPU too. Each turn performs
// 8 * UNROLLED * 2 operations.
//
// INVOCATIONS of a workgroup, which share its compute unit: with 256, a single workgroup fills one. There may be more
// invocations than elements: they begin again at the first, and all invocations of an element write the same value.
#import element
#import shared/grid

struct Params {
    turns: u32,
    elements: u32,
    factor: f32,
    term: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;

const UNROLLED: u32 = 32u;
override INVOCATIONS: u32 = WORKGROUP;

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = (id.y * workgroups.x * INVOCATIONS + id.x) % params.elements;
    let factor = vec4<f32>(params.factor);
    let term = vec4<f32>(params.term);
    var a = unpack_element(input[index]);
    var b = a + term;
    for (var turn = 0u; turn < params.turns; turn++) {
        for (var i = 0u; i < UNROLLED; i++) {
            a = fma(a, factor, term);
            b = fma(b, factor, term);
        }
    }
    output[index] = pack_element(a + b);
}
