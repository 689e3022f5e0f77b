//! Fuses a norm and an activation into the prologue of their reader, which applies them as it loads its
//! input. In DenseNet they come before the convolution and read a concatenation, so that they cannot be
//! folded into the node before them.

use super::PassReport;
use super::draft::Draft;
use crate::graph::{Norm, Op, Prologue, ValueId};

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    for i in draft.indices() {
        let node = draft.node(i);
        let prologue = match (Norm::of(node), &node.op) {
            (Some(norm), _) => Prologue {
                norm: Some(norm),
                activation: node.fused.activation,
            },
            (None, Op::Activation(activation)) => Prologue {
                norm: None,
                activation: Some(*activation),
            },
            _ => continue,
        };
        let (name, input) = (node.name.clone(), node.inputs[0]);
        match reader(draft, i) {
            Ok(reader) => {
                let after = draft.node(reader).name.clone();
                report.applied(&name, format!("applied by '{after}' on load"));
                draft.remove(i);
                let mut inputs = draft.node(reader).inputs.clone();
                inputs[0] = input;
                draft.set_inputs(reader, inputs);
                draft.fused_mut(reader).prologue = Some(prologue);
            }
            Err(reason) => report.refused(&name, reason),
        }
    }
}

/// The node that can apply node `i` to its input on load, or why there is none.
fn reader(draft: &Draft, i: usize) -> Result<usize, String> {
    let reader = draft.sole_reader(ValueId::new(i))?;
    let after = draft.node(reader);
    let name = &after.name;
    match &after.op {
        Op::Conv2d(op) if op.groups == 1 => {}
        Op::Conv2d(_) => return Err(format!("its reader '{name}' has groups")),
        Op::AdaptiveAvgPool2d(_) => {}
        op => {
            let kind = op.as_operator().kind();
            return Err(format!("its reader '{name}' ({kind}) has no prologue"));
        }
    }
    if after.inputs[0].index() != i {
        return Err(format!("its reader '{name}' adds it as a residual"));
    }
    if after.fused.prologue.is_some() {
        return Err(format!("its reader '{name}' already has a prologue"));
    }
    Ok(reader)
}
