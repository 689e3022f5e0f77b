//! The order in which nodes are computed: the file's, where each node follows those that it reads.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::node::OnnxNode;
use super::proto::{GraphProto, NodeProto};
use crate::printable;

/// The deepest nesting of branches.
const MAX_DEPTH: usize = 16;

/// Sorts the nodes so that each follows those that it reads, as the format requires of files already.
///
/// Errors name a value that is produced twice or not at all, and the nodes of a cycle.
pub(super) fn sort(
    graph: &mut GraphProto,
    initializers: &HashMap<String, usize>,
) -> Result<(), String> {
    let mut given: HashSet<&str> = graph
        .input
        .iter()
        .map(|value| value.name.as_str())
        .collect();
    given.extend(initializers.keys().map(String::as_str));
    let mut producers: HashMap<&str, usize> = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            let is_given = given.contains(output.as_str());
            if is_given || producers.insert(output, index).is_some() {
                return Err(format!(
                    "{} produces '{}', which is produced elsewhere too",
                    describe(node),
                    printable::name(output)
                ));
            }
        }
    }
    // The nodes that read each node's outputs, and the number of nodes that each waits for.
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); graph.node.len()];
    let mut waits: Vec<usize> = vec![0; graph.node.len()];
    for (index, node) in graph.node.iter().enumerate() {
        let mut sources = HashSet::new();
        for name in reads(node, 0)? {
            match producers.get(name) {
                Some(&producer) => {
                    sources.insert(producer);
                }
                None if given.contains(name) => {}
                None => {
                    return Err(format!(
                        "{} reads '{}', which no node, input or initializer provides",
                        describe(node),
                        printable::name(name)
                    ));
                }
            }
        }
        waits[index] = sources.len();
        for source in sources {
            readers[source].push(index);
        }
    }
    for output in &graph.output {
        let name = output.name.as_str();
        if !producers.contains_key(name) && !given.contains(name) {
            return Err(format!(
                "its output '{}' is provided by no node, input or initializer",
                printable::name(name)
            ));
        }
    }
    // Of those that can be computed, the first in the file: an order that is right already stays as it is.
    let mut ready: BinaryHeap<Reverse<usize>> = (0..graph.node.len())
        .filter(|&i| waits[i] == 0)
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(graph.node.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &reader in &readers[index] {
            waits[reader] = waits[reader].saturating_sub(1);
            if waits[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    if order.len() < graph.node.len() {
        let waiting = (0..graph.node.len()).filter(|&i| waits[i] > 0);
        let names: Vec<String> = waiting.take(4).map(|i| describe(&graph.node[i])).collect();
        return Err(format!(
            "its nodes form a cycle, or wait for one: {}",
            names.join(", ")
        ));
    }
    let mut nodes: Vec<Option<NodeProto>> = std::mem::take(&mut graph.node)
        .into_iter()
        .map(Some)
        .collect();
    graph.node = order
        .into_iter()
        .filter_map(|index| nodes[index].take())
        .collect();
    Ok(())
}

/// Removes the nodes of a sorted graph that no output depends on.
pub(super) fn remove_unused(graph: &mut GraphProto) {
    let mut needed: HashSet<String> = (graph.output.iter())
        .map(|output| output.name.clone())
        .collect();
    let mut kept = Vec::with_capacity(graph.node.len());
    for node in graph.node.drain(..).rev() {
        if node.output.iter().any(|name| needed.contains(name)) {
            // How deep graphs are nested was checked when the nodes were sorted.
            let reads = reads(&node, 0).unwrap_or_default();
            needed.extend(reads.into_iter().map(str::to_owned));
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
}

/// The values that a node reads, with those that the graphs in its attributes read from outside.
pub(super) fn reads(node: &NodeProto, depth: usize) -> Result<Vec<&str>, String> {
    if depth > MAX_DEPTH {
        return Err(format!(
            "{} is nested more than {MAX_DEPTH} deep, which is not supported",
            describe(node)
        ));
    }
    let mut names: Vec<&str> = (node.input.iter())
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    for graph in node
        .attribute
        .iter()
        .filter_map(|attribute| attribute.g.as_ref())
    {
        let mut inner: HashSet<&str> = graph
            .input
            .iter()
            .map(|value| value.name.as_str())
            .collect();
        inner.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
        inner.extend(
            graph
                .node
                .iter()
                .flat_map(|node| &node.output)
                .map(String::as_str),
        );
        for node in &graph.node {
            let outer = reads(node, depth.saturating_add(1))?;
            names.extend(outer.into_iter().filter(|name| !inner.contains(name)));
        }
        let outputs = graph.output.iter().map(|value| value.name.as_str());
        names.extend(outputs.filter(|name| !inner.contains(name)));
    }
    Ok(names)
}

fn describe(node: &NodeProto) -> String {
    OnnxNode {
        proto: node,
        opset: 0,
    }
    .describe()
}
