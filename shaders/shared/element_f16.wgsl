// Storage type of an element, four channels of one pixel: float16, two per 32-bit word. Needs no
// `shader-f16`, so it works on every device, OpenGL included. Arithmetic stays float32.
alias Element = vec2<u32>;

fn unpack_element(element: Element) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(element.x), unpack2x16float(element.y));
}

// Elements that hold a sum of float32, and each of them.
const ELEMENTS_PER_SUM: u32 = 2u;

fn part_of_sum(sum: vec4<f32>, part: u32) -> Element {
    return bitcast<vec2<u32>>(select(sum.xy, sum.zw, part == 1u));
}

fn pack_element(value: vec4<f32>) -> Element {
    return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
