//! Makes one convolution of several that read the same value and whose outputs are added (Ding et al. 2021, "RepVGG:
//! Making VGG-style ConvNets great again"): convolutions of one tap, and the value itself after a norm, become part of
//! the weights of a convolution with more taps.

use super::PassReport;
use super::draft::Draft;
use crate::graph::{Binary, Branch, Conv2d, Fused, Norm, Op, Padding, ValueId};

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    for i in draft.indices() {
        let node = draft.node(i);
        let (Op::Binary(Binary::Add), [a, b]) = (&node.op, &node.inputs[..]) else {
            continue;
        };
        let (name, a, b) = (node.name.clone(), *a, *b);
        let chosen = branch(draft, a, b).map(|branch| (a, b, branch));
        let chosen = chosen.or_else(|reason| match branch(draft, b, a) {
            Ok(branch) => Ok((b, a, branch)),
            Err(_) => Err(reason),
        });
        match chosen {
            Ok((main, other, branch)) => {
                let adder = &draft.node(main.index()).name;
                let other_name = &draft.node(other.index()).name;
                report.applied(&name, format!("'{other_name}' is part of '{adder}'"));
                draft.replace(i, main);
                draft.remove(other.index());
                draft.fused_mut(i).branches.push(branch);
            }
            // Other sums are no candidates.
            Err(None) => {}
            Err(Some(reason)) => report.refused(&name, reason),
        }
    }
}

/// `other` as a part of the convolution `main`, to which it is added, or why it cannot be one; `None` where there are
/// no such branches.
fn branch(draft: &Draft, main: ValueId, other: ValueId) -> Result<Branch, Option<String>> {
    let (node, added) = (draft.node(main.index()), draft.node(other.index()));
    let Op::Conv2d(conv) = &node.op else {
        return Err(None);
    };
    if added.inputs.first() != node.inputs.first() {
        return Err(None);
    }
    let branch = match (&added.op, Norm::of(added)) {
        (Op::Conv2d(point), _) if point.kernel == [1, 1] => {
            let has_same_pixels = point.padding == Padding::all(0) && point.stride == conv.stride;
            let has_same_channels = point.groups == conv.groups;
            if !has_same_pixels || !has_same_channels {
                let reason = "has another stride, padding or number of groups";
                return Err(Some(format!("'{}' {reason}", added.name)));
            }
            Branch {
                conv: Some((added.name.clone(), point.clone())),
                norm: added.fused.norm.clone(),
            }
        }
        (_, Some(norm)) if conv.stride == [1, 1] && conv.in_channels == conv.out_channels => {
            Branch {
                conv: None,
                norm: Some(norm),
            }
        }
        _ => return Err(None),
    };
    let size = draft.shape(node.inputs[0]).nchw();
    if !is_centered(conv, [size[2], size[3]]) {
        let reason = "does not have a tap at the center of its window";
        return Err(Some(format!("'{}' {reason}", node.name)));
    }
    for (node, value) in [(node, main), (added, other)] {
        let bare = Fused {
            norm: node.fused.norm.clone(),
            branches: node.fused.branches.clone(),
            ..Fused::default()
        };
        if node.fused != bare {
            return Err(Some(format!(
                "'{}' has other work fused into it",
                node.name
            )));
        }
        draft.sole_reader(value).map_err(Some)?;
    }
    Ok(branch)
}

/// Whether the tap in the middle of the kernel reads the pixel that a kernel of one tap with the same stride reads.
fn is_centered(conv: &Conv2d, size: [usize; 2]) -> bool {
    let [top, _, left, _] = conv.padding_for(size);
    [(top, 0), (left, 1)].into_iter().all(|(before, axis)| {
        let kernel = conv.kernel[axis];
        kernel % 2 == 1 && before == kernel / 2 * conv.dilation[axis]
    })
}
