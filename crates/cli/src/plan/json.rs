//! The plan as JSON.

use serde_json::{Value, json};
use shadernet::gpu::{ComputeUnitCount, Precision};
use shadernet::passes::Remark;
use shadernet::plan::{BrokenLimit, PlannedNode, PlannedStep};
use shadernet::tensor::Shape;

use super::PlanResult;

pub fn object(plan: &PlanResult) -> Value {
    let report = &plan.report;
    let dims = |shapes: &[Shape]| -> Vec<Vec<usize>> {
        shapes.iter().map(|shape| shape.dims().to_vec()).collect()
    };
    let memory = &report.memory;
    let remarks = |remarks: &[Remark]| -> Vec<Value> {
        let remark = |remark: &Remark| json!({ "node": remark.node, "text": remark.text });
        remarks.iter().map(remark).collect()
    };
    let passes = report.passes.iter().map(|pass| {
        json!({
            "pass": pass.pass,
            "applied": remarks(&pass.applied),
            "refused": remarks(&pass.refused),
        })
    });
    let limits = plan.limit_checks.iter().map(|check| {
        json!({
            "device": check.device,
            "backend": check.backend,
            "broken": check.broken.iter().map(broken).collect::<Vec<_>>(),
        })
    });
    json!({
        "network": report.network,
        "weights": plan.weights,
        "device": plan.device,
        "compute_units": plan.compute_units.map(ComputeUnitCount::number),
        "compute_units_origin": plan.compute_units.map(ComputeUnitCount::origin),
        "precision": match report.precision {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
        },
        "inputs": dims(&report.inputs),
        "outputs": dims(&report.outputs),
        "nodes": report.nodes.iter().map(node).collect::<Vec<_>>(),
        "steps": report.steps.iter().map(|planned| step(planned, plan.is_cpu)).collect::<Vec<_>>(),
        "no_fast_kernel": report.fallbacks().map(|node| &node.name).collect::<Vec<_>>(),
        "passes": passes.collect::<Vec<_>>(),
        "pipelines": report.pipelines,
        "weight_bytes": memory.weights,
        "activation_bytes": memory.activations,
        "workspace_bytes": memory.workspace,
        "input_output_bytes": memory.inputs_and_outputs,
        "peak_bytes": memory.peak(),
        "lower_bound_bytes": memory.lower_bound,
        "broken": report.broken.iter().map(broken).collect::<Vec<_>>(),
        "limits": limits.collect::<Vec<_>>(),
    })
}

fn node(node: &PlannedNode) -> Value {
    let fused = node.fused.iter();
    let fused = fused.map(|part| json!({ "kind": part.kind, "text": part.text }));
    json!({
        "name": node.name,
        "operator": node.operator,
        "fused": fused.collect::<Vec<_>>(),
        "inputs": node.inputs,
        "output": node.output.dims(),
        "home": node.storage,
        "is_output": node.is_output,
    })
}

/// The CPU's kernels are no shaders.
fn step(step: &PlannedStep, is_cpu: bool) -> Value {
    let constants = step.constants.iter();
    let constants = constants.map(|(name, value)| ((*name).to_owned(), json!(value)));
    json!({
        "node": step.node,
        "name": step.name,
        "shader": (!is_cpu).then_some(step.shader),
        "constants": Value::Object(constants.collect()),
        "kernel": match is_cpu {
            true => Some(step.shader.to_owned()),
            false => step.kernel.map(|kernel| kernel.to_string()),
        },
        "why": step.why,
        "workgroups": step.workgroups,
        "operations": step.operations,
        "bytes": step.bytes,
    })
}

fn broken(broken: &BrokenLimit) -> Value {
    json!({
        "node": broken.node,
        "what": broken.what,
        "needed": broken.needed,
        "unit": broken.unit,
        "limit": broken.limit,
        "allowed": broken.allowed,
    })
}
