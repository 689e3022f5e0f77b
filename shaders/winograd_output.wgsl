// Winograd convolution, step 3 of 3: the output transform A^T m A of the products, then the epilogue. The
// legend of the tile's dimensions is in `shared/winograd.wgsl`.
//
//   input         [point][tile][out / 4]: the C matrices of ALPHA^2 GEMMs
//   output        NHWC, [out / 4] elements per pixel
#import shared/winograd
#import shared/epilogue

struct Params {
    output: TensorView,
    epilogue: EpilogueParams,
    tiles: Tiles,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> residual: array<Element>;
@group(0) @binding(4) var<storage, read_write> output: array<Element>;

override LINES_LEN: u32 = TILE * ALPHA * ELEMENTS_PER_WORKGROUP;

var<workgroup> lines: array<vec4<f32>, LINES_LEN>;

// A^T m: only the first TILE values are used.
fn transform(m: Line) -> Line {
    let none = vec4<f32>();
    if TILE == 2u {
        return Line(m[0] + m[1] + m[2], m[1] - m[2] - m[3], none, none, none, none);
    }
    let near = m[1] - m[2];
    let far = m[3] - m[4];
    let near_sum = m[1] + m[2];
    let far_sum = m[3] + m[4];
    return Line(
        m[0] + near_sum + far_sum,
        near + 2.0 * far,
        near_sum + 4.0 * far_sum,
        near + 8.0 * far + m[5],
        none,
        none,
    );
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let task = line_task(params.tiles, workgroup, workgroups, local);
    let line = task.line;
    let e = task.local_element;
    let element = task.element;

    var m: Line;
    for (var r = 0u; r < ALPHA; r++) {
        let row = (r * ALPHA + line) * params.tiles.count + element.tile;
        m[r] = input[params.tiles.offset + row * params.tiles.c4 + element.c4_index];
    }
    m = transform(m);
    for (var r = 0u; r < TILE; r++) {
        lines[(r * ALPHA + line) * ELEMENTS_PER_WORKGROUP + e] = m[r];
    }
    workgroupBarrier();
    let row = min(line, TILE - 1u);
    for (var c = 0u; c < ALPHA; c++) {
        m[c] = lines[(row * ALPHA + c) * ELEMENTS_PER_WORKGROUP + e];
    }
    m = transform(m);
    let y = element.position.y * TILE + row;
    if element.inside && local < TILE * ELEMENTS_PER_WORKGROUP && y < params.output.height {
        for (var c = 0u; c < TILE; c++) {
            let position = vec3<u32>(element.position.x, y, element.position.z * TILE + c);
            if position.z < params.output.width {
                let value = apply_epilogue(m[c] + bias[element.c4_index], position, element.c4_index);
                output[element_at(params.output, position.x, position.y, position.z) + element.c4_index] = pack_element(value);
            }
        }
    }
}
