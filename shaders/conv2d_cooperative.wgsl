// Convolution with cooperative matrices (tensor cores): products of 16×16×16, float16 in, float32 out,
// behind wgpu's experimental feature. For float16 storage and subgroups of 32.
enable f16;
enable wgpu_cooperative_matrix;
#import element_half
#import shared/conv2d_cooperative

alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

// Every stride and index has a name: naga 30 does not compute what stands in these calls otherwise.
// A T in a name is for matrices that lie row by row; strides count elements.
fn load_left(at: u32) -> Left {
    let stride = ROW;
    return coopLoadT<Left>(&patches[at], stride);
}

fn load_right(at: u32) -> Right {
    let stride = BLOCK;
    return coopLoadT<Right>(&weight[at], stride);
}

fn multiply_add(left: Left, right: Right, sum: Sum) -> Sum {
    return coopMultiplyAdd(left, right, sum);
}

fn store_sum(sum: Sum, at: u32) {
    let stride = BLOCK;
    coopStoreT(sum, &answers[at], stride);
}

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    convolve(workgroup, workgroups, local, subgroup);
}
