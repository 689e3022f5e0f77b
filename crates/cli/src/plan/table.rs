//! The plan as text.

use std::collections::BTreeMap;
use std::io::{self, Write};

use shadernet::passes::{self, PassReport};
use shadernet::plan::{BrokenLimit, PlanReport, PlannedNode};
use shadernet::printable::{self, name};

use super::{LimitCheck, PlanResult};
use crate::output;

pub fn print(plan: &PlanResult, out: &mut impl Write) -> io::Result<()> {
    let report = &plan.report;
    writeln!(out, "{} for {}\n", plan.title, name(&plan.device))?;
    if let Some(units) = plan.compute_units {
        let (number, origin) = (units.number(), units.origin());
        writeln!(
            out,
            "kernels are selected for {number} compute units, {origin}\n"
        )?;
    }
    if !report.broken.is_empty() {
        writeln!(
            out,
            "The network cannot run there: see the limits below. The plan assumes larger limits.\n"
        )?;
    }
    writeln!(out, "{}\n", steps(report))?;
    if plan.is_cpu {
        let line = format!("no fast kernel: {}", fallbacks(report));
        writeln!(out, "{}\n", printable::line(&line))?;
    }
    writeln!(out, "fusions not applied")?;
    for line in refused(&report.passes) {
        writeln!(out, "  {}", printable::line(&line))?;
    }
    writeln!(out, "\n{}\n", totals(report, plan.is_cpu))?;
    writeln!(out, "limits exceeded")?;
    // Devices that exceed the same limits are grouped.
    let is_same = |a: &LimitCheck, b: &LimitCheck| a.broken == b.broken;
    for checks in plan.limit_checks.chunk_by(is_same) {
        for line in broken(checks) {
            writeln!(out, "  {}", printable::line(&line))?;
        }
    }
    Ok(())
}

/// One row per dispatch or step.
fn steps(report: &PlanReport) -> output::Table {
    let header = [
        "node",
        "operator",
        "kernel",
        "output",
        "MB",
        "MFLOP",
        "selection reason",
    ];
    let mut table = output::table(&header);
    for step in &report.steps {
        let node = &report.nodes[step.node];
        let kernel = match step.kernel {
            Some(kernel) => format!("{} ({kernel})", step.shader),
            None => step.shader.to_owned(),
        };
        table.add_row([
            step.name.clone(),
            operator(node),
            kernel,
            node.output.to_string(),
            format!("{:.2}", step.bytes as f64 / 1e6),
            match step.operations {
                0 => String::new(),
                operations => format!("{:.1}", operations as f64 / 1e6),
            },
            step.why.clone(),
        ]);
    }
    table.right_align(4..6);
    table
}

/// `Conv2d + norm + ReLU`.
fn operator(node: &PlannedNode) -> String {
    let parts = node.fused.iter().map(|part| match part.kind {
        "activation" => part.text.as_str(),
        kind => kind,
    });
    let parts: Vec<&str> = std::iter::once(node.operator).chain(parts).collect();
    parts.join(" + ")
}

/// The nodes that the reference backend computes, by operator: `GroupNorm (norm1, norm2), Softmax (out)`.
fn fallbacks(report: &PlanReport) -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in report.fallbacks() {
        groups.entry(node.operator).or_default().push(&node.name);
    }
    if groups.is_empty() {
        return "none".to_owned();
    }
    let groups = groups.iter();
    let groups = groups.map(|(operator, nodes)| format!("{operator} ({})", names(nodes)));
    let groups: Vec<String> = groups.collect();
    format!("{}: the reference backend computes them", groups.join(", "))
}

/// At most this many nodes are named for each reason.
const MAX_NAMES: usize = 3;

/// Why fusions were not applied: one line per pass and reason. The last line has the passes that were
/// skipped.
fn refused(reports: &[PassReport]) -> Vec<String> {
    let mut lines = Vec::new();
    // A norm that cannot be folded into the node before it may be the prologue of the node after it.
    let prologues: Vec<&str> = (reports.iter())
        .filter(|report| report.pass == "prologues")
        .flat_map(|report| &report.applied)
        .map(|remark| remark.node.as_str())
        .collect();
    for report in reports {
        // Reasons that differ only in node names are grouped.
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        for remark in &report.refused {
            let mut reason = without_names(&remark.text);
            if prologues.contains(&remark.node.as_str()) {
                reason += "; it became a prologue instead";
            }
            match groups.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, nodes)) => nodes.push(&remark.node),
                None => groups.push((reason, vec![&remark.node])),
            }
        }
        for (reason, nodes) in groups {
            lines.push(format!("{}: {reason}: {}", report.pass, names(&nodes)));
        }
    }
    let ran = |name: &&str| reports.iter().any(|report| report.pass == *name);
    let skipped: Vec<&str> = passes::names().filter(|name| !ran(name)).collect();
    if !skipped.is_empty() {
        lines.push(format!("passes skipped: {}", skipped.join(", ")));
    }
    if lines.is_empty() {
        lines.push("none".to_owned());
    }
    lines
}

/// The first few names, and how many there are besides.
fn names(nodes: &[&str]) -> String {
    let first = nodes.iter().take(MAX_NAMES).map(|node| name(node));
    let mut names = first.collect::<Vec<_>>().join(", ");
    if nodes.len() > MAX_NAMES {
        names += &format!(" and {} more", nodes.len() - MAX_NAMES);
    }
    names
}

/// Replaces quoted names: `'conv1' is read 2 times` becomes `'…' is read 2 times`.
fn without_names(text: &str) -> String {
    let parts = text.split('\'').enumerate();
    let parts = parts.map(|(i, part)| if i % 2 == 1 { "'…'" } else { part });
    parts.collect()
}

fn totals(report: &PlanReport, is_cpu: bool) -> output::Table {
    let memory = &report.memory;
    let operations: u64 = report.steps.iter().map(|step| step.operations).sum();
    let mut table = output::table(&["total", ""]);
    let rows = [
        ("input", output::shapes(&report.inputs)),
        ("output", output::shapes(&report.outputs)),
        (
            if is_cpu { "steps" } else { "dispatches" },
            report.steps.len().to_string(),
        ),
        ("pipelines", report.pipelines.to_string()),
        ("operations", indicatif::HumanCount(operations).to_string()),
        ("weights", output::bytes(memory.weights)),
        ("activations", output::bytes(memory.activations)),
        ("  lower bound", output::bytes(memory.lower_bound)),
        ("workspace", output::bytes(memory.workspace)),
        (
            "inputs and outputs",
            output::bytes(memory.inputs_and_outputs),
        ),
        ("peak memory", output::bytes(memory.peak())),
    ];
    // The CPU has no pipelines.
    let rows = rows
        .iter()
        .filter(|(name, _)| !is_cpu || *name != "pipelines");
    for (name, cell) in rows {
        table.add_row([(*name).to_owned(), cell.clone()]);
    }
    table.right_align(1..2);
    table
}

/// The limits that a group of devices exceeds, which are the same for all of them.
fn broken(group: &[LimitCheck]) -> Vec<String> {
    let device = |check: &LimitCheck| format!("{} ({})", name(&check.device), check.backend);
    let devices = group.iter().map(device).collect::<Vec<_>>().join(", ");
    let limits = group.first().map_or(&[][..], |check| &check.broken);
    if limits.is_empty() {
        return vec![format!("{devices}: none")];
    }
    let line = |broken: &BrokenLimit| {
        let [needed, allowed] = [broken.needed, broken.allowed].map(indicatif::HumanCount);
        format!(
            "  {} needs {needed} {}; {} allows {allowed}",
            broken.what, broken.unit, broken.limit
        )
    };
    let lines = limits.iter().map(line);
    std::iter::once(format!("{devices}:"))
        .chain(lines)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::without_names;

    #[test]
    fn reasons_that_differ_in_node_names_are_equal() {
        let [one, other] = ["'a.b' is read 2 times", "'c' is read 2 times"].map(without_names);
        assert_eq!((one.as_str(), &one), ("'…' is read 2 times", &other));
    }
}
