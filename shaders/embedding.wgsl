// Embedding lookup: rows of a table, by token ids. The ids are read as the caller passes them, float32. The
// table may be split by rows over several dispatches.
#import element
#import shared/tensor_view
#import shared/grid
#import shared/float_order

struct Params {
    output: TensorView,
    // Rows of the whole table, and the range of rows that this dispatch has.
    rows: u32,
    first_row: u32,
    end_row: u32,
    // The value for ids without a row: NaN.
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
    let pixel = index / params.output.c4;
    let c4_index = index % params.output.c4;
    if pixel >= params.output.pixels {
        return;
    }
    let token = ids[pixel];
    let in_table = is_number(token) && token >= 0.0 && token < f32(params.rows);
    let row = u32(select(0.0, token, in_table));
    let destination = element_of_pixel(params.output, pixel) + c4_index;
    if !(in_table && f32(row) == token) {
        let value = vec4<f32>(params.missing);
        output[destination] = pack_element(zero_unused_lanes(value, c4_index, params.output.channels));
    } else if row >= params.first_row && row < params.end_row {
        output[destination] = table[(row - params.first_row) * params.output.c4 + c4_index];
    }
}
