// Storage type of an element, four channels of one pixel: float32.
alias Element = vec4<f32>;

fn unpack_element(element: Element) -> vec4<f32> {
    return element;
}

// Elements that hold a sum of float32, and each of them.
const ELEMENTS_PER_SUM: u32 = 1u;

fn part_of_sum(sum: vec4<f32>, part: u32) -> Element {
    return sum;
}

fn pack_element(value: vec4<f32>) -> Element {
    return value;
}
