//! The plan of the CPU backend as a report.

use super::device::CpuDevice;
use super::outline::{Outline, StepInfo};
use crate::error::Result;
use crate::gpu::Precision;
use crate::graph::Graph;
use crate::passes::PassOptions;
use crate::plan::{PlanReport, PlannedMemory, PlannedStep, planned_nodes};
use crate::tensor::Shape;

/// The report of `graph`'s plan for `device`.
///
/// # Errors
/// As [`Outline::new`].
pub(crate) fn report(
    device: &CpuDevice,
    graph: &Graph,
    inputs: &[Shape],
    passes: &PassOptions,
) -> Result<PlanReport> {
    let outline = Outline::new(graph, inputs, passes, None)?;
    let (weights, workspace) = outline.kernel_bytes(device)?;
    let placed = &outline.plan.placed;
    let outputs = placed.graph.outputs().iter();
    let outputs: Vec<Shape> = outputs.map(|v| placed.shapes[v.index()].clone()).collect();
    let tensors = inputs.iter().chain(&outputs);
    Ok(PlanReport {
        network: graph.name().to_owned(),
        device: device.to_string(),
        precision: Precision::F32,
        inputs: inputs.to_vec(),
        nodes: planned_nodes(placed),
        steps: outline.steps().map(planned).collect(),
        passes: outline.plan.passes.clone(),
        pipelines: 0,
        memory: PlannedMemory {
            weights,
            activations: outline.value_bytes(),
            workspace,
            // Kernels read the caller's tensors where they are.
            inputs_and_outputs: tensors.map(|shape| shape.len() as u64 * 4).sum(),
            lower_bound: outline.plan.lower_bound_bytes,
        },
        broken: Vec::new(),
        outputs,
    })
}

fn planned(step: &StepInfo) -> PlannedStep {
    PlannedStep {
        node: step.node,
        name: step.label.clone(),
        shader: step.kernel,
        constants: Vec::new(),
        kernel: None,
        is_fallback: step.is_fallback,
        why: step.why.clone(),
        workgroups: [0; 3],
        operations: step.cost.operations,
        bytes: step.cost.bytes,
        products: 0,
        taps: 1,
        transfers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::CpuOptions;
    use crate::device::Device;
    use crate::graph::{Activation, Conv2d, GraphBuilder, GroupNorm};
    use crate::session::{Session, SessionOptions};
    use crate::weights::Weights;
    use crate::zoo::{self, ZooOptions};

    fn cpu() -> CpuDevice {
        CpuDevice::new(&CpuOptions::new().threads(2)).unwrap()
    }

    /// The kernel and the reason of a node.
    fn step<'a>(report: &'a PlanReport, name: &str) -> (&'static str, &'a str) {
        let step = report.steps.iter().find(|step| step.name == name).unwrap();
        (step.shader, &step.why)
    }

    #[test]
    fn a_report_names_the_kernel_of_each_step_and_why() {
        let architecture = zoo::find("mobilenet_v2").unwrap();
        let graph = architecture.build(&ZooOptions::default()).unwrap();
        let shapes = architecture.input_shapes(1, &ZooOptions::default());
        let options = SessionOptions::default();
        let report = PlanReport::from_cpu(&cpu(), &graph, &shapes, &options).unwrap();
        assert!(report.device.ends_with("2 threads)"), "{}", report.device);
        assert_eq!(report.pipelines, 0);
        assert!(report.broken.is_empty());
        assert_eq!(report.fallbacks().count(), 0);
        let (kernel, why) = step(&report, "features.0.0");
        assert_eq!(kernel, "implicit_gemm rows");
        assert!(why.starts_with("few input channels"), "{why}");
        let (kernel, why) = step(&report, "features.1.conv.0.0");
        assert_eq!(kernel, "depthwise");
        assert!(why.starts_with("depthwise"), "{why}");
        let (kernel, why) = step(&report, "features.2.conv.1.0");
        assert_eq!(kernel, "pointwise depthwise");
        assert!(why.contains("'features.2.conv.0.0'"), "{why}");
        let mut inside = report.nodes.iter();
        let inside = inside.find(|node| node.name == "features.2.conv.0.0");
        assert_eq!(
            inside.map(|node| node.storage.as_str()),
            Some("in the kernel of 'features.2.conv.1.0' only")
        );
        let (kernel, why) = step(&report, "features.18.0");
        assert_eq!(kernel, "implicit_gemm");
        assert!(why.ends_with("no Winograd: kernel 1x1"), "{why}");
        assert_eq!(
            step(&report, "classifier.1"),
            ("implicit_gemm", "a product")
        );
        for step in &report.steps {
            assert!(!step.why.is_empty() && step.kernel.is_none(), "{step:?}");
            assert_eq!(step.name, report.nodes[step.node].name);
        }
    }

    #[test]
    fn nodes_without_a_fast_kernel_are_named() {
        let mut b = GraphBuilder::new("norm");
        let x = b.image_input("input", 8);
        let x = b.conv2d("conv", x, Conv2d::new(8, 64, 3).padding(1));
        let x = b.node("norm", GroupNorm::new(4, 64), &[x]);
        let x = b.activation("relu", x, Activation::Relu);
        b.output(x);
        let graph = b.build().unwrap();
        let shapes = [Shape::from([1, 8, 32, 32])];
        let report = PlanReport::from_cpu(&cpu(), &graph, &shapes, &Default::default()).unwrap();
        let names: Vec<&str> = report.fallbacks().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["norm"]);
        let (kernel, why) = step(&report, "norm");
        assert_eq!(kernel, "reference");
        assert_eq!(
            why,
            "no fast kernel for this operator: the reference backend computes it"
        );
        let (kernel, why) = step(&report, "conv");
        assert_eq!(kernel, "winograd 4x4");
        assert!(why.starts_with("Winograd costs "), "{why}");
    }

    /// Planned without weights, and as a session allocates it.
    #[test]
    fn the_memory_is_that_of_a_session() {
        let cpu = cpu();
        for name in ["resnet18", "mobilenet_v2", "densenet121", "unet"] {
            let architecture = zoo::find(name).unwrap();
            let graph = architecture.build(&ZooOptions::default()).unwrap();
            let shapes = [Shape::from([1, 3, 64, 96])];
            let options = SessionOptions::default();
            let memory = PlanReport::from_cpu(&cpu, &graph, &shapes, &options)
                .unwrap()
                .memory;
            let weights = Weights::generated(&graph, 1.0);
            let device = Device::from(cpu.clone());
            let session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
            let of_session = session.memory().unwrap();
            assert_eq!(memory.activations, of_session.bytes, "{name}");
            assert_eq!(memory.workspace, of_session.workspace, "{name}");
            assert_eq!(memory.lower_bound, of_session.lower_bound, "{name}");
            let all = memory.weights + memory.activations + memory.workspace;
            assert_eq!(session.device_bytes(), Some(all), "{name}");
        }
    }
}
