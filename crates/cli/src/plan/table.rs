//! The plan for people.

use std::io::{self, Write};

use comfy_table::CellAlignment;
use shadernet::passes::{self, PassReport};
use shadernet::plan::{BrokenLimit, PlanReport, PlannedNode};
use shadernet::tensor::Shape;

use super::{Found, Verdict};
use crate::output;

pub fn print(found: &Found, out: &mut impl Write) -> io::Result<()> {
    let report = &found.report;
    writeln!(out, "{} for {}\n", report.network, found.device)?;
    if !report.broken.is_empty() {
        writeln!(
            out,
            "It cannot run there: see the limits below. This is how it would with larger ones.\n"
        )?;
    }
    writeln!(out, "{}\n", steps(report).trim_fmt())?;
    writeln!(out, "fusions that did not happen")?;
    for line in refused(&report.passes) {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "\n{}\n", totals(report).trim_fmt())?;
    writeln!(out, "limits that it would break")?;
    // Those that break the same are told of together.
    let alike = |a: &Verdict, b: &Verdict| a.broken == b.broken;
    for verdicts in found.verdicts.chunk_by(alike) {
        for line in broken(verdicts) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

/// A row a dispatch.
fn steps(report: &PlanReport) -> comfy_table::Table {
    let header = ["node", "operator", "kernel", "output", "MB", "MFLOP", "why"];
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
    right_align(&mut table, 4..6);
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

/// Nodes named for a reason.
const NAMED: usize = 3;

/// A line a pass and reason, and the passes that did not run.
fn refused(reports: &[PassReport]) -> Vec<String> {
    let mut lines = Vec::new();
    // A norm that goes into nothing before it may have gone into what follows.
    let prologues: Vec<&str> = (reports.iter())
        .filter(|report| report.pass == "prologues")
        .flat_map(|report| &report.applied)
        .map(|remark| remark.node.as_str())
        .collect();
    for report in reports {
        // Reasons that differ in the nodes they name are one.
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
            let mut names = nodes[..nodes.len().min(NAMED)].join(", ");
            if nodes.len() > NAMED {
                names += &format!(" and {} more", nodes.len() - NAMED);
            }
            lines.push(format!("{}: {reason}: {names}", report.pass));
        }
    }
    let ran = |name: &&str| reports.iter().any(|report| report.pass == *name);
    let left_out: Vec<&str> = passes::names().filter(|name| !ran(name)).collect();
    if !left_out.is_empty() {
        lines.push(format!("left out: {}", left_out.join(", ")));
    }
    if lines.is_empty() {
        lines.push("none".to_owned());
    }
    lines
}

/// `'conv1' is read 2 times` without the name.
fn without_names(text: &str) -> String {
    let parts = text.split('\'').enumerate();
    let parts = parts.map(|(i, part)| if i % 2 == 1 { "'…'" } else { part });
    parts.collect()
}

fn totals(report: &PlanReport) -> comfy_table::Table {
    let memory = &report.memory;
    let operations: u64 = report.steps.iter().map(|step| step.operations).sum();
    let shapes = |shapes: &[Shape]| {
        let shapes: Vec<String> = shapes.iter().map(Shape::to_string).collect();
        shapes.join(" ")
    };
    let mut table = output::table(&["total", ""]);
    let rows = [
        ("input", shapes(&report.inputs)),
        ("output", shapes(&report.outputs)),
        ("dispatches", report.steps.len().to_string()),
        ("pipelines", report.pipelines.to_string()),
        ("operations", indicatif::HumanCount(operations).to_string()),
        ("weights", output::bytes(memory.weights)),
        ("activations", output::bytes(memory.activations)),
        ("of which at least", output::bytes(memory.lower_bound)),
        ("workspace", output::bytes(memory.workspace)),
        (
            "inputs and outputs",
            output::bytes(memory.inputs_and_outputs),
        ),
        ("peak memory", output::bytes(memory.peak())),
    ];
    for (name, cell) in rows {
        table.add_row([name.to_owned(), cell]);
    }
    right_align(&mut table, 1..2);
    table
}

fn right_align(table: &mut comfy_table::Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The limits that devices break, all of them the same.
fn broken(alike: &[Verdict]) -> Vec<String> {
    let device = |verdict: &Verdict| format!("{} ({})", verdict.device, verdict.backend);
    let devices = alike.iter().map(device).collect::<Vec<_>>().join(", ");
    let limits = alike.first().map_or(&[][..], |verdict| &verdict.broken);
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
    fn reasons_that_name_other_nodes_are_one() {
        let [one, other] = ["'a.b' is read 2 times", "'c' is read 2 times"].map(without_names);
        assert_eq!((one.as_str(), &one), ("'…' is read 2 times", &other));
    }
}
