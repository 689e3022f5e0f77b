// Where a convolution's window lies.
struct Window {
    kernel: vec2<u32>,
    stride: vec2<u32>,
    dilation: vec2<u32>,
    // Top and left; below zero (wrapped around) where the window starts inside.
    padding: vec2<u32>,
}

struct Tap {
    // The element of the tap's pixel; 0 where it lies in the padding.
    element: u32,
    inside: bool,
}

// The input pixel under tap (ky, kx) of the window at `at` (batch, row, column), rows counted from
// `first_row`.
fn tap(window: Window, input: TensorView, at: vec3<u32>, first_row: u32, ky: u32, kx: u32) -> Tap {
    // What lies above or before wraps around to a huge number, and fails the same comparison as
    // what lies below or after.
    let y = first_row + at.y * window.stride.x + ky * window.dilation.x - window.padding.x;
    let x = at.z * window.stride.y + kx * window.dilation.y - window.padding.y;
    let inside = y < input.height && x < input.width;
    return Tap(select(0u, element_at(input, at.x, y, x), inside), inside);
}

// The output pixels of one dispatch: every `step`th row and column of the output from `origin` on.
// All of them for a convolution; a transposed convolution is one convolution for each remainder of
// its stride, several of them in one dispatch where their windows are equal.
struct Outputs {
    size: vec2<u32>,
    step: vec2<u32>,
    origin: vec2<u32>,
    pixels: u32,
    // Remainders of the columns in this dispatch; they go up from `origin`, columns fastest.
    columns: u32,
}

// Batch, row and column among these outputs.
fn output_position(outputs: Outputs, pixel: u32) -> vec3<u32> {
    let row = pixel / outputs.size.y;
    return vec3<u32>(row / outputs.size.x, row % outputs.size.x, pixel % outputs.size.y);
}

// Batch, row and column of the output, for such a position of a remainder of the dispatch.
fn output_place(outputs: Outputs, at: vec3<u32>, remainder: u32) -> vec3<u32> {
    let first = outputs.origin + vec2<u32>(remainder / outputs.columns, remainder % outputs.columns);
    return vec3<u32>(at.x, at.yz * outputs.step + first);
}
