//! Fuses padding and cropping into the convolutions and pooling layers that read the map, or cropping into
//! the transposed convolution that produces it.

use super::PassReport;
use super::draft::Draft;
use crate::graph::{CenterCropOrPad, Fused, Op, PoolKind, ValueId};

/// Pixels added at the top, bottom, left and right; negative where they are cropped.
type Sides = [isize; 4];

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    let is_pad = |op: &Op| matches!(op, Op::Pad2d(_) | Op::CenterCropOrPad(_));
    let mut found = draft.indices();
    found.retain(|i| is_pad(&draft.node(*i).op));
    // In reverse order: of two in a row, a convolution can fuse the second and then the first.
    for i in found.into_iter().rev() {
        let value = ValueId::new(i);
        let node = draft.node(i);
        let (name, input) = (node.name.clone(), node.inputs[0]);
        let (pad, fill) = match &node.op {
            Op::Pad2d(op) => ([op.top, op.bottom, op.left, op.right], op.value),
            _ => {
                let size = |value| {
                    let [_, _, h, w] = draft.shape(value).nchw();
                    [h, w]
                };
                (CenterCropOrPad::sides(size(input), size(value)), 0.0)
            }
        };
        // Prefer the producer to the readers: cropped pixels are then not even computed.
        if is_cropped_by_producer(draft, input, pad) {
            let before = draft.node(input.index()).name.clone();
            report.applied(&name, format!("fused into '{before}'"));
            draft.replace(i, input);
            let crop = &mut draft.fused_mut(i).crop;
            for (side, more) in crop.iter_mut().zip(pad) {
                *side += more.unsigned_abs();
            }
            continue;
        }
        let readers: Vec<usize> = draft.readers(value).collect();
        let possible = match () {
            () if draft.is_output(value) => Err(format!("'{name}' is an output of the network")),
            () if readers.is_empty() => Err(format!("nothing reads '{name}'")),
            () => (readers.iter()).try_for_each(|&reader| check(draft, reader, value, pad, fill)),
        };
        match possible {
            Ok(()) => {
                for &reader in &readers {
                    let after = draft.node(reader).name.clone();
                    report.applied(&name, format!("fused into '{after}'"));
                    let fused = draft.fused_mut(reader);
                    for (side, more) in fused.pad.iter_mut().zip(pad) {
                        *side += more;
                    }
                    if pads(pad) {
                        fused.pad_value = fill;
                    }
                }
                draft.bypass(&[(i, input)]);
            }
            Err(reason) => report.refused(&name, reason),
        }
    }
}

fn pads(sides: Sides) -> bool {
    sides.iter().any(|side| *side > 0)
}

/// Whether `input` is the output of a transposed convolution that no other node reads, so that it need not
/// compute the cropped pixels.
fn is_cropped_by_producer(draft: &Draft, input: ValueId, pad: Sides) -> bool {
    let is_transposed = matches!(draft.node(input.index()).op, Op::ConvTranspose2d(_));
    is_transposed && !pads(pad) && draft.sole_reader(input).is_ok()
}

/// Checks whether `reader` can read the input of `value` and pad or crop it itself.
fn check(
    draft: &Draft,
    reader: usize,
    value: ValueId,
    pad: Sides,
    fill: f32,
) -> Result<(), String> {
    let node = draft.node(reader);
    let (name, fused) = (&node.name, &node.fused);
    // The size of the operator's input after the padding fused so far.
    let [_, _, h, w] = draft.shape(value).nchw();
    let size = fused.padded([h, w]);
    let own = match &node.op {
        Op::Conv2d(op) => op.padding_for(size),
        Op::Pool2d(op) => op.padding_for(size),
        op => {
            let kind = op.as_operator().kind();
            return Err(format!(
                "'{name}' ({kind}) reads it, which is neither a convolution nor a pooling layer"
            ));
        }
    };
    for (side, more) in pad.into_iter().enumerate() {
        // Cropped pixels must not become padding again: the window would read them.
        if more < 0 && (own[side] > 0 || fused.pad[side] > 0) {
            return Err(format!("'{name}' pads where it crops"));
        }
        if more > 0 && fused.pad[side] < 0 {
            return Err(format!("'{name}' crops where it pads"));
        }
    }
    if let Op::Pool2d(op) = &node.op
        && op.ceil_mode
        && pad.iter().any(|side| *side < 0)
    {
        return Err(format!(
            "the windows of '{name}' extend past the end and would read cropped pixels"
        ));
    }
    match pads(pad) {
        true => check_fill(&node.op, name, fused, own != [0; 4], fill),
        false => Ok(()),
    }
}

/// Checks whether a reader can pad its input with `fill`; `is_padded` is whether its operator pads already.
fn check_fill(
    op: &Op,
    name: &str,
    fused: &Fused,
    is_padded: bool,
    fill: f32,
) -> Result<(), String> {
    if fused.pads() && fused.pad_value != fill {
        return Err(format!(
            "it pads with {fill}, '{name}' with {}",
            fused.pad_value
        ));
    }
    let Op::Pool2d(pool) = op else {
        return match fill == 0.0 {
            true => Ok(()),
            false => Err(format!("it pads with {fill}, a convolution with 0")),
        };
    };
    match pool.kind {
        // The same value as its own padding.
        PoolKind::Max if fill == f32::NEG_INFINITY => Ok(()),
        PoolKind::Max if is_padded => {
            Err(format!("it pads with {fill}, '{name}' with minus infinity"))
        }
        PoolKind::Max if pool.ceil_mode => Err(format!(
            "the windows of '{name}' extend past the end and would read {fill} there"
        )),
        PoolKind::Max => Ok(()),
        PoolKind::Lp { .. } if fill != 0.0 => Err(format!("it pads with {fill}, a norm with 0")),
        PoolKind::Lp { .. } => Ok(()),
        PoolKind::Average { .. } if fill != 0.0 => {
            Err(format!("it pads with {fill}, an average with 0"))
        }
        PoolKind::Average { count_include_pad } if is_padded && !count_include_pad => Err(format!(
            "'{name}' excludes its own padding from its averages"
        )),
        PoolKind::Average { .. } => Ok(()),
    }
}
