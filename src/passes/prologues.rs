//! A norm and an activation applied by who reads them, as it loads what they read: DenseNet's come
//! before their convolution, and what they read is a concatenation.

use super::PassReport;
use super::draft::Draft;
use crate::graph::{Norm, Op, Prologue, ValueId};

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    for i in draft.indices() {
        let node = draft.node(i);
        let prologue = match &node.op {
            Op::BatchNorm2d(op) => Prologue {
                norm: Some(Norm {
                    name: node.name.clone(),
                    op: op.clone(),
                }),
                activation: node.fused.activation,
            },
            Op::Activation(activation) => Prologue {
                norm: None,
                activation: Some(*activation),
            },
            _ => continue,
        };
        let (name, input) = (node.name.clone(), node.inputs[0]);
        match reader(draft, i) {
            Ok(reader) => {
                let after = draft.node(reader).name.clone();
                report.applied(&name, format!("applied by '{after}' as it loads"));
                draft.remove(i);
                let after = draft.node_mut(reader);
                after.inputs[0] = input;
                after.fused.prologue = Some(prologue);
            }
            Err(reason) => report.refused(&name, reason),
        }
    }
}

/// The node that can apply node `i` to what it loads.
fn reader(draft: &Draft, i: usize) -> Result<usize, String> {
    let reader = draft.sole_reader(ValueId::new(i))?;
    let after = draft.node(reader);
    let name = &after.name;
    match &after.op {
        Op::Conv2d(op) if op.groups == 1 => {}
        Op::Conv2d(_) => return Err(format!("'{name}' after it has groups")),
        Op::AdaptiveAvgPool2d(_) => {}
        op => {
            let kind = op.as_operator().kind();
            return Err(format!("'{name}' ({kind}) after it has no prologue"));
        }
    }
    if after.inputs[0].index() != i {
        return Err(format!("'{name}' after it adds it"));
    }
    if after.fused.prologue.is_some() {
        return Err(format!("'{name}' after it has a prologue already"));
    }
    Ok(reader)
}
