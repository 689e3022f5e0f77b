// Winograd convolution, step 1 of 3: the input transform B^T d B of tiles that overlap by two rows and
// columns. The GEMMs between the transforms are computed by the `conv2d` kernels. The legend of the tile's
// dimensions is in `shared/winograd.wgsl`.
//
//   input         NHWC, [in / 4] elements per pixel
//   output        [point][tile][in / 4]: the A matrices of ALPHA^2 GEMMs
#import shared/winograd

struct Params {
    input: TensorView,
    tiles: Tiles,
    // Rows above and columns left of the input. Negative (wrapped around) where the input is cropped.
    padding: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;

// 2 exchanges the lines in two rounds, half of the rows each, through half the memory. It must divide ALPHA.
override ROUNDS: u32 = 1u;
override ROWS_PER_ROUND: u32 = (TILE + 2u) / ROUNDS;
override LINES_LEN: u32 = ROWS_PER_ROUND * ALPHA * ELEMENTS_PER_WORKGROUP;

var<workgroup> lines: array<vec4<f32>, LINES_LEN>;

// B^T d.
fn transform(d: Line) -> Line {
    if TILE == 2u {
        return Line(d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3], vec4<f32>(), vec4<f32>());
    }
    let even = d[4] - 4.0 * d[2];
    let odd = d[3] - 4.0 * d[1];
    let near = d[4] - d[2];
    let far = 2.0 * (d[3] - d[1]);
    return Line(
        4.0 * d[0] - 5.0 * d[2] + d[4],
        even + odd,
        even - odd,
        near + far,
        near - far,
        4.0 * d[1] - 5.0 * d[3] + d[5],
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
    let corner = element.position.yz * TILE - params.padding;

    var d: Line;
    for (var r = 0u; r < ALPHA; r++) {
        let y = corner.x + r;
        let x = corner.y + line;
        // Coordinates above or left of the input wrap around to huge numbers.
        let inside = y < params.input.height && x < params.input.width;
        let source = select(0u, element_at(params.input, element.position.x, y, x) + element.c4_index, inside);
        d[r] = select(vec4<f32>(), unpack_element(input[source]), inside);
    }
    d = transform(d);
    var own: Line;
    for (var round = 0u; round < ROUNDS; round++) {
        let first = round * ROWS_PER_ROUND;
        if round > 0u {
            // All must have read the rows of the round before.
            workgroupBarrier();
        }
        for (var r = 0u; r < ROWS_PER_ROUND; r++) {
            lines[(r * ALPHA + line) * ELEMENTS_PER_WORKGROUP + e] = d[first + r];
        }
        workgroupBarrier();
        // Wraps around for the rows before, so one comparison is enough.
        let row = line - first;
        if row < ROWS_PER_ROUND {
            for (var c = 0u; c < ALPHA; c++) {
                own[c] = lines[(row * ALPHA + c) * ELEMENTS_PER_WORKGROUP + e];
            }
        }
    }
    d = transform(own);
    if element.inside && local < ALPHA * ELEMENTS_PER_WORKGROUP {
        for (var c = 0u; c < ALPHA; c++) {
            let row = (line * ALPHA + c) * params.tiles.count + element.tile;
            output[params.tiles.offset + row * params.tiles.c4 + element.c4_index] = d[c];
        }
    }
}
