// Rows of a table for token ids. The ids are read as the caller gave them, float32; the table may be
// split by rows over dispatches.
#import element
#import shared/tensor_view
#import shared/grid

struct Params {
    output: TensorView,
    // Rows of the whole table, and those that this dispatch's part holds.
    rows: u32,
    first_row: u32,
    end_row: u32,
    // What an id without a row gives: not a number.
    missing: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<Element>;
@group(0) @binding(3) var<storage, read_write> output: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let index = flat_index(id, workgroups);
    let pixel = index / params.output.groups;
    let group = index % params.output.groups;
    if pixel >= params.output.pixels {
        return;
    }
    let wanted = ids[pixel];
    // False for NaN as well.
    let in_table = wanted >= 0.0 && wanted < f32(params.rows);
    let row = u32(select(0.0, wanted, in_table));
    let destination = element_of(params.output, pixel) + group;
    if !(in_table && f32(row) == wanted) {
        let value = vec4<f32>(params.missing);
        output[destination] = pack_element(zero_unused_lanes(value, group, params.output.channels));
    } else if row >= params.first_row && row < params.end_row {
        output[destination] = table[(row - params.first_row) * params.output.groups + group];
    }
}
