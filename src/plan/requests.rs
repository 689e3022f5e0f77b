//! The memory that a graph asks for: one request for each value with memory of its own, and one for
//! each workspace between the dispatches of a node.

use super::memory::Request;
use super::selections::Selections;
use super::values::Values;
use crate::gpu::Precision;
use crate::graph::{Graph, Lifetime};

/// Points in time per node: more than any node has dispatches.
const TICKS: usize = 4;

/// The memory that a graph asks for.
#[derive(Default)]
pub(super) struct MemoryRequests {
    /// Those of values, then those of workspaces.
    pub requests: Vec<Request>,
    /// How many are of values.
    pub values: usize,
    /// For every value, the request of the one in whose memory it is.
    pub request_of: Vec<Option<usize>>,
    /// Whether a value takes the place of the residual that its node adds.
    pub in_place: Vec<bool>,
    /// For every node, the requests of its workspaces.
    pub workspace: Vec<Vec<usize>>,
}

impl MemoryRequests {
    /// The first `separate` sums that could take their residual's place do not.
    pub fn new(
        graph: &Graph,
        selected: &Selections,
        values: &Values,
        mut separate: usize,
        precision: Precision,
    ) -> Self {
        let Values {
            roots, lifetimes, ..
        } = values;
        let mut requests: Vec<Request> = Vec::with_capacity(roots.len());
        let mut request_of: Vec<Option<usize>> = vec![None; roots.len()];
        let mut in_place = vec![false; roots.len()];
        for (i, lifetime) in lifetimes.iter().enumerate() {
            let Some(lifetime) = *lifetime else {
                continue;
            };
            if selected.read_unpacked[i].is_some() {
                continue;
            }
            let replaced = (!selected.selections[i].in_parts)
                .then(|| replaceable_residual(graph, values, i))
                .flatten();
            match replaced.and_then(|residual| request_of[residual]) {
                Some(_) if separate > 0 => separate -= 1,
                Some(request) => {
                    request_of[i] = Some(request);
                    requests[request].lifetime.last = lifetime.last;
                    in_place[i] = true;
                    continue;
                }
                None => {}
            }
            request_of[i] = Some(requests.len());
            requests.push(Request {
                bytes: selected.views[i].bytes(precision),
                lifetime,
                conflicts: Vec::new(),
            });
        }
        for i in 0..roots.len() {
            request_of[i] = request_of[roots[i]];
        }
        let workspace_bytes = |i: usize| &selected.selections[i].workspace;
        let steps = |i: usize| workspace_bytes(i).len();
        let in_chunks = |i: usize| selected.selections[i].in_chunks;
        for (request, requested) in requests.iter_mut().enumerate() {
            let Lifetime { first, last } = requested.lifetime;
            // The first of several dispatches reads the inputs, but the last one the residual.
            let is_done_early = last < roots.len()
                && steps(last) > 0
                && !in_chunks(last)
                && request_of[last] != Some(request)
                && residual(graph, last).and_then(|i| request_of[i]) != Some(request);
            requested.lifetime = Lifetime {
                first: first * TICKS + if in_chunks(first) { 0 } else { steps(first) },
                last: match is_done_early {
                    true => last * TICKS,
                    false => last.saturating_mul(TICKS).saturating_add(TICKS - 1),
                },
            };
        }
        let values = requests.len();
        let mut workspace = vec![Vec::new(); roots.len()];
        let mut read = Vec::new();
        for (value, node) in graph.values() {
            let i = value.index();
            let residual = residual(graph, i);
            // The residual comes after the operator's own inputs.
            let inputs = node.values_read();
            let own = &inputs[..inputs.len() - usize::from(residual.is_some())];
            read.clear();
            read.extend(own.iter().filter_map(|v| request_of[v.index()]));
            for (step, &bytes) in workspace_bytes(i).iter().enumerate() {
                let written = requests.len();
                let ticks = if in_chunks(i) {
                    0..=TICKS - 1
                } else {
                    step..=step + 1
                };
                requests.push(Request {
                    bytes,
                    lifetime: Lifetime {
                        first: i * TICKS + ticks.start(),
                        last: i * TICKS + ticks.end(),
                    },
                    conflicts: Vec::new(),
                });
                add_conflicts(&mut requests, &read, written);
                workspace[i].push(written);
                read.clear();
                read.push(written);
            }
            if let Some(written) = request_of[i] {
                read.extend(residual.and_then(|i| request_of[i]));
                add_conflicts(&mut requests, &read, written);
            }
        }
        Self {
            requests,
            values,
            request_of,
            in_place,
            workspace,
        }
    }
}

/// A dispatch may not write a buffer that it reads. What is read and written is the same request for a
/// value under another name, a part of a concatenation in its place, or a sum in place.
fn add_conflicts(requests: &mut [Request], read: &[usize], written: usize) {
    for &read in read.iter().filter(|read| **read != written) {
        requests[read].conflicts.push(written);
        requests[written].conflicts.push(read);
    }
}

/// The value that node `i` adds.
fn residual(graph: &Graph, i: usize) -> Option<usize> {
    let node = &graph.nodes()[i];
    node.fused.residual?;
    node.inputs.last().map(|value| value.index())
}

/// The residual of node `i`, where its sum can take the residual's place: nothing else reads the
/// residual in this node or later, and both have memory of their own.
fn replaceable_residual(graph: &Graph, values: &Values, i: usize) -> Option<usize> {
    let Values {
        roots, lifetimes, ..
    } = values;
    let node = &graph.nodes()[i];
    node.fused.residual?;
    let (residual, others) = node.inputs.split_last()?;
    let residual = residual.index();
    let is_alone = roots[residual] == residual && roots[i] == i;
    let is_read_as_well = others.iter().any(|other| roots[other.index()] == residual);
    let ends_here = lifetimes[residual].is_some_and(|lifetime| lifetime.last == i);
    (is_alone && !is_read_as_well && ends_here).then_some(residual)
}
