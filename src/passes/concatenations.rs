//! Concatenations without copies: the node that computes a part writes it directly into the
//! concatenation's memory.

use super::PassReport;
use super::draft::Draft;
use crate::graph::{Op, Storage, ValueId};

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    let concats: Vec<usize> = (draft.indices().into_iter())
        .filter(|&i| matches!(draft.node(i).op, Op::Concat(_)))
        .collect();
    share_prefixes(draft, &concats, report);
    for &concat in &concats {
        let parts = draft.node(concat).inputs.clone();
        let mut channel = 0;
        for (position, &part) in parts.iter().enumerate() {
            let count = draft.shape(part).nchw()[1];
            let name = draft.node(part.index()).name.clone();
            let into = draft.node(concat).name.clone();
            let slot = Slot {
                concat,
                channel,
                count,
                is_last: position + 1 == parts.len(),
            };
            match slot.assign(draft, &parts, part) {
                Ok(()) => report.applied(
                    &name,
                    format!(
                        "written to channels {channel}..{} of '{into}'",
                        channel + count
                    ),
                ),
                Err(reason) => report.refused(&name, format!("copied into '{into}': {reason}")),
            }
            channel += count;
        }
    }
}

/// If a concatenation begins with all parts of an earlier one, makes it begin with the earlier one
/// instead, so that no part has to be stored in two places.
fn share_prefixes(draft: &mut Draft, concats: &[usize], report: &mut PassReport) {
    for (position, &later) in concats.iter().enumerate() {
        let parts = &draft.node(later).inputs;
        let is_prefix = |earlier: &&usize| {
            let prefix = &draft.node(**earlier).inputs;
            prefix.len() > 1 && parts.starts_with(prefix)
        };
        let longest = concats[..position].iter().rev().filter(is_prefix);
        let Some(&earlier) = longest.max_by_key(|i| draft.node(**i).inputs.len()) else {
            continue;
        };
        let text = format!("begins with '{}'", draft.node(earlier).name);
        let count = draft.node(earlier).inputs.len();
        let node = draft.node_mut(later);
        node.inputs.splice(..count, [ValueId::new(earlier)]);
        let name = node.name.clone();
        report.applied(&name, text);
    }
}

/// Where a part is stored in a concatenation.
struct Slot {
    concat: usize,
    channel: usize,
    count: usize,
    is_last: bool,
}

impl Slot {
    /// Stores `part` in this slot, or returns the reason why it cannot be.
    fn assign(&self, draft: &mut Draft, parts: &[ValueId], part: ValueId) -> Result<(), String> {
        let i = part.index();
        match draft.node(i).fused.storage {
            Storage::Owned => {}
            Storage::ConcatSlice { of, .. } => {
                let other = &draft.node(of.index()).name;
                return Err(format!("it is stored in '{other}'"));
            }
            Storage::View => return Err("it is stored in another value".to_owned()),
        }
        if draft.is_rename(i) {
            return Err("it shares the memory of its input".to_owned());
        }
        if !self.channel.is_multiple_of(4) {
            return Err(format!(
                "its first channel there, {}, is not a multiple of 4",
                self.channel
            ));
        }
        if !self.count.is_multiple_of(4) && !self.is_last {
            return Err(format!(
                "its number of channels, {}, is not a multiple of 4",
                self.count
            ));
        }
        if parts.iter().filter(|other| **other == part).count() > 1 {
            return Err("it is a part more than once".to_owned());
        }
        draft.node_mut(i).fused.storage = Storage::ConcatSlice {
            of: ValueId::new(self.concat),
            channel: self.channel,
        };
        let Some(reason) = draft
            .read_write_conflict()
            .map(|node| format!("'{}' would read and write the same memory", node.name))
        else {
            return Ok(());
        };
        draft.node_mut(i).fused.storage = Storage::Owned;
        Err(reason)
    }
}
