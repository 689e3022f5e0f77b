//! Folds batch norms and layer scales into the weights and bias of the convolution or fully connected layer before them.

use super::PassReport;
use super::draft::Draft;
use crate::graph::{Norm, Op};

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    for i in draft.indices() {
        let node = draft.node(i);
        let Some(norm) = Norm::of(node) else {
            continue;
        };
        let input = node.inputs[0];
        let before = draft.node(input.index());
        let possible = match before.op {
            Op::Conv2d(_) | Op::ConvTranspose2d(_) | Op::Linear(_) => draft.sole_reader(input),
            _ => Err(format!(
                "its input '{}' ({}) has no weights to fold it into",
                before.name,
                before.op.as_operator().kind()
            )),
        };
        let possible = possible.and_then(|_| match before.fused.has_epilogue() {
            true => Err(format!(
                "its input '{}' already has an epilogue",
                before.name
            )),
            false => Ok(()),
        });
        match possible {
            Ok(()) => {
                report.applied(&norm.name, format!("folded into '{}'", before.name));
                draft.replace(i, input);
                draft.fused_mut(i).norm = Some(norm);
            }
            Err(reason) => report.refused(&norm.name, reason),
        }
    }
}
