//! Graph passes: transform a graph into one with fewer nodes and the same outputs.
//!
//! A pass fuses a node into a neighbor or removes it. It reports what it changed and, for every candidate
//! that it left unchanged, the reason. Passes depend on the input shapes: a crop to the size that its
//! input already has is an identity at that size only.
//!
//! ```
//! use shadernet::passes::{self, PassOptions};
//! use shadernet::zoo::{self, ZooOptions};
//!
//! let architecture = zoo::find("resnet50")?;
//! let graph = architecture.build(&ZooOptions::default())?;
//! let shapes = architecture.input_shapes(1, &ZooOptions::default());
//! let (optimized, reports) = passes::optimize(&graph, &shapes, &PassOptions::default())?;
//! // The input, 53 convolutions, two pooling layers, a flatten and the classifier.
//! assert_eq!(optimized.nodes().len(), 58);
//! let norms = reports.iter().find(|report| report.pass == "norms").unwrap();
//! assert_eq!(norms.applied.len(), 53);
//! assert!(norms.refused.is_empty());
//! # Ok::<(), shadernet::Error>(())
//! ```

mod activations;
mod branches;
mod concatenations;
mod dead_nodes;
mod draft;
mod identities;
mod norms;
mod padding;
mod prologues;
mod residuals;
mod shared_memory;
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

/// In the order in which they run: each prepares the graph for the next.
const PASSES: [Pass; 10] = [
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
        name: "branches",
        run: branches::run,
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

/// Which passes run. By default, all.
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
    /// One bit for each pass that does not run, in the order of [`PASSES`].
    off: u16,
}

impl PassOptions {
    /// No pass: the graph runs node by node, as built.
    pub fn none() -> Self {
        Self { off: u16::MAX }
    }

    /// These options without the pass of this name.
    ///
    /// # Errors
    /// [`crate::Error::UnknownName`], with the nearest known name if one is near.
    pub fn without(self, name: &str) -> Result<Self> {
        match names().position(|known| known == name) {
            Some(i) => Ok(Self {
                off: self.off | 1 << i,
            }),
            None => Err(UnknownName::new("pass", name, names()).into()),
        }
    }

    /// Whether the pass of this name runs.
    pub fn runs(self, name: &str) -> bool {
        names()
            .position(|known| known == name)
            .is_some_and(|i| self.off & 1 << i == 0)
    }
}

/// What one pass did to a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassReport {
    /// The pass's name.
    pub pass: &'static str,
    /// The changes.
    pub applied: Vec<Remark>,
    /// The candidates left unchanged, with the reasons.
    pub refused: Vec<Remark>,
}

/// A remark of a pass about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remark {
    /// The node's name.
    pub node: String,
    /// What was changed, or why nothing was.
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

/// Corrects the report of the concatenations pass for a part that the plan copies after all.
pub(crate) fn copied_for_memory(reports: &mut [PassReport], node: &str) {
    for report in reports.iter_mut().filter(|r| r.pass == "concatenations") {
        report.applied.retain(|remark| remark.node != node);
        report.refused(
            node,
            "copied: stored in place, it would increase the memory of other values",
        );
    }
}

/// Runs the passes that `options` selects on `graph`, for inputs of these shapes. Returns the new graph and
/// a report for each pass.
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
