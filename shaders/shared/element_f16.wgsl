// Storage type of an element, four channels of one pixel: float16, two per 32-bit word. Needs no
// `shader-f16`, so it works on every device, OpenGL included. Arithmetic stays float32.
alias Element = vec2<u32>;

fn unpack_element(element: Element) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(element.x), unpack2x16float(element.y));
}

fn pack_element(value: vec4<f32>) -> Element {
    return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
