// Four channels of one pixel as they are stored: float16, as a type of its own, which the loads of
// cooperative matrices need. In memory it is what `element_f16.wgsl` stores. Needs shader-f16.
alias Element = vec4<f16>;

fn unpack_element(element: Element) -> vec4<f32> {
    return vec4<f32>(element);
}

fn pack_element(value: vec4<f32>) -> Element {
    return vec4<f16>(value);
}
