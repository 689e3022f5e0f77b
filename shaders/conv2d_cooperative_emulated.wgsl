// What conv2d_cooperative.wgsl does, on devices without cooperative matrices: for tests. A matrix of
// sums is two elements an invocation, half a pixel; the factors are read where they lie.
#import shared/conv2d_cooperative

// Where a matrix begins.
alias Left = u32;
alias Right = u32;
alias Sum = array<vec4<f32>, 2>;

// Among the invocations that count as a subgroup.
var<private> lane: u32;

fn load_left(at: u32) -> Left {
    return at;
}

fn load_right(at: u32) -> Right {
    return at;
}

fn multiply_add(left: Left, right: Right, sum: Sum) -> Sum {
    var answer = sum;
    let row = left + lane / 2u * ROW;
    let column = right + lane % 2u * 2u;
    for (var k = 0u; k < SIDE; k++) {
        let x = vec4<f32>(unpack_element(patches[row + k / 4u])[k % 4u]);
        answer[0] = fma(x, unpack_element(weight[column + k * BLOCK]), answer[0]);
        answer[1] = fma(x, unpack_element(weight[column + k * BLOCK + 1u]), answer[1]);
    }
    return answer;
}

fn store_sum(sum: Sum, at: u32) {
    answers[at + lane * 2u] = sum[0];
    answers[at + lane * 2u + 1u] = sum[1];
}

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    lane = local % LANES;
    convolve(workgroup, workgroups, local, local / LANES);
}
