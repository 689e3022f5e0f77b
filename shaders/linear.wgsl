// Fully connected layer for few rows: a GEMV per row, split along K.
//
//   M          rows of the input (the batch)
//   N          output features
//   K          input features
//   team       M = 1 row, N = 4 output features (one element); its invocations split K and reduce their sums
//   workgroup  as many teams as fit, side by side along N
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

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    invocation: Invocation,
) {
    let team = team_of(invocation);
    // Surplus teams repeat the last element, since a barrier must not follow a return.
    let index = workgroup.x * team.teams + team.team;
    let local_c4 = min(index, params.output_c4 - 1u);
    let c4_index = params.first_output_c4 + local_c4;
    // Folding rows into z can leave surplus rows as well.
    let row = min(workgroup.z * workgroups.y + workgroup.y, params.output.pixels - 1u);
    let source = element_of_pixel(params.input, row);
    let k_c4 = params.input.c4;
    let weight_row = local_c4 * k_c4 * 4u;

    var sum = vec4<f32>();
    for (var k4 = team.member; k4 < k_c4; k4 += team.members) {
        let value = unpack_element(input[source + k4]);
        let at = weight_row + k4 * 4u;
        sum = fma(vec4<f32>(value.x), unpack_element(weight[at]), sum);
        sum = fma(vec4<f32>(value.y), unpack_element(weight[at + 1u]), sum);
        sum = fma(vec4<f32>(value.z), unpack_element(weight[at + 2u]), sum);
        sum = fma(vec4<f32>(value.w), unpack_element(weight[at + 3u]), sum);
    }
    sum = reduce_team(sum, invocation);
    if team.member == 0u && index < params.output_c4 {
        let value = apply_epilogue(sum + bias[c4_index], pixel_position(params.output, row), c4_index);
        output[element_of_pixel(params.output, row) + c4_index] = pack_element(value);
    }
}
