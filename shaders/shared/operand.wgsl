// An operand of an element-wise function, which may be broadcast along the axes where its extent is 1.
#import shared/tensor_view

// Where an operand is, seen from the output.
struct Operand {
    // Elements from one image, row, column and group of four channels to the next; 0 where it is broadcast.
    strides: vec4<u32>,
    offset: u32,
}

// The operand's element for one of the output. An operand of the output's extents is whole: its pixels need not be
// found by row and column.
fn element_of(operand: Operand, is_whole: u32, output: TensorView, pixel: u32, c4_index: u32) -> u32 {
    if is_whole != 0u {
        return operand.offset + pixel * operand.strides.z + c4_index;
    }
    let position = vec4<u32>(pixel_position(output, pixel), c4_index);
    return operand.offset + dot(operand.strides, position);
}

// The only channel in all lanes where it is broadcast.
fn channels_of(operand: Operand, is_whole: u32, element: vec4<f32>) -> vec4<f32> {
    if is_whole != 0u {
        return element;
    }
    return select(element, element.xxxx, operand.strides.w == 0u);
}
