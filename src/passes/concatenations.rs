//! Concatenations without copies: who computes a part writes it where it belongs.

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
            let place = Place {
                concat,
                channel,
                count,
                is_last: position + 1 == parts.len(),
            };
            match place.give(draft, &parts, part) {
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

/// A concatenation that begins with all parts of an earlier one begins with that instead, so that
/// every value has one place.
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

/// Where a part belongs.
struct Place {
    concat: usize,
    channel: usize,
    count: usize,
    is_last: bool,
}

impl Place {
    /// Makes `part` write to its place, or says why it cannot.
    fn give(&self, draft: &mut Draft, parts: &[ValueId], part: ValueId) -> Result<(), String> {
        let i = part.index();
        match draft.node(i).fused.storage {
            Storage::Owned => {}
            Storage::ConcatSlice { of, .. } => {
                let other = &draft.node(of.index()).name;
                return Err(format!("it lies in '{other}'"));
            }
            Storage::View => return Err("it lies in another value".to_owned()),
        }
        if draft.is_rename(i) {
            return Err("it is another value under another name".to_owned());
        }
        if !self.channel.is_multiple_of(4) {
            return Err(format!(
                "its first channel there, {}, is no multiple of 4",
                self.channel
            ));
        }
        if !self.count.is_multiple_of(4) && !self.is_last {
            return Err(format!("its {} channels are no multiple of 4", self.count));
        }
        if parts.iter().filter(|other| **other == part).count() > 1 {
            return Err("it is there more than once".to_owned());
        }
        draft.node_mut(i).fused.storage = Storage::ConcatSlice {
            of: ValueId::new(self.concat),
            channel: self.channel,
        };
        let Some(reason) = draft
            .collision()
            .map(|node| format!("'{}' would read the memory that it writes", node.name))
        else {
            return Ok(());
        };
        draft.node_mut(i).fused.storage = Storage::Owned;
        Err(reason)
    }
}
