//! Element-wise functions of several tensors.

use super::activation;
use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{BINARY, WHERE};
use crate::graph::Binary;

uniforms! {
    /// `Operand` of `shaders/shared/operand.wgsl`.
    struct Operand {
        /// Elements from one image, row, column and group of four channels to the next; 0 where it is broadcast.
        strides: [u32; 4],
        offset: u32,
        unused: [u32; 3],
    }

    struct Params for BINARY {
        a: Operand,
        b: Operand,
        output: TensorView,
        slope: f32,
        unused: [u32; 3],
    }

    struct WhereParams for WHERE {
        condition: Operand,
        a: Operand,
        b: Operand,
        output: TensorView,
    }
}

impl Operand {
    fn new(view: &TensorView, output: &TensorView) -> Self {
        let row = view.width * view.pixel_stride;
        // Where both have an extent of 1, the index is 0. But a stride of 0 says that one channel is broadcast.
        let stride = |own: u32, of_output: u32, stride: u32| match own == of_output {
            true => stride,
            false => 0,
        };
        Self {
            strides: [
                stride(view.batch, output.batch, view.height * row),
                stride(view.height, output.height, row),
                stride(view.width, output.width, view.pixel_stride),
                stride(view.channels, output.channels, 1),
            ],
            offset: view.offset,
            unused: [0; 3],
        }
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: Binary) -> Result<Vec<Dispatch>> {
    let (activation, slope) = activation::code(context.node.fused.activation);
    let params = Params {
        a: Operand::new(&context.inputs[0], &context.output),
        b: Operand::new(&context.inputs[1], &context.output),
        output: context.output,
        slope,
        unused: [0; 3],
    };
    let reads = vec![Read::Input(0), Read::Input(1)];
    // The operation's code in `shaders/binary.wgsl`.
    let code = match op {
        Binary::Add => 0,
        Binary::Mul => 1,
        Binary::Sub => 2,
        Binary::Div => 3,
        Binary::Max => 4,
        Binary::Min => 5,
        Binary::Pow => 6,
        Binary::Equal => 7,
        Binary::Greater => 8,
        Binary::GreaterOrEqual => 9,
        Binary::Less => 10,
        Binary::LessOrEqual => 11,
        Binary::And => 12,
        Binary::Or => 13,
        Binary::Xor => 14,
        Binary::Remainder => 15,
        Binary::Fmod => 16,
        Binary::TruncDiv => 17,
    };
    let dispatch = context.per_element(&BINARY, &params, reads, NO_LOOPS)?;
    let dispatch = dispatch
        .constant("OPERATION", code)
        .constant("A_IS_WHOLE", is_whole(context, 0))
        .constant("B_IS_WHOLE", is_whole(context, 1));
    Ok(vec![dispatch.constant("ACTIVATION", activation)])
}

/// Whether input `i` has the output's extents.
fn is_whole(context: &LoweringContext, i: usize) -> u32 {
    let extents = |view: &TensorView| [view.batch, view.height, view.width, view.channels];
    u32::from(extents(&context.inputs[i]) == extents(&context.output))
}

pub(super) fn where_dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    let operand = |i: usize| Operand::new(&context.inputs[i], &context.output);
    let params = WhereParams {
        condition: operand(0),
        a: operand(1),
        b: operand(2),
        output: context.output,
    };
    let reads = (0..3).map(Read::Input).collect();
    let dispatch = context.per_element(&WHERE, &params, reads, NO_LOOPS)?;
    Ok(vec![dispatch.constants(&[
        ("CONDITION_IS_WHOLE", is_whole(context, 0)),
        ("A_IS_WHOLE", is_whole(context, 1)),
        ("B_IS_WHOLE", is_whole(context, 2)),
    ])])
}
