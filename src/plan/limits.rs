//! Every limit of a device that a graph would break, where a plan stops at the first.

use super::values::{Values, renames};
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, Storage};
use crate::kernels::{self, DeviceContext, Dispatch, NodeContext, Read, TensorView, WORKGROUP};
use crate::tensor::Shape;

/// A limit that a network is beyond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenLimit {
    /// The node.
    pub node: String,
    /// What of it: its output, a weight, its dispatch.
    pub what: String,
    /// How much that needs.
    pub needed: u64,
    /// `bytes`, `workgroups`, …
    pub unit: &'static str,
    /// WebGPU's name of the limit.
    pub limit: &'static str,
    /// How much it allows.
    pub allowed: u64,
}

/// Those that `graph`, after its passes, would break on `device`. They depend on the sizes of
/// values, but not on where these lie, so that no plan is needed to tell.
pub(super) fn broken(
    graph: &Graph,
    shapes: &[Shape],
    device: &DeviceContext,
) -> Result<Vec<BrokenLimit>> {
    let values = Values::new(graph, shapes, device);
    let mut found = Vec::new();
    let mut is_too_large = vec![false; shapes.len()];
    for (i, error) in values.too_large(graph, shapes, device) {
        is_too_large[i] = true;
        found.push(broken_by(&graph.nodes()[i].name, error)?);
    }
    for (value, node) in graph.values() {
        let i = value.index();
        let is_computed = node.fused.storage != Storage::View && !renames(graph, shapes, i);
        // What reads or makes a value that there cannot be is not looked into.
        let reads = node.inputs.iter().map(|input| values.roots[input.index()]);
        if !is_computed || reads.chain([values.roots[i]]).any(|i| is_too_large[i]) {
            continue;
        }
        let inputs: Vec<TensorView> = node.inputs.iter().map(|v| values.own[v.index()]).collect();
        let is_given = |i: usize| values.as_given[i].is_some();
        let context = NodeContext {
            node,
            inputs: &inputs,
            output: values.own[i],
            residual_in_place: false,
            planar: (node.inputs.first()).is_some_and(|v| is_given(v.index())),
            scratch: &[0; 2],
            device,
        };
        let in_place = |input: usize| {
            let home = graph.node(node.inputs[input]).fused.storage;
            matches!(home, Storage::ConcatSlice { of, .. } if of == value)
        };
        let map = values.own[i];
        let mut dispatches = match &node.op {
            Op::Input(_) if is_given(i) => Ok(Vec::new()),
            Op::Input(_) => kernels::pack(device, &node.name, map).map(|pack| vec![pack]),
            _ => kernels::dispatches(&context, &in_place),
        };
        if graph.outputs().contains(&value) && !values.kept.contains(&value) {
            dispatches = dispatches.and_then(|mut dispatches| {
                dispatches.push(kernels::unpack(device, &node.name, map)?);
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
                    if !found.contains(&broken) {
                        found.push(broken);
                    }
                }
            }
            Err(error) => found.push(broken_by(&node.name, error)?),
        }
    }
    Ok(found)
}

type Broken = (&'static str, u64, &'static str, &'static str, u64);

/// What kernels take for granted, as WebGPU's defaults have it and a device may not, and how many
/// workgroups there are. Workgroup memory is not looked at: `tests/shaders.rs` sees to it that no kernel
/// takes more than the least of any device.
fn of_dispatch(dispatch: &Dispatch, device: &DeviceContext) -> Vec<Broken> {
    let limits = &device.limits;
    let workgroups = dispatch.workgroups.into_iter().max().unwrap_or(0);
    let weights = dispatch.reads.iter().filter_map(|read| match read {
        Read::Weight(weight) => Some(weight.bytes()),
        Read::Input(_) | Read::Scratch(_) => None,
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
