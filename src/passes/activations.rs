//! Fuses activations into the epilogue of the node before them.

use super::PassReport;
use super::draft::Draft;
use crate::graph::Op;

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    for i in draft.indices() {
        let node = draft.node(i);
        let Op::Activation(activation) = node.op else {
            continue;
        };
        let name = node.name.clone();
        let input = node.inputs[0];
        let before = draft.node(input.index());
        let possible = match before.op {
            Op::Conv2d(_)
            | Op::ConvTranspose2d(_)
            | Op::Linear(_)
            | Op::Binary(_)
            | Op::BatchNorm2d(_)
            | Op::LayerScale(_)
            | Op::GroupNorm(_) => draft.sole_reader(input),
            _ => Err(format!(
                "its input '{}' ({}) has no epilogue",
                before.name,
                before.op.as_operator().kind()
            )),
        };
        let possible = possible.and_then(|_| match before.fused.activation {
            Some(_) => Err(format!(
                "its input '{}' already has an activation",
                before.name
            )),
            None => Ok(()),
        });
        match possible {
            Ok(()) => {
                report.applied(&name, format!("applied by '{}'", before.name));
                draft.replace(i, input);
                draft.fused_mut(i).activation = Some(activation);
            }
            Err(reason) => report.refused(&name, reason),
        }
    }
}
