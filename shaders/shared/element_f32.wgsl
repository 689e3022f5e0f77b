// Storage type of an element, four channels of one pixel: float32.
alias Element = vec4<f32>;

fn unpack_element(element: Element) -> vec4<f32> {
    return element;
}

fn pack_element(value: vec4<f32>) -> Element {
    return value;
}
