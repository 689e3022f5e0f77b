//! A readable report of a plan: what runs, by which kernels and why, and what memory it takes.

use std::collections::HashSet;

use super::cost::value_bytes;
use super::limits::{self, BrokenLimit};
use super::{BufferRef, OutputLocation, PlacedGraph, Plan, Selections, Step, values};
use crate::error::{Error, Result};
use crate::gpu::Precision;
use crate::graph::{Graph, Node, Operator, Places, Residual, Storage};
use crate::kernels::{ConvAlgorithm, DeviceContext, Read, Target};
use crate::passes::{self, PassOptions, PassReport};
use crate::tensor::Shape;

/// How a network would run on a device, without running it.
///
/// ```
/// use shadernet::plan::PlanReport;
/// use shadernet::session::SessionOptions;
/// use shadernet::zoo::{self, ZooOptions};
///
/// let architecture = zoo::find("resnet18")?;
/// let graph = architecture.build(&ZooOptions::default())?;
/// let shapes = architecture.input_shapes(1, &ZooOptions::default());
/// // Or `from_gpu`, `from_adapter`, `from_cpu`.
/// let limits = shadernet::wgpu::Limits::default();
/// let plan = PlanReport::assumed(limits, &graph, &shapes, &SessionOptions::default())?;
///
/// let stem = &plan.nodes[1];
/// assert_eq!((stem.name.as_str(), stem.operator), ("conv1", "Conv2d"));
/// assert_eq!(stem.fused[0].text, "bn1");
/// let step = plan.steps.iter().find(|step| step.node == 1).unwrap();
/// assert!(step.why.contains("no Winograd: kernel 7x7"), "{}", step.why);
/// assert!(plan.memory.lower_bound <= plan.memory.activations);
/// assert!(plan.broken.is_empty());
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlanReport {
    /// The network's name.
    pub network: String,
    /// The device it was planned for: an adapter's name, the CPU with its threads, or `assumed`.
    pub device: String,
    /// How values and weights are stored; always float32 on the CPU.
    pub precision: Precision,
    /// Shapes of the inputs.
    pub inputs: Vec<Shape>,
    /// Shapes of the outputs.
    pub outputs: Vec<Shape>,
    /// The graph after the passes. Every node comes after its inputs.
    pub nodes: Vec<PlannedNode>,
    /// The dispatches, or the CPU's steps, in order.
    pub steps: Vec<PlannedStep>,
    /// What each pass did, and what it did not do and why.
    pub passes: Vec<PassReport>,
    /// The number of pipelines of the dispatches; 0 on the CPU.
    pub pipelines: usize,
    /// The memory it takes.
    pub memory: PlannedMemory,
    /// The limits that it would exceed. If there are any, the rest of the report is for a device without
    /// them.
    pub broken: Vec<BrokenLimit>,
}

/// A node, with all that passes have moved into it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedNode {
    /// Its name.
    pub name: String,
    /// Its operator, in PyTorch's terms.
    pub operator: &'static str,
    /// What is fused into it, in the order of execution.
    pub fused: Vec<FusedPart>,
    /// Indices of its inputs.
    pub inputs: Vec<usize>,
    /// The shape of its output.
    pub output: Shape,
    /// Where its output is stored.
    pub storage: String,
    /// Whether it is an output of the network.
    pub is_output: bool,
}

/// Work that a pass has moved into a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FusedPart {
    /// `pad`, `crop`, `prologue`, `norm`, `branch`, `residual` or `activation`.
    pub kind: &'static str,
    /// The sides, the names of the nodes that it was, the name of that which is added, or the function.
    pub text: String,
}

/// A dispatch, or a step on the CPU.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedStep {
    /// The index of its node in [`PlanReport::nodes`].
    pub node: usize,
    /// The node's name, or `output.0` and so on for the dispatch that unpacks an output.
    pub name: String,
    /// The shader. On the CPU, the kernel, such as `implicit_gemm`.
    pub shader: &'static str,
    /// The constants that specialize it.
    pub constants: Vec<(&'static str, u32)>,
    /// The convolution algorithm that it is, or is a part of.
    pub kernel: Option<ConvAlgorithm>,
    /// Whether the CPU backend has no fast kernel for it, so that the reference backend computes it.
    pub is_fallback: bool,
    /// The selection reason, in a sentence.
    pub why: String,
    /// Workgroups along x, y and z; zeros on the CPU.
    pub workgroups: [u32; 3],
    /// Multiplications and additions.
    pub operations: u64,
    /// Bytes that it reads and writes.
    pub bytes: u64,
    /// Multiply-adds of an invocation, padding included; 0 where the kernel does not say so.
    #[doc(hidden)]
    pub products: u64,
    /// Taps of a window that these are for.
    #[doc(hidden)]
    pub taps: u64,
    /// What the bytes are of; empty on the CPU.
    #[doc(hidden)]
    pub transfers: Vec<Transfer>,
}

/// Bytes that a step reads or writes.
#[doc(hidden)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// A name of the memory: what has the same name is the same.
    pub memory: String,
    /// How many.
    pub bytes: u64,
    /// Bytes of that memory as a whole.
    pub total: u64,
    /// Whether they are written.
    pub is_write: bool,
}

/// Bytes on the device; on the CPU, of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedMemory {
    /// Weights in the layouts of the kernels.
    pub weights: u64,
    /// Buffers that values share.
    pub activations: u64,
    /// Additional memory between the dispatches of a node, such as Winograd's.
    pub workspace: u64,
    /// Inputs and outputs, on the device and where the host maps them.
    pub inputs_and_outputs: u64,
    /// The largest set of values that are alive at once: no plan's activations take less.
    pub lower_bound: u64,
}

impl PlannedMemory {
    /// All of it, as while the network runs.
    pub fn peak(&self) -> u64 {
        self.weights + self.activations + self.workspace + self.inputs_and_outputs
    }
}

impl PlanReport {
    /// The nodes for which the CPU backend has no fast kernel, in order: the reference backend computes them. Empty
    /// on a GPU.
    pub fn fallbacks(&self) -> impl Iterator<Item = &PlannedNode> {
        let steps = self.steps.iter().filter(|step| step.is_fallback);
        steps.map(|step| &self.nodes[step.node])
    }

    /// Plans `graph` for `device`, without its limits where a plan would exceed one.
    pub(crate) fn new(
        device: &DeviceContext,
        graph: &Graph,
        inputs: &[Shape],
        passes: &PassOptions,
    ) -> Result<Self> {
        let (optimized, reports) = passes::optimize(graph, inputs, passes)?;
        let selected = Selections::new(&optimized, optimized.infer(inputs)?, device);
        let broken = limits::broken(&optimized, &selected, device)?;
        let plan = match Plan::from_selections(optimized, selected, inputs, reports, device) {
            Err(Error::Limit { .. }) => Plan::new(graph, inputs, passes, &unlimited(device))?,
            plan => plan?,
        };
        Ok(Self {
            network: graph.name().to_owned(),
            device: device.name.clone(),
            precision: device.precision,
            nodes: planned_nodes(&plan.placed),
            steps: planned_steps(&plan, device.precision),
            pipelines: plan.pipeline_keys().len(),
            memory: memory(&plan),
            broken,
            inputs: plan.inputs,
            outputs: plan.outputs,
            passes: plan.passes,
        })
    }
}

/// `device` without the limits that depend on sizes, but with elements counted in 32 bits.
fn unlimited(device: &DeviceContext) -> DeviceContext {
    let largest = (1 << 32) * Precision::F32.element_bytes();
    DeviceContext {
        limits: wgpu::Limits {
            max_buffer_size: largest,
            max_storage_buffer_binding_size: largest,
            max_compute_workgroups_per_dimension: u32::MAX,
            ..device.limits.clone()
        },
        ..device.clone()
    }
}

fn memory(plan: &Plan) -> PlannedMemory {
    let mut seen = HashSet::new();
    // Weights of the same name are one buffer.
    let weights = plan.weights().filter(|w| seen.insert(w.name.as_str()));
    let bytes = |shape: &Shape| shape.len() as u64 * 4;
    let inputs = plan.inputs.iter().map(|shape| 2 * bytes(shape));
    let outputs = plan.outputs.iter().zip(&plan.output_locations);
    let outputs = outputs.map(|(shape, location)| match location {
        OutputLocation::Unpacked => 2 * bytes(shape),
        OutputLocation::Slot { .. } => bytes(shape),
    });
    PlannedMemory {
        weights: weights.map(|weight| weight.bytes()).sum(),
        activations: plan.activation_bytes,
        workspace: plan.workspace_bytes,
        inputs_and_outputs: inputs.chain(outputs).sum(),
        lower_bound: plan.lower_bound_bytes,
    }
}

fn planned_steps(plan: &Plan, precision: Precision) -> Vec<PlannedStep> {
    let PlacedGraph { graph, shapes, .. } = &plan.placed;
    let is_rename = |i: usize| values::renames(graph, shapes, i);
    let roots = Places::new(graph.nodes(), is_rename).roots;
    let steps = plan.steps.iter();
    steps
        .map(|step| {
            let key = &step.dispatch.key;
            PlannedStep {
                node: step.node,
                name: step.label.clone(),
                shader: key.shader.name,
                constants: key.constants.clone(),
                kernel: step.dispatch.algorithm,
                is_fallback: false,
                why: step.dispatch.reason.to_string(),
                workgroups: step.dispatch.workgroups,
                operations: step.cost.operations,
                bytes: step.cost.bytes,
                products: step.dispatch.products.unwrap_or(0),
                taps: step.dispatch.taps,
                transfers: transfers(plan, precision, &roots, step),
            }
        })
        .collect()
}

/// What a step reads and writes. `roots` are the values in whose memory values are.
fn transfers(plan: &Plan, precision: Precision, roots: &[usize], step: &Step) -> Vec<Transfer> {
    let placed = &plan.placed;
    let nodes = placed.graph.nodes();
    let value = |i: usize, bytes: u64| {
        let mut root = roots[i];
        while placed.in_place[root]
            && let Some(residual) = nodes[root].inputs.last()
        {
            root = roots[residual.index()];
        }
        let total = value_bytes(&placed.views[root], precision);
        (format!("value {root}"), total.max(bytes))
    };
    let workspace = |i: usize, bytes| (format!("workspace {i} of {}", step.node), bytes);
    let memory = |read: &Read, bytes: u64| match read {
        Read::Input(i) => match (step.inputs[*i], nodes[step.node].inputs.get(*i)) {
            (BufferRef::Input(input), _) => (format!("input {input}"), bytes),
            (_, Some(input)) if !matches!(step.output, BufferRef::Output(_)) => {
                value(input.index(), bytes)
            }
            // An output is unpacked from the node's own value.
            _ => value(step.node, bytes),
        },
        Read::Workspace(i) => workspace(*i, bytes),
        Read::Weight(weight) => (format!("weight {}", weight.name), bytes),
    };
    let transfer = |(memory, total), bytes, is_write| Transfer {
        memory,
        bytes,
        total,
        is_write,
    };
    let reads = step.dispatch.reads.iter().zip(&step.traffic.read);
    let reads = reads.map(|(read, &bytes)| transfer(memory(read, bytes), bytes, false));
    let bytes = step.traffic.written;
    let written = match (step.dispatch.target, step.output) {
        (Target::Workspace(i), _) => workspace(i, bytes),
        (_, BufferRef::Output(output)) => (format!("output {output}"), bytes),
        _ => value(step.node, bytes),
    };
    reads.chain([transfer(written, bytes, true)]).collect()
}

/// The nodes of a graph whose values have places.
pub(crate) fn planned_nodes(placed: &PlacedGraph) -> Vec<PlannedNode> {
    let nodes = 0..placed.shapes.len();
    nodes.map(|i| planned_node(placed, i)).collect()
}

fn planned_node(placed: &PlacedGraph, i: usize) -> PlannedNode {
    let graph = &placed.graph;
    let node = &graph.nodes()[i];
    PlannedNode {
        name: node.name.clone(),
        operator: node.op.as_operator().kind(),
        fused: fused(graph, node),
        inputs: node.inputs.iter().map(|input| input.index()).collect(),
        output: placed.shapes[i].clone(),
        storage: storage(placed, i),
        is_output: graph.outputs().iter().any(|output| output.index() == i),
    }
}

fn fused(graph: &Graph, node: &Node) -> Vec<FusedPart> {
    let fused = &node.fused;
    let mut parts = Vec::new();
    let mut push = |kind, text: String| parts.push(FusedPart { kind, text });
    if fused.pad != [0; 4] {
        let [top, bottom, left, right] = fused.pad;
        push("pad", format!("{top},{bottom},{left},{right}"));
    }
    if let Some(prologue) = &fused.prologue {
        let norm = prologue.norm.iter().map(|norm| norm.name.clone());
        let activation = prologue.activation.iter().map(|a| a.kind().to_owned());
        let names: Vec<String> = norm.chain(activation).collect();
        push("prologue", names.join(" and "));
    }
    if fused.crop != [0; 4] {
        let [top, bottom, left, right] = fused.crop;
        push("crop", format!("{top},{bottom},{left},{right}"));
    }
    if let Some(norm) = &fused.norm {
        push("norm", norm.name.clone());
    }
    for branch in &fused.branches {
        push("branch", branch.names());
    }
    let activation = fused
        .activation
        .map(|activation| activation.kind().to_owned());
    let residual = (fused.residual).and_then(|place| Some((place, node.inputs.last()?)));
    let residual = residual.map(|(place, input)| (place, graph.node(*input).name.clone()));
    match (residual, activation) {
        (Some((Residual::AfterActivation, name)), activation) => {
            activation
                .into_iter()
                .for_each(|text| push("activation", text));
            push("residual", name);
        }
        (residual, activation) => {
            residual
                .into_iter()
                .for_each(|(_, name)| push("residual", name));
            activation
                .into_iter()
                .for_each(|text| push("activation", text));
        }
    }
    parts
}

/// Where a value is, in words.
fn storage(placed: &PlacedGraph, i: usize) -> String {
    let name = |i: usize| &placed.graph.nodes()[i].name;
    let node = &placed.graph.nodes()[i];
    if let Some(reader) = placed.inside[i] {
        return format!("in the kernel of '{}' only", name(reader.index()));
    }
    let slot = match placed.buffers[i] {
        BufferRef::Slot(slot) => slot,
        BufferRef::Input(_) | BufferRef::Output(_) => return "as the user gives it".to_owned(),
    };
    match node.fused.storage {
        Storage::ConcatSlice { of, channel } => {
            format!("in '{}' from channel {channel} on", name(of.index()))
        }
        Storage::View => format!(
            "in '{}', which it is a part of",
            name(node.inputs[0].index())
        ),
        Storage::Owned if values::renames(&placed.graph, &placed.shapes, i) => {
            format!("'{}' by another name", name(node.inputs[0].index()))
        }
        Storage::Owned => {
            let first = u64::from(placed.views[i].offset);
            let residual = match placed.in_place[i] {
                true => ", in its residual's place",
                false => "",
            };
            format!("buffer {slot}, element {first}{residual}")
        }
    }
}

#[cfg(test)]
mod tests;
