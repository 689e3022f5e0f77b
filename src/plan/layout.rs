//! Where every value of a graph lies.

use super::memory::{self, Allocation, Memory, Request};
use super::values::{Values, renames};
use super::{OutputLocation, Place};
use crate::error::Result;
use crate::gpu::Precision;
use crate::graph::{Graph, Lifetime, Op, Storage};
use crate::kernels::{self, DeviceContext, NodeContext, TensorView};
use crate::tensor::Shape;

/// Places and maps of all values, indexed as they are, and the memory that takes.
pub(super) struct Layout {
    pub places: Vec<Place>,
    pub maps: Vec<TensorView>,
    /// Whether a value takes the place of the residual that its node adds.
    pub in_place: Vec<bool>,
    /// One an output of the graph.
    pub output_locations: Vec<OutputLocation>,
    /// For every node, the scratch memory of its kernels: which slot, and its first element there.
    pub scratch: Vec<Vec<(Place, u32)>>,
    pub memory: Memory,
    /// The most that is alive at once: what no plan can go below.
    pub lower_bound: u64,
}

/// Of what is alive at once, in hundredths: memory above it is worth a copy.
const MUCH: u64 = 115;

impl Layout {
    /// Whether memory is much above what is alive at once.
    pub fn wastes_memory(&self) -> bool {
        self.memory.value_bytes * 100 > self.lower_bound * MUCH
    }

    pub fn new(graph: &Graph, shapes: &[Shape], device: &DeviceContext) -> Result<Self> {
        let values = Values::new(graph, shapes, device);
        if let Some((_, error)) = values.too_large(graph, shapes, device).next() {
            return Err(error);
        }
        let Values {
            own,
            roots,
            as_given,
            kept,
            lifetimes,
        } = values;
        let scratch: Vec<Vec<u64>> = (graph.values())
            .map(|(value, node)| {
                let inputs: Vec<TensorView> = node.inputs.iter().map(|v| own[v.index()]).collect();
                kernels::scratch(&NodeContext {
                    node,
                    inputs: &inputs,
                    output: own[value.index()],
                    residual_in_place: false,
                    planar: (node.inputs.first()).is_some_and(|v| as_given[v.index()].is_some()),
                    scratch: &[],
                    device,
                })
            })
            .collect();
        // A sum in its residual's place is one value less, but binds both to one buffer, which may
        // take more: the first residuals are the largest, so they are tried without.
        let mut best: Option<(Requested, Memory)> = None;
        for separate in [0, 1, 2, 3, usize::MAX] {
            let bytes = |i: usize| {
                let bytes = own[i].bytes(device.precision);
                as_given[i].is_none().then_some(bytes)
            };
            let requested = Requested::new(graph, &roots, &lifetimes, separate, &scratch, bytes);
            let Requested {
                requests, values, ..
            } = &requested;
            let memory = memory::assign(requests, *values, device.largest_binding());
            let has_sums = requested.in_place.contains(&true);
            let is_little =
                memory.value_bytes <= memory::lower_bound(&requests[..*values]) / 100 * 105;
            if best
                .as_ref()
                .is_none_or(|(_, best)| memory.value_bytes < best.value_bytes)
            {
                best = Some((requested, memory));
            }
            if is_little || !has_sums {
                break;
            }
        }
        let (requested, memory) = best.unwrap_or_default();
        let lower_bound = memory::lower_bound(&requested.requests[..requested.values]);
        let Requested {
            request_of,
            in_place,
            scratch,
            ..
        } = requested;

        let mut layout = Self {
            places: Vec::with_capacity(shapes.len()),
            maps: Vec::with_capacity(shapes.len()),
            in_place,
            output_locations: Vec::new(),
            scratch: Vec::new(),
            memory,
            lower_bound,
        };
        // Scratch memory is float32 whatever the precision.
        for requests in scratch {
            let spots = requests.iter().map(|&request| layout.memory.spots[request]);
            let places = spots.map(|spot| {
                (
                    Place::Slot(spot.slot),
                    (spot.offset / Precision::F32.element_bytes()) as u32,
                )
            });
            layout.scratch.push(places.collect());
        }
        for (i, map) in own.iter().enumerate() {
            let Some(request) = request_of[i] else {
                // Not packed; what only renames it reads it as it is given, too.
                layout
                    .places
                    .push(Place::Input(as_given[roots[i]].unwrap_or(0)));
                layout.maps.push(*map);
                continue;
            };
            let Allocation { slot, offset } = layout.memory.spots[request];
            let first = (offset / device.precision.element_bytes()) as u32;
            let within = first_element(graph, shapes, i);
            layout.places.push(Place::Slot(slot));
            layout
                .maps
                .push(map.within(own[roots[i]].stride, first + within));
        }
        for output in graph.outputs() {
            let i = output.index();
            layout
                .output_locations
                .push(match (layout.places[i], kept.contains(output)) {
                    (Place::Slot(slot), true) => OutputLocation::Slot {
                        slot,
                        offset: u64::from(layout.maps[i].offset) * device.precision.element_bytes(),
                    },
                    _ => OutputLocation::Unpacked,
                });
        }
        Ok(layout)
    }
}

/// Moments of one node: more than any has dispatches.
const TICKS: usize = 4;

/// Memory asked for.
#[derive(Default)]
struct Requested {
    /// Those of values, then those of scratch memory.
    requests: Vec<Request>,
    /// How many are of values.
    values: usize,
    /// For every value, the request of the one in whose memory it lies.
    request_of: Vec<Option<usize>>,
    in_place: Vec<bool>,
    /// For every node, the requests of its scratch memories.
    scratch: Vec<Vec<usize>>,
}

impl Requested {
    /// The first `separate` sums that could take their residual's place do not. `bytes` tells of a
    /// value with memory of its own.
    fn new(
        graph: &Graph,
        roots: &[usize],
        lifetimes: &[Option<Lifetime>],
        mut separate: usize,
        scratch_bytes: &[Vec<u64>],
        bytes: impl Fn(usize) -> Option<u64>,
    ) -> Self {
        let mut requests: Vec<Request> = Vec::new();
        let mut request_of: Vec<Option<usize>> = vec![None; roots.len()];
        let mut in_place = vec![false; roots.len()];
        for (i, lifetime) in lifetimes.iter().enumerate() {
            let (Some(lifetime), Some(bytes)) = (*lifetime, bytes(i)) else {
                continue;
            };
            let replaced = replaced_residual(graph, roots, lifetimes, i);
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
                bytes,
                lifetime,
                conflicts: Vec::new(),
            });
        }
        for i in 0..roots.len() {
            request_of[i] = request_of[roots[i]];
        }
        let steps = |i: usize| scratch_bytes[i].len();
        for (request, requested) in requests.iter_mut().enumerate() {
            let Lifetime { first, last } = requested.lifetime;
            // The first of several dispatches reads the inputs, but the last the residual.
            let is_done_early = last < roots.len()
                && steps(last) > 0
                && request_of[last] != Some(request)
                && residual(graph, last).and_then(|i| request_of[i]) != Some(request);
            requested.lifetime = Lifetime {
                first: first * TICKS + steps(first),
                last: match is_done_early {
                    true => last * TICKS,
                    false => last.saturating_mul(TICKS).saturating_add(TICKS - 1),
                },
            };
        }
        let values = requests.len();
        let mut scratch = vec![Vec::new(); roots.len()];
        for (value, node) in graph.values() {
            let i = value.index();
            let residual = residual(graph, i);
            // The operator's own inputs: the residual comes last.
            let values = node.values_read();
            let own = &values[..values.len() - usize::from(residual.is_some())];
            let mut read: Vec<usize> = own.iter().filter_map(|v| request_of[v.index()]).collect();
            for (step, &bytes) in scratch_bytes[i].iter().enumerate() {
                let written = requests.len();
                requests.push(Request {
                    bytes,
                    lifetime: Lifetime {
                        first: i * TICKS + step,
                        last: i * TICKS + step + 1,
                    },
                    conflicts: Vec::new(),
                });
                add_conflicts(&mut requests, &read, written);
                scratch[i].push(written);
                read = vec![written];
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
            scratch,
        }
    }
}

/// A dispatch may not write a buffer that it reads. Equal: only another name, a part that is where it
/// belongs, or a sum in place.
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

/// The residual of node `i`, where its sum can take the residual's place: nothing else reads that then
/// or later, and both have memory of their own.
fn replaced_residual(
    graph: &Graph,
    roots: &[usize],
    lifetimes: &[Option<Lifetime>],
    i: usize,
) -> Option<usize> {
    let node = &graph.nodes()[i];
    node.fused.residual?;
    let (residual, others) = node.inputs.split_last()?;
    let residual = residual.index();
    let is_alone = roots[residual] == residual && roots[i] == i;
    let is_read_as_well = others.iter().any(|other| roots[other.index()] == residual);
    let ends_here = lifetimes[residual].is_some_and(|lifetime| lifetime.last == i);
    (is_alone && !is_read_as_well && ends_here).then_some(residual)
}

/// How many elements of a pixel come before value `i` in the memory it lies in.
fn first_element(graph: &Graph, shapes: &[Shape], mut i: usize) -> u32 {
    let mut channels = 0;
    loop {
        let node = &graph.nodes()[i];
        i = match (node.fused.storage, &node.op) {
            (Storage::ConcatSlice { of, channel }, _) => {
                channels += channel;
                of.index()
            }
            (Storage::View, Op::SliceChannels(slice)) => {
                channels += slice.start;
                node.inputs[0].index()
            }
            _ if renames(graph, shapes, i) => node.inputs[0].index(),
            // Passes see to it that all of them are multiples of 4.
            _ => return (channels / 4) as u32,
        };
    }
}
