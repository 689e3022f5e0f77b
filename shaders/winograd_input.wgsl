// The first step of Winograd's convolution: tiles of the input, overlapping by two rows and columns,
// transformed by B^T d B. Answers lie [position][tile][in / 4].
#import shared/winograd

struct Params {
    input: TensorView,
    tiles: Tiles,
    // Rows above and columns before the input; below zero (wrapped around) where they are cut off.
    padding: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;

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
    let turn = turn_of(params.tiles, workgroup, workgroups, local);
    let line = turn.line;
    let e = turn.e;
    let place = turn.place;
    let corner = place.at.yz * TILE - params.padding;

    var d: Line;
    for (var r = 0u; r < SIDE; r++) {
        let y = corner.x + r;
        let x = corner.y + line;
        // What lies above or before wraps around to a huge number.
        let inside = y < params.input.height && x < params.input.width;
        let element = select(0u, element_at(params.input, place.at.x, y, x) + place.group, inside);
        d[r] = select(vec4<f32>(), unpack_element(input[element]), inside);
    }
    d = transform(d);
    for (var r = 0u; r < SIDE; r++) {
        lines[(r * SIDE + line) * SPREAD + e] = d[r];
    }
    workgroupBarrier();
    for (var c = 0u; c < SIDE; c++) {
        d[c] = lines[(line * SIDE + c) * SPREAD + e];
    }
    d = transform(d);
    if place.inside && local < SIDE * SPREAD {
        for (var c = 0u; c < SIDE; c++) {
            let row = (line * SIDE + c) * params.tiles.count + place.tile;
            output[params.tiles.first + row * params.tiles.groups + place.group] = d[c];
        }
    }
}
