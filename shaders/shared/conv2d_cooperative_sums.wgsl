// Sums of `shared/conv2d_cooperative.wgsl` in a workgroup's memory, in scalars.
override C_LEN: u32 = 4u * SUBGROUPS * MATRIX_C4;
var<workgroup> c_staging: array<f32, C_LEN>;

fn load_sums(at: u32) -> vec4<f32> {
    let first = 4u * at;
    return vec4<f32>(c_staging[first], c_staging[first + 1u], c_staging[first + 2u], c_staging[first + 3u]);
}
