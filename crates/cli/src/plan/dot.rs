//! The graph after fusion in Graphviz's DOT language.

use std::fmt::Write;

use shadernet::plan::{PlanReport, PlannedNode};
use shadernet::printable;

/// One box per node, with what is fused into it and its kernels, and one edge per value, with its shape.
pub fn graph(report: &PlanReport) -> String {
    let mut text = format!("digraph \"{}\" {{\n", escaped(&report.network));
    text += "  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n";
    text += "  edge [fontname=\"sans-serif\", fontsize=8];\n";
    // Writing to a string cannot fail.
    for (i, node) in report.nodes.iter().enumerate() {
        let kernels: Vec<String> = (report.steps.iter())
            .filter(|step| step.node == i)
            .map(|step| match step.kernel {
                Some(kernel) => format!("{} ({kernel})", step.shader),
                None => step.shader.to_owned(),
            })
            .collect();
        // Nodes without a kernel are drawn dashed.
        let style = if kernels.is_empty() {
            ", style=dashed"
        } else {
            ""
        };
        let mut lines = vec![node.name.clone(), node.operator.to_owned()];
        lines.extend((node.fused.iter()).map(|part| format!("+ {} {}", part.kind, part.text)));
        lines.extend(kernels);
        let label: String = (lines.iter()).map(|line| escaped(line) + "\\l").collect();
        let _ = writeln!(text, "  n{i} [label=\"{label}\"{style}];");
    }
    for (i, node) in report.nodes.iter().enumerate() {
        for (position, &input) in node.inputs.iter().enumerate() {
            let shape = &report.nodes[input].output;
            let style = if is_residual(node, position) {
                ", style=bold"
            } else {
                ""
            };
            let _ = writeln!(text, "  n{input} -> n{i} [label=\"{shape}\"{style}];");
        }
        if node.is_output {
            let shape = &node.output;
            let _ = writeln!(text, "  out{i} [label=\"output\", shape=plaintext];");
            let _ = writeln!(text, "  n{i} -> out{i} [label=\"{shape}\"];");
        }
    }
    text + "}\n"
}

/// Whether the input at `position` is a residual. Residuals are the last input.
fn is_residual(node: &PlannedNode, position: usize) -> bool {
    position + 1 == node.inputs.len() && node.fused.iter().any(|part| part.kind == "residual")
}

/// Escapes text for a quoted string.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in printable::line(text).chars() {
        if matches!(c, '"' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn labels_are_escaped() {
        assert_eq!(super::escaped("a \"b\" \\ c\nd"), r#"a \"b\" \\ c\\nd"#);
    }
}
