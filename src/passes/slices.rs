//! Reads channel slices in place, without copying them.

use super::PassReport;
use super::draft::Draft;
use super::shared_memory::SharedMemory;
use crate::graph::{Op, SliceChannels, Storage, ValueId};

pub(super) fn run(draft: &mut Draft, report: &mut PassReport) {
    let mut memory = SharedMemory::new(draft);
    for i in draft.indices() {
        let node = draft.node(i);
        let Op::SliceChannels(slice) = node.op else {
            continue;
        };
        let (name, input) = (node.name.clone(), node.inputs[0]);
        match view(draft, &mut memory, i, slice, input) {
            Ok(()) => {
                let text = format!("read in place, in '{}'", draft.node(input.index()).name);
                report.applied(&name, text);
            }
            Err(reason) => report.refused(&name, reason),
        }
    }
}

fn view(
    draft: &mut Draft,
    memory: &mut SharedMemory,
    i: usize,
    slice: SliceChannels,
    input: ValueId,
) -> Result<(), String> {
    if let Storage::ConcatSlice { of, .. } = draft.node(i).fused.storage {
        let of = &draft.node(of.index()).name;
        return Err(format!("it is copied into '{of}'"));
    }
    let channels = draft.shape(input).nchw()[1];
    if !slice.start.is_multiple_of(4) {
        return Err(format!(
            "its first channel, {}, is not a multiple of 4",
            slice.start
        ));
    }
    // The components of the last element beyond the last channel must be zero.
    if !slice.end.is_multiple_of(4) && slice.end != channels {
        return Err(format!(
            "its end, channel {}, is not a multiple of 4",
            slice.end
        ));
    }
    memory.store(draft, i, Storage::View)
}
