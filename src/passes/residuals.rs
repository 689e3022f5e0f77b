//! Fuses additions into the epilogue of one of the convolutions or fully connected layers whose outputs they
//! add.

use super::PassReport;
use super::draft::Draft;
use crate::graph::{Binary, Op, Residual, ValueId};

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    for i in draft.indices() {
        let node = draft.node(i);
        let (Op::Binary(Binary::Add), [a, b]) = (&node.op, &node.inputs[..]) else {
            continue;
        };
        let (name, a, b) = (node.name.clone(), *a, *b);
        let after = node.fused.activation;
        // The first operand if possible: networks list a block before its shortcut.
        let chosen = check(draft, i, a, b).map(|()| (a, b));
        let chosen = chosen.or_else(|reason| match check(draft, i, b, a) {
            Ok(()) => Ok((b, a)),
            Err(other) if other == reason => Err(reason),
            Err(other) => Err(format!("{reason}; {other}")),
        });
        match chosen {
            Ok((sum, residual)) => {
                let adder = &draft.node(sum.index()).name;
                report.applied(&name, format!("added by '{adder}'"));
                draft.replace(i, sum);
                let mut inputs = draft.node(i).inputs.clone();
                inputs.push(residual);
                draft.set_inputs(i, inputs);
                let fused = draft.fused_mut(i);
                fused.residual = Some(match fused.activation {
                    Some(_) => Residual::AfterActivation,
                    None => Residual::BeforeActivation,
                });
                fused.activation = fused.activation.or(after);
            }
            Err(reason) => report.refused(&name, reason),
        }
    }
}

/// Checks whether the node of `sum` can add `residual` instead of node `i`.
fn check(draft: &Draft, i: usize, sum: ValueId, residual: ValueId) -> Result<(), String> {
    let node = draft.node(sum.index());
    let name = &node.name;
    if !matches!(
        node.op,
        Op::Conv2d(_) | Op::ConvTranspose2d(_) | Op::Linear(_)
    ) {
        let kind = node.op.as_operator().kind();
        return Err(format!("'{name}' ({kind}) has no epilogue for a sum"));
    }
    if draft.shape(sum) != draft.shape(residual) {
        let (a, b) = (draft.shape(sum), draft.shape(residual));
        return Err(format!("'{name}' is {a}, but the residual is {b}"));
    }
    if node.fused.residual.is_some() {
        return Err(format!("'{name}' already adds a residual"));
    }
    if node.fused.activation.is_some() && draft.node(i).fused.activation.is_some() {
        return Err(format!("'{name}' has an activation, and so has the sum"));
    }
    draft.sole_reader(sum).map(drop)
}
