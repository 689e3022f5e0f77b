// A fully connected layer of few rows. A team answers four features of one row: its invocations split
// the inner dimension and add their sums up. The weights lie [out / 4][in], four output features to an
// element, and each dispatch holds the output groups from `first_group` on.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/epilogue
#import shared/reduce
#import reduction

struct Params {
    input: TensorView,
    output: TensorView,
    epilogue: Epilogue,
    first_group: u32,
    // Output groups of this dispatch.
    groups: u32,
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
    // Teams that are left over redo the last, since a barrier may not stand behind a return.
    let part = workgroup.x * team.teams + team.team;
    let block = min(part, params.groups - 1u);
    let group = params.first_group + block;
    // The fold of many rows into z can leave some over as well.
    let row = min(workgroup.z * workgroups.y + workgroup.y, params.output.pixels - 1u);
    let source = element_of(params.input, row);
    let inner = params.input.groups;
    let row_of_weights = block * inner * 4u;

    var sum = vec4<f32>();
    for (var i = team.member; i < inner; i += team.members) {
        let value = unpack_element(input[source + i]);
        let at = row_of_weights + i * 4u;
        sum = fma(vec4<f32>(value.x), unpack_element(weight[at]), sum);
        sum = fma(vec4<f32>(value.y), unpack_element(weight[at + 1u]), sum);
        sum = fma(vec4<f32>(value.z), unpack_element(weight[at + 2u]), sum);
        sum = fma(vec4<f32>(value.w), unpack_element(weight[at + 3u]), sum);
    }
    sum = reduce_team(sum, invocation);
    if team.member == 0u && part < params.groups {
        let value = finish(sum + bias[group], position_of(params.output, row), group);
        output[element_of(params.output, row) + group] = pack_element(value);
    }
}
