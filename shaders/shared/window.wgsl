// Where a convolution's window lies.
struct Window {
    kernel: vec2<u32>,
    stride: vec2<u32>,
    dilation: vec2<u32>,
    // Top and left.
    padding: vec2<u32>,
}

struct Tap {
    // The element of the tap's pixel; 0 where it lies in the padding.
    element: u32,
    inside: bool,
}

// The input pixel under tap (ky, kx) of the window that answers the output pixel `at`
// (batch, row, column).
fn tap(window: Window, input: Map, at: vec3<u32>, ky: u32, kx: u32) -> Tap {
    // In padded coordinates, so that nothing is negative: what lies above or before wraps around
    // to a huge number and fails the same comparison as what lies below or after.
    let y = at.y * window.stride.x + ky * window.dilation.x - window.padding.x;
    let x = at.z * window.stride.y + kx * window.dilation.y - window.padding.y;
    let inside = y < input.height && x < input.width;
    return Tap(select(0u, element_at(input, at.x, y, x), inside), inside);
}
