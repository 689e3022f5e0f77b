// Storage type of an element, four channels of one pixel: float16 as a native type, which loads of
// cooperative matrices need. The layout in memory is that of `element_f16.wgsl`. Needs `shader-f16`.
alias Element = vec4<f16>;

fn unpack_element(element: Element) -> vec4<f32> {
    return vec4<f32>(element);
}

fn pack_element(value: vec4<f32>) -> Element {
    return vec4<f16>(value);
}
