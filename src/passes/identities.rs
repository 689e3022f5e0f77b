//! Removes nodes that are identities at these shapes.

use super::PassReport;
use super::draft::Draft;
use crate::graph::{Op, Padding, PoolKind, ValueId};

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    let mut removed = Vec::new();
    for i in draft.indices() {
        let node = draft.node(i);
        let Some(&input) = node.inputs.first() else {
            continue;
        };
        let same_shape = draft.shape(input) == draft.shape(ValueId::new(i));
        let may_be_identity = match &node.op {
            Op::Dropout | Op::Flatten(_) | Op::SliceChannels(_) | Op::CenterCropOrPad(_) => true,
            Op::AdaptiveAvgPool2d(_) => true,
            Op::Rearrange(op) => op.is_reshape(),
            Op::Pad2d(op) => [op.top, op.bottom, op.left, op.right] == [0; 4],
            Op::Pool2d(op) => {
                let is_single = op.kernel == [1; 2] && op.stride == [1; 2];
                // The norm of one value is its magnitude.
                let is_norm = matches!(op.kind, PoolKind::Lp { .. });
                is_single && op.padding == Padding::all(0) && !is_norm
            }
            Op::Concat(_) => node.inputs.len() == 1,
            _ => continue,
        };
        let name = node.name.clone();
        if may_be_identity && same_shape {
            let kind = node.op.as_operator().kind();
            report.applied(&name, format!("{kind} is an identity here; removed"));
            removed.push((i, input));
        }
    }
    draft.bypass(&removed);
}
