//! Graph passes: a graph made into one of fewer nodes that answers the same.
//!
//! A pass moves a node's work into a neighbour ([`Fused`](crate::graph::Fused)) or out of the graph,
//! and reports what it did and, wherever it looked and did nothing, why not. Passes know shapes: a
//! node that crops to the size its input has does nothing at that size alone.
//!
//! ```
//! use shadernet::passes::{self, PassOptions};
//! use shadernet::zoo::{self, ZooOptions};
//!
//! let architecture = zoo::find("resnet50")?;
//! let graph = architecture.build(&ZooOptions::default())?;
//! let shapes = architecture.input_shapes(1, &ZooOptions::default());
//! let (optimized, reports) = passes::optimize(&graph, &shapes, &PassOptions::default())?;
//! // The input, 53 convolutions, two poolings, the flattening and the classifier.
//! assert_eq!(optimized.nodes().len(), 58);
//! let norms = reports.iter().find(|report| report.pass == "norms").unwrap();
//! assert_eq!(norms.applied.len(), 53);
//! assert!(norms.refused.is_empty());
//! # Ok::<(), shadernet::Error>(())
//! ```

mod activations;
mod concatenations;
mod dead_nodes;
mod draft;
mod identities;
mod norms;
mod padding;
mod prologues;
mod residuals;
mod slices;

use crate::error::{Result, UnknownName};
use crate::graph::Graph;
use crate::tensor::Shape;
use draft::Draft;

/// One pass.
struct Pass {
    name: &'static str,
    run: fn(&mut Draft, &mut PassReport),
}

/// In the order in which they run: each leaves the next what it can use.
const PASSES: [Pass; 9] = [
    Pass {
        name: "identities",
        run: identities::run,
    },
    Pass {
        name: "dead-nodes",
        run: dead_nodes::run,
    },
    Pass {
        name: "padding",
        run: padding::run,
    },
    Pass {
        name: "norms",
        run: norms::run,
    },
    Pass {
        name: "activations",
        run: activations::run,
    },
    Pass {
        name: "residuals",
        run: residuals::run,
    },
    Pass {
        name: "prologues",
        run: prologues::run,
    },
    Pass {
        name: "concatenations",
        run: concatenations::run,
    },
    Pass {
        name: "slices",
        run: slices::run,
    },
];

/// The passes' names, in the order in which they run.
///
/// ```
/// assert!(shadernet::passes::names().any(|name| name == "norms"));
/// ```
pub fn names() -> impl Iterator<Item = &'static str> {
    PASSES.iter().map(|pass| pass.name)
}

/// Which passes run: all of them by default.
///
/// ```
/// use shadernet::passes::PassOptions;
///
/// let options = PassOptions::default().without("residuals")?;
/// assert!(options.runs("norms") && !options.runs("residuals"));
/// assert!(!PassOptions::none().runs("norms"));
///
/// let error = PassOptions::default().without("norm").unwrap_err();
/// assert!(error.to_string().contains("did you mean 'norms'"), "{error}");
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassOptions {
    /// A bit for every pass that does not run, in the order of [`PASSES`].
    off: u16,
}

impl PassOptions {
    /// No pass: the graph is run node by node, as it was built.
    pub fn none() -> Self {
        Self { off: u16::MAX }
    }

    /// These, but not the pass of that name.
    ///
    /// # Errors
    /// [`crate::Error::UnknownName`], with the nearest known name where one is near.
    pub fn without(self, name: &str) -> Result<Self> {
        match names().position(|known| known == name) {
            Some(i) => Ok(Self {
                off: self.off | 1 << i,
            }),
            None => Err(UnknownName::new("pass", name, names()).into()),
        }
    }

    /// Whether the pass of that name runs.
    pub fn runs(self, name: &str) -> bool {
        names()
            .position(|known| known == name)
            .is_some_and(|i| self.off & 1 << i == 0)
    }
}

/// What one pass did to a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassReport {
    /// The pass's name.
    pub pass: &'static str,
    /// What it did.
    pub applied: Vec<Remark>,
    /// Where it looked and did nothing, and why.
    pub refused: Vec<Remark>,
}

/// A sentence about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The node's name.
    pub node: String,
    /// What was done with it, or why nothing was.
    pub text: String,
}

impl PassReport {
    fn applied(&mut self, node: &str, text: impl Into<String>) {
        self.applied.push(remark(node, text));
    }

    fn refused(&mut self, node: &str, text: impl Into<String>) {
        self.refused.push(remark(node, text));
    }
}

fn remark(node: &str, text: impl Into<String>) -> Remark {
    Remark {
        node: node.to_owned(),
        text: text.into(),
    }
}

/// Changes the report on concatenations where the plan has one part of one copied after all.
pub(crate) fn copied_for_memory(reports: &mut [PassReport], node: &str) {
    for report in reports.iter_mut().filter(|r| r.pass == "concatenations") {
        report.applied.retain(|remark| remark.node != node);
        report.refused(
            node,
            "copied: in place, other values would need more memory",
        );
    }
}

/// `graph` after the passes that `options` has, for inputs of these shapes, and what each did.
///
/// # Errors
/// As [`Graph::infer`].
pub fn optimize(
    graph: &Graph,
    inputs: &[Shape],
    options: &PassOptions,
) -> Result<(Graph, Vec<PassReport>)> {
    let mut draft = Draft::new(graph, graph.infer(inputs)?);
    let mut reports = Vec::new();
    for pass in PASSES.iter().filter(|pass| options.runs(pass.name)) {
        let mut report = PassReport {
            pass: pass.name,
            applied: Vec::new(),
            refused: Vec::new(),
        };
        (pass.run)(&mut draft, &mut report);
        reports.push(report);
    }
    Ok((draft.finish(), reports))
}

#[cfg(test)]
mod tests;
