//! Concatenations without copies: the node that computes a part writes it directly into the
//! concatenation's memory.

use std::collections::HashMap;

use super::PassReport;
use super::draft::Draft;
use super::shared_memory::SharedMemory;
use crate::graph::{Op, Storage, ValueId};

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    let concats: Vec<usize> = (draft.indices().into_iter())
        .filter(|&i| matches!(draft.node(i).op, Op::Concat(_)))
        .collect();
    share_prefixes(draft, &concats, report);
    let mut memory = SharedMemory::new(draft);
    for &concat in &concats {
        let parts = draft.node(concat).inputs.clone();
        let mut times: HashMap<ValueId, usize> = HashMap::new();
        for part in &parts {
            *times.entry(*part).or_default() += 1;
        }
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
                is_repeated: times.get(&part).is_some_and(|times| *times > 1),
            };
            match slot.assign(draft, &mut memory, part) {
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
    // A tree of lists of parts: every list has the number of the list without its last part, and that part.
    let mut lists: HashMap<(usize, ValueId), usize> = HashMap::new();
    // The first concatenation of each list.
    let mut concat_of: HashMap<usize, usize> = HashMap::new();
    for &later in concats {
        let parts = &draft.node(later).inputs;
        let mut longest: Option<(usize, usize)> = None;
        let mut list = 0;
        for (position, part) in parts.iter().enumerate() {
            let Some(&next) = lists.get(&(list, *part)) else {
                break;
            };
            list = next;
            if let Some(&earlier) = concat_of.get(&list)
                && position > 0
            {
                longest = Some((earlier, position + 1));
            }
        }
        if let Some((earlier, count)) = longest {
            let text = format!("begins with '{}'", draft.node(earlier).name);
            report.applied(&draft.node(later).name.clone(), text);
            let rest = &parts[count..];
            let mut parts = vec![ValueId::new(earlier)];
            parts.extend(rest);
            draft.set_inputs(later, parts);
        }
        let mut list = 0;
        for part in &draft.node(later).inputs {
            let new = lists.len() + 1;
            list = *lists.entry((list, *part)).or_insert(new);
        }
        concat_of.entry(list).or_insert(later);
    }
}

/// Where a part is stored in a concatenation.
struct Slot {
    concat: usize,
    channel: usize,
    count: usize,
    is_last: bool,
    /// Whether the concatenation has the part more than once.
    is_repeated: bool,
}

impl Slot {
    /// Stores `part` in this slot, or returns the reason why it cannot be.
    fn assign(
        &self,
        draft: &mut Draft,
        memory: &mut SharedMemory,
        part: ValueId,
    ) -> Result<(), String> {
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
        if self.is_repeated {
            return Err("it is a part more than once".to_owned());
        }
        let storage = Storage::ConcatSlice {
            of: ValueId::new(self.concat),
            channel: self.channel,
        };
        memory.store(draft, i, storage)
    }
}
