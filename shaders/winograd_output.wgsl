// The last step of Winograd's convolution: products, as [position][tile][out / 4], transformed by
// A^T m A into tiles of the output.
#import shared/winograd
#import shared/epilogue

struct Params {
    output: TensorView,
    epilogue: Epilogue,
    tiles: Tiles,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> residual: array<Element>;
@group(0) @binding(4) var<storage, read_write> output: array<Element>;

// A^T m: the first TILE of the answer.
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
    let turn = turn_of(params.tiles, workgroup, workgroups, local);
    let line = turn.line;
    let e = turn.e;
    let place = turn.place;

    var m: Line;
    for (var r = 0u; r < SIDE; r++) {
        let row = (r * SIDE + line) * params.tiles.count + place.tile;
        m[r] = input[params.tiles.first + row * params.tiles.groups + place.group];
    }
    m = transform(m);
    for (var r = 0u; r < TILE; r++) {
        lines[(r * SIDE + line) * SPREAD + e] = m[r];
    }
    workgroupBarrier();
    let row = min(line, TILE - 1u);
    for (var c = 0u; c < SIDE; c++) {
        m[c] = lines[(row * SIDE + c) * SPREAD + e];
    }
    m = transform(m);
    let y = place.at.y * TILE + row;
    if place.inside && local < TILE * SPREAD && y < params.output.height {
        for (var c = 0u; c < TILE; c++) {
            let at = vec3<u32>(place.at.x, y, place.at.z * TILE + c);
            if at.z < params.output.width {
                let value = finish(m[c] + bias[place.group], at, place.group);
                output[element_at(params.output, at.x, at.y, at.z) + place.group] = pack_element(value);
            }
        }
    }
}
