//! Operators that a file defines itself, by a list of nodes each: calls are replaced by those nodes.

use std::collections::HashMap;

use super::node::OnnxNode;
use super::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto};

/// The deepest nesting of calls.
const MAX_DEPTH: usize = 32;
/// The most nodes after the replacement.
const MAX_NODES: usize = 1_000_000;

/// The graph without calls of `functions`.
pub(super) fn expand(
    mut graph: GraphProto,
    functions: &[FunctionProto],
) -> Result<GraphProto, String> {
    if functions.is_empty() {
        return Ok(graph);
    }
    let functions = (functions.iter())
        .map(|function| ((function.domain.as_str(), function.name.as_str()), function))
        .collect();
    let mut expansion = Expansion {
        functions,
        nodes: Vec::new(),
        calls: 0,
    };
    for node in std::mem::take(&mut graph.node) {
        expansion.add(node, 0)?;
    }
    graph.node = expansion.nodes;
    Ok(graph)
}

struct Expansion<'a> {
    functions: HashMap<(&'a str, &'a str), &'a FunctionProto>,
    nodes: Vec<NodeProto>,
    /// The calls so far, which number the names of values within functions.
    calls: usize,
}

impl Expansion<'_> {
    fn add(&mut self, node: NodeProto, depth: usize) -> Result<(), String> {
        let key = (node.domain.as_str(), node.op_type.as_str());
        let Some(&function) = self.functions.get(&key) else {
            if self.nodes.len() >= MAX_NODES {
                return Err(format!(
                    "its functions expand to more than {MAX_NODES} nodes"
                ));
            }
            self.nodes.push(node);
            return Ok(());
        };
        if depth >= MAX_DEPTH {
            return Err(format!(
                "{}: functions call each other more than {MAX_DEPTH} deep",
                OnnxNode {
                    proto: &node,
                    opset: 0
                }
                .describe()
            ));
        }
        self.calls = self.calls.saturating_add(1);
        let prefix = format!("{}/{}", node.name, self.calls);
        // What the function's names are called outside; all others get a prefix.
        let mut names: HashMap<&str, &str> = HashMap::new();
        let none = String::new();
        for (i, name) in function.input.iter().enumerate() {
            names.insert(name, node.input.get(i).unwrap_or(&none));
        }
        for (i, name) in function.output.iter().enumerate() {
            if let Some(outer) = node.output.get(i).filter(|name| !name.is_empty()) {
                names.insert(name, outer);
            }
        }
        let rename = |name: &String| match names.get(name.as_str()) {
            _ if name.is_empty() => String::new(),
            Some(outer) => (*outer).to_owned(),
            None => format!("{prefix}/{name}"),
        };
        for inner in &function.node {
            let mut inner = inner.clone();
            inner.name = format!("{prefix}/{}", inner.name);
            inner.input = inner.input.iter().map(rename).collect();
            inner.output = inner.output.iter().map(rename).collect();
            let attributes = std::mem::take(&mut inner.attribute).into_iter();
            inner.attribute = (attributes)
                .filter_map(|attribute| resolve(attribute, &node, function))
                .collect();
            if inner
                .attribute
                .iter()
                .any(|attribute| attribute.g.is_some())
            {
                return Err(format!(
                    "function {} holds branches, which are not supported in functions",
                    crate::printable::name(&function.name)
                ));
            }
            self.add(inner, depth.saturating_add(1))?;
        }
        Ok(())
    }
}

/// An attribute of a node in `function`, with the value that the call gives it. `None` where it gives none.
fn resolve(
    attribute: AttributeProto,
    call: &NodeProto,
    function: &FunctionProto,
) -> Option<AttributeProto> {
    if attribute.ref_attr_name.is_empty() {
        return Some(attribute);
    }
    let given = call.attribute.iter().chain(&function.attribute_proto);
    let mut value = given
        .into_iter()
        .find(|given| given.name == attribute.ref_attr_name)?
        .clone();
    value.name = attribute.name;
    Some(value)
}
