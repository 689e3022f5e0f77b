//! All limits of a device that a graph would break. A plan stops at the first.

use std::collections::HashSet;

use super::selections::Selections;
use super::steps::{concat_in_place, is_computed};
use super::values::Values;
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, ValueId};
use crate::kernels::{self, DeviceContext, Dispatch, Placement, Read, TensorView, WORKGROUP};

/// A limit that a network exceeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenLimit {
    /// The node.
    pub node: String,
    /// What exceeds it: the node's output, a weight, its dispatch.
    pub what: String,
    /// How much it needs.
    pub needed: u64,
    /// `bytes`, `workgroups`, …
    pub unit: &'static str,
    /// WebGPU's name of the limit.
    pub limit: &'static str,
    /// How much the limit allows.
    pub allowed: u64,
}

/// The limits that `graph`, after its passes, would break on `device`. They depend on the sizes of
/// values, not on where these are stored, so every value is assumed to have a buffer of its own.
pub(super) fn broken(
    graph: &Graph,
    selected: &Selections,
    device: &DeviceContext,
) -> Result<Vec<BrokenLimit>> {
    let values = Values::new(graph, selected, device);
    let mut found = Vec::new();
    let mut is_too_large = vec![false; selected.shapes.len()];
    for (i, error) in values.too_large(graph, selected, device) {
        is_too_large[i] = true;
        found.push(broken_by(&graph.nodes()[i].name, error)?);
    }
    let kept: HashSet<&ValueId> = values.kept.iter().collect();
    let outputs = graph.outputs().iter();
    let unpacked: HashSet<&ValueId> = outputs.filter(|output| !kept.contains(output)).collect();
    for (value, node) in graph.values() {
        let i = value.index();
        // What reads or makes a value that is too large is not examined.
        let reads = node.inputs.iter().map(|input| values.roots[input.index()]);
        if !is_computed(graph, &selected.shapes, value)
            || reads.chain([values.roots[i]]).any(|i| is_too_large[i])
        {
            continue;
        }
        let view = selected.views[i];
        let mut dispatches = match &node.op {
            Op::Input(_) if selected.read_unpacked[i].is_some() => Ok(Vec::new()),
            Op::Input(_) => kernels::pack(device, &node.name, view).map(|pack| vec![pack]),
            _ => in_separate_buffers(graph, selected, value, device),
        };
        if unpacked.contains(&value) {
            dispatches = dispatches.and_then(|mut dispatches| {
                dispatches.push(kernels::unpack(device, &node.name, view)?);
                Ok(dispatches)
            });
        }
        match dispatches {
            Ok(dispatches) => {
                let of_node = dispatches.iter().flat_map(|d| of_dispatch(d, device));
                for (what, needed, unit, limit, allowed) in of_node {
                    let broken = BrokenLimit {
                        node: node.name.clone(),
                        what: format!("{what} of '{}'", node.name),
                        needed,
                        unit,
                        limit,
                        allowed,
                    };
                    // Those of one node follow each other.
                    let mut of_node = found.iter().rev().take_while(|it| it.node == node.name);
                    if of_node.all(|it| *it != broken) {
                        found.push(broken);
                    }
                }
            }
            Err(error) => found.push(broken_by(&node.name, error)?),
        }
    }
    Ok(found)
}

/// The dispatches of a node where every value and workspace is at the start of a buffer of its own.
fn in_separate_buffers(
    graph: &Graph,
    selected: &Selections,
    value: ValueId,
    device: &DeviceContext,
) -> Result<Vec<Dispatch>> {
    let node = graph.node(value);
    let selection = &selected.selections[value.index()];
    let views: Vec<TensorView> = (node.inputs.iter())
        .map(|input| selected.views[input.index()])
        .collect();
    let placement = Placement {
        inputs: &views,
        output: selected.views[value.index()],
        workspace: &vec![0; selection.workspace.len()],
        residual_in_place: false,
        concat_in_place: &concat_in_place(graph, value),
    };
    kernels::lower(node, selection, &placement, device)
}

type Broken = (&'static str, u64, &'static str, &'static str, u64);

/// Limits of the number of workgroups, and those that all kernels rely on: WebGPU's defaults allow them,
/// but a device may not. Workgroup memory is not examined: `tests/shaders.rs` checks that no kernel takes
/// more than every device has.
fn of_dispatch(dispatch: &Dispatch, device: &DeviceContext) -> Vec<Broken> {
    let limits = &device.limits;
    let workgroups = dispatch.workgroups.into_iter().max().unwrap_or(0);
    let weights = dispatch.reads.iter().filter_map(|read| match read {
        Read::Weight(weight) => Some(weight.bytes()),
        Read::Input(_) | Read::Workspace(_) => None,
    });
    let (largest_binding, binding_limit) = device.binding_limit();
    let all = [
        (
            "a dimension of the dispatch",
            u64::from(workgroups),
            "workgroups",
            "max_compute_workgroups_per_dimension",
            u64::from(limits.max_compute_workgroups_per_dimension),
        ),
        (
            "a weight",
            weights.max().unwrap_or(0),
            "bytes",
            binding_limit,
            largest_binding,
        ),
        (
            "the parameters",
            dispatch.params.len() as u64,
            "bytes",
            "max_uniform_buffer_binding_size",
            limits.max_uniform_buffer_binding_size,
        ),
        (
            "the kernel",
            u64::from(dispatch.key.shader.bindings.reads) + 1,
            "buffers",
            "max_storage_buffers_per_shader_stage",
            u64::from(limits.max_storage_buffers_per_shader_stage),
        ),
        (
            "a workgroup",
            WORKGROUP,
            "invocations",
            "max_compute_invocations_per_workgroup",
            u64::from(limits.max_compute_invocations_per_workgroup),
        ),
    ];
    let is_broken = |(_, needed, _, _, allowed): &Broken| needed > allowed;
    all.into_iter().filter(is_broken).collect()
}

fn broken_by(node: &str, error: Error) -> Result<BrokenLimit> {
    match error {
        Error::Limit {
            what,
            needed,
            unit,
            limit,
            name,
            ..
        } => Ok(BrokenLimit {
            node: node.to_owned(),
            what,
            needed,
            unit,
            limit: name,
            allowed: limit,
        }),
        other => Err(other),
    }
}
