//! Zeros put around a map, and pixels cut off it, by the convolutions that read it.

use super::PassReport;
use super::draft::Draft;
use crate::graph::{CenterCropOrPad, Conv2d, Op, ValueId};

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    // The last first: of two in a row, the convolution takes in the second, and then the first.
    for i in draft.indices().into_iter().rev() {
        let value = ValueId::new(i);
        let node = draft.node(i);
        let (pad, fill) = match &node.op {
            Op::Pad2d(op) => ([op.top, op.bottom, op.left, op.right], op.value),
            Op::CenterCropOrPad(_) => (centered(draft, node.inputs[0], value), 0.0),
            _ => continue,
        };
        let (name, input) = (node.name.clone(), node.inputs[0]);
        let readers = draft.readers(value);
        let possible = match () {
            () if draft.is_output(value) => Err(format!("'{name}' is an output of the network")),
            () if readers.is_empty() => Err(format!("nothing reads '{name}'")),
            () if fill != 0.0 && pad.iter().any(|side| *side > 0) => {
                Err(format!("it pads with {fill}, a convolution with 0"))
            }
            () => (readers.iter()).try_for_each(|&reader| check(draft, reader, value, pad)),
        };
        match possible {
            Ok(()) => {
                for &reader in &readers {
                    let after = draft.node(reader).name.clone();
                    report.applied(&name, format!("done by '{after}'"));
                    let fused = &mut draft.node_mut(reader).fused;
                    for (side, more) in fused.pad.iter_mut().zip(pad) {
                        *side += more;
                    }
                }
                draft.bypass(i, input);
            }
            Err(reason) => report.refused(&name, reason),
        }
    }
}

/// What a [`CenterCropOrPad`] comes to: top, bottom, left, right.
fn centered(draft: &Draft, input: ValueId, output: ValueId) -> [isize; 4] {
    let ([_, _, h, w], [_, _, out_h, out_w]) =
        (draft.shape(input).nchw(), draft.shape(output).nchw());
    let sides = |input: usize, output: usize| {
        let before = CenterCropOrPad::before(input, output);
        [before, output as isize - input as isize - before]
    };
    let ([top, bottom], [left, right]) = (sides(h, out_h), sides(w, out_w));
    [top, bottom, left, right]
}

/// Whether `reader` can pad or crop what it then reads in place of `value`.
fn check(draft: &Draft, reader: usize, value: ValueId, pad: [isize; 4]) -> Result<(), String> {
    let node = draft.node(reader);
    let name = &node.name;
    let Op::Conv2d(op) = &node.op else {
        let kind = node.op.as_operator().kind();
        return Err(format!(
            "'{name}' ({kind}) reads it, which is no convolution"
        ));
    };
    let own = own_padding(op, draft, value, node.fused.pad);
    for (side, more) in pad.into_iter().enumerate() {
        // What is cut off must not be seen as padding: the window would find pixels there.
        let padded = own[side] > 0 || node.fused.pad[side] > 0;
        if more < 0 && padded {
            return Err(format!("'{name}' puts zeros where it cuts pixels off"));
        }
        if more > 0 && node.fused.pad[side] < 0 {
            return Err(format!("'{name}' cuts off what it pads"));
        }
    }
    Ok(())
}

/// The convolution's own padding, of what is left of `value` after its fused padding.
fn own_padding(op: &Conv2d, draft: &Draft, value: ValueId, pad: [isize; 4]) -> [usize; 4] {
    let [_, _, h, w] = draft.shape(value).nchw();
    // The graph has seen that no more is cut off than there is.
    let size = |size: usize, i: usize| (size as isize + pad[i] + pad[i + 1]) as usize;
    op.padding_for([size(h, 0), size(w, 2)])
}
