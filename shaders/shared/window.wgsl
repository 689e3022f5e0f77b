// The sliding window of a convolution.
struct Window {
    kernel: vec2<u32>,
    stride: vec2<u32>,
    dilation: vec2<u32>,
    // Top and left. Negative (wrapped around) where the first window begins inside the input.
    padding: vec2<u32>,
}

struct Tap {
    // The first element of the tap's input pixel; 0 where the tap is in the padding.
    element: u32,
    inside: bool,
}

// The input pixel under tap (ky, kx) of the window at `position` (batch, row, column), with rows counted
// from `first_row`.
fn locate_tap(
    window: Window,
    input: TensorView,
    position: vec3<u32>,
    first_row: u32,
    ky: u32,
    kx: u32,
) -> Tap {
    // Coordinates above or left of the input wrap around to huge numbers, and fail the same comparison as
    // those below or right of it.
    let y = first_row + position.y * window.stride.x + ky * window.dilation.x - window.padding.x;
    let x = position.z * window.stride.y + kx * window.dilation.y - window.padding.y;
    let inside = y < input.height && x < input.width;
    return Tap(select(0u, element_at(input, position.x, y, x), inside), inside);
}

// The output pixels of one dispatch: every `step`th row and column of the output from `origin` on. That is
// all of them for a convolution. A transposed convolution is one convolution per stride phase; a dispatch
// computes several phases where their windows are equal.
struct Outputs {
    // Rows and columns per phase.
    size: vec2<u32>,
    step: vec2<u32>,
    origin: vec2<u32>,
    // Pixels per phase, over the whole batch.
    pixels: u32,
    // Column phases in this dispatch. Phases are counted from `origin`, columns fastest.
    phase_columns: u32,
}

// Batch, row and column, within a phase, of an index among its pixels.
fn output_pixel(outputs: Outputs, pixel: u32) -> vec3<u32> {
    let row = pixel / outputs.size.y;
    return vec3<u32>(row / outputs.size.x, row % outputs.size.x, pixel % outputs.size.y);
}

// Batch, row and column in the output of a position within a phase.
fn position_in_output(outputs: Outputs, position: vec3<u32>, phase: u32) -> vec3<u32> {
    let first = outputs.origin + vec2<u32>(phase / outputs.phase_columns, phase % outputs.phase_columns);
    return vec3<u32>(position.x, position.yz * outputs.step + first);
}
