// Fully connected layer for few rows: a GEMV for ROWS rows at once, split along K.
//
//   M          rows of the input (the batch)
//   N          output features
//   K          input features
//   team       M = ROWS rows, N = 4 output features (one element); its invocations split K and reduce their sums.
//              Each weight is read once for all of the team's rows
//   workgroup  as many teams as fit, side by side along N. Workgroups of the same weights are neighbors along x
//   weights    [out / 4][in], four output features per element: a team reads one contiguous row
//
// A dispatch has the weights of the output elements from `first_output_c4` on.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/epilogue
#import shared/reduce
#import reduction

struct Params {
    input: TensorView,
    output: TensorView,
    epilogue: EpilogueParams,
    first_output_c4: u32,
    // Output elements of this dispatch.
    output_c4: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> weight: array<Element>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Element>;
@group(0) @binding(5) var<storage, read_write> output: array<Element>;

// 1, 2, 4 or 8. More need too many registers.
override ROWS: u32 = 1u;
const MAX_ROWS: u32 = 8u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    invocation: Invocation,
) {
    let team = team_of(invocation);
    // Surplus teams repeat the last element, since a barrier must not follow a return.
    let index = (workgroup.z * workgroups.y + workgroup.y) * team.teams + team.team;
    let local_c4 = min(index, params.output_c4 - 1u);
    let c4_index = params.first_output_c4 + local_c4;
    let first_row = workgroup.x * ROWS;
    let k_c4 = params.input.c4;
    let weight_row = local_c4 * k_c4 * 4u;

    // Loops over the rows have constant bounds: drivers unroll them, and keep the arrays in registers.
    var sources: array<u32, MAX_ROWS>;
    var sums: array<vec4<f32>, MAX_ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        // Rows beyond the last repeat it, and are not stored.
        sources[r] = element_of_pixel(params.input, min(first_row + r, params.output.pixels - 1u));
        sums[r] = vec4<f32>();
    }
    for (var k4 = team.member; k4 < k_c4; k4 += team.members) {
        let at = weight_row + k4 * 4u;
        let w0 = unpack_element(weight[at]);
        let w1 = unpack_element(weight[at + 1u]);
        let w2 = unpack_element(weight[at + 2u]);
        let w3 = unpack_element(weight[at + 3u]);
        for (var r = 0u; r < ROWS; r++) {
            let value = unpack_element(input[sources[r] + k4]);
            var sum = sums[r];
            sum = fma(vec4<f32>(value.x), w0, sum);
            sum = fma(vec4<f32>(value.y), w1, sum);
            sum = fma(vec4<f32>(value.z), w2, sum);
            sums[r] = fma(vec4<f32>(value.w), w3, sum);
        }
    }
    // One row after another, through the same memory.
    for (var r = 0u; r < ROWS; r++) {
        if r > 0u {
            between_reductions();
        }
        sums[r] = reduce_team(sums[r], invocation);
    }
    if index >= params.output_c4 {
        return;
    }
    // Every member has all sums. Each stores a row of its own, as far as the team has as many members.
    for (var r = team.member; r < ROWS; r += team.members) {
        // Not `sums[r]`: an array that is indexed by a variable is not in registers.
        var sum = sums[0];
        for (var i = 1u; i < ROWS; i++) {
            sum = select(sum, sums[i], i == r);
        }
        let row = first_row + r;
        if row < params.output.pixels {
            let value = apply_epilogue(sum + bias[c4_index], pixel_position(params.output, row), c4_index);
            output[element_of_pixel(params.output, row) + c4_index] = pack_element(value);
        }
    }
}
