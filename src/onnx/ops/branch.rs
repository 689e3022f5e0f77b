//! Branches: `If` with a condition that is known when the graph is imported.

use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;

pub(super) fn branch<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let condition = importer.host(node, 0)?;
    let is_true = condition
        .scalar()
        .ok_or("its condition must be one element")?
        != 0.0;
    let name = if is_true {
        "then_branch"
    } else {
        "else_branch"
    };
    let graph = node
        .graph(name)
        .ok_or_else(|| format!("its {name} is missing"))?;
    importer.inline(graph)
}
