//! Removes nodes that no output depends on.

use super::PassReport;
use super::draft::Draft;
use crate::graph::Op;

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    let indices = draft.indices();
    let mut alive = vec![false; indices.last().map_or(0, |last| last + 1)];
    for output in draft.outputs() {
        alive[output.index()] = true;
    }
    for &i in indices.iter().rev() {
        if alive[i] {
            for input in &draft.node(i).inputs {
                alive[input.index()] = true;
            }
        }
    }
    for &i in indices.iter().filter(|i| !alive[**i]) {
        let name = draft.node(i).name.clone();
        if matches!(draft.node(i).op, Op::Input(_)) {
            report.refused(
                &name,
                "no output depends on it, but it is an input of the network",
            );
        } else {
            report.applied(&name, "no output depends on it; removed");
            draft.remove(i);
        }
    }
}
