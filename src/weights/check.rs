use std::collections::HashSet;

use super::listing::{listed, quoted};
use super::names::Place;
use super::{Dtype, Weights, header};
use crate::error::{Error, Result};
use crate::graph::{Graph, Parameter};
use crate::printable;
use crate::util::did_you_mean::nearest;

/// The result of [`Weights::check`] for weights that fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Tensors that the graph does not read, in alphabetical order: those of other modules, such as an
    /// auxiliary classifier, and buffers. Counters, which carry no information, are not listed: PyTorch's
    /// `num_batches_tracked`, and what profilers leave.
    pub unused: Vec<String>,
}

impl CheckReport {
    /// A warning about unused tensors, where there are any.
    pub(crate) fn warning(&self, weights: &Weights, graph: &Graph) -> Option<String> {
        (!self.unused.is_empty()).then(|| {
            format!(
                "{}: not used by {}: {}",
                weights.source(),
                graph.name(),
                listed(self.unused.iter().map(String::as_str))
            )
        })
    }
}

/// The most missing tensors for which a similar name is searched, and the most names that are compared. Where
/// there are more, the file belongs to another network, and comparing all would take long.
const MAX_SUGGESTIONS: usize = 64;
const MAX_CANDIDATES: usize = 1024;

/// Buffers without information: PyTorch's counter of batches, and what the profiler thop registers.
const COUNTERS: [&str; 3] = ["num_batches_tracked", "total_ops", "total_params"];
/// Buffers that layers without weights have, such as YOLO's heads. Nothing is missed where they are not read.
const BUFFERS: [&str; 2] = ["anchors", "anchor_grid"];

impl Weights {
    /// Checks that every parameter of `graph` is present, with its shape and a supported dtype, and that the
    /// blocks of `graph` have no other parameters here: a file with more is that of another network, whose
    /// results would be wrong without them. Only names, shapes and dtypes are compared, so this is fast for
    /// files of any size.
    ///
    /// A block is a module of the network's top level, the first component of its parameters' names. Tensors of
    /// other modules, whole numbers and buffers are reported as unused. [`Self::retain`] removes what a graph is
    /// meant to do without.
    ///
    /// # Errors
    /// [`Error::Weights`] with all problems, in the graph's order.
    pub fn check(&self, graph: &Graph) -> Result<CheckReport> {
        let parameters = graph.parameters();
        let expected: HashSet<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        let unused: Vec<&str> = self
            .names()
            .filter(|name| !expected.contains(name) && !has_suffix(name, &COUNTERS))
            .collect();
        let candidates = match unused.len() <= MAX_CANDIDATES {
            true => unused.as_slice(),
            false => &[],
        };
        let mut missing = 0_usize;
        let mut problems = Vec::new();
        for parameter in &parameters {
            if self.contains(&parameter.name) {
                problems.extend(self.mismatch(parameter));
                continue;
            }
            missing = missing.saturating_add(1);
            let candidates = match missing <= MAX_SUGGESTIONS {
                true => candidates,
                false => &[],
            };
            problems.push(self.missing(&parameter.name, candidates.iter().copied()));
        }
        if missing == 0 {
            let place = match &self.place {
                Some(place) => place,
                None => &Place::new("", &expected),
            };
            let unexpected = unused.iter().filter(|name| self.is_unexpected(name, place));
            problems.extend(unexpected.map(|name| {
                format!(
                    "{}: {} has no such tensor in this block; is this the file of another network?",
                    quoted(name),
                    graph.name()
                )
            }));
        }
        if !problems.is_empty() {
            return Err(Error::Weights {
                source_name: self.source.clone(),
                problems,
            });
        }
        Ok(CheckReport {
            unused: unused.into_iter().map(str::to_owned).collect(),
        })
    }

    /// Whether an unused tensor shows that the file is not that of the network in `place`.
    fn is_unexpected(&self, name: &str, place: &Place) -> bool {
        let is_number = (self.dtype_name(name)).is_some_and(|dtype| !header::is_whole(dtype));
        is_number && !has_suffix(name, &BUFFERS) && place.contains(name)
    }

    /// What is wrong with a tensor that is present.
    fn mismatch(&self, parameter: &Parameter) -> Option<String> {
        let stored = self.tensors.get(&parameter.name)?;
        let mut reasons = Vec::new();
        if stored.shape != parameter.shape {
            reasons.push(format!(
                "expected shape {}, found {}",
                parameter.shape, stored.shape
            ));
        }
        if Dtype::from_safetensors(&stored.dtype).is_none() {
            reasons.push(unsupported_dtype(&stored.dtype));
        }
        (!reasons.is_empty()).then(|| {
            format!(
                "{}: {}",
                quoted(self.original(&parameter.name)),
                reasons.join("; ")
            )
        })
    }

    /// A tensor's name in the file.
    fn original<'a>(&'a self, name: &'a str) -> &'a str {
        self.renamed.get(name).map_or(name, String::as_str)
    }

    /// The problem of a missing tensor, with the candidate that is probably meant.
    fn missing<'a>(&self, name: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> String {
        let name = self.original(name);
        // What precedes a name makes two names too different for `nearest`.
        let prefixed = candidates.clone().find(|candidate| {
            let prefix = candidate.strip_suffix(name);
            prefix.is_some_and(|prefix| prefix.ends_with('.'))
        });
        let missing = format!("{}: missing", quoted(name));
        match prefixed.or_else(|| nearest(name, candidates)) {
            Some(near) => format!("{missing}; did you mean {}?", quoted(near)),
            None => missing,
        }
    }

    /// The error of reading a tensor that is not there.
    pub(super) fn not_found(&self, name: &str) -> Error {
        self.problem(self.missing(name, self.names().take(MAX_CANDIDATES)))
    }
}

/// Whether the last component of a tensor's name is one of `suffixes`.
fn has_suffix(name: &str, suffixes: &[&str]) -> bool {
    let suffix = name.rsplit('.').next().unwrap_or(name);
    suffixes.contains(&suffix)
}

/// The problem of a tensor with the dtype that safetensors calls `found`.
pub(super) fn unsupported_dtype(found: &str) -> String {
    let [f32, f16, bf16] = Dtype::WRITABLE;
    format!(
        "found dtype {}, which is not supported; convert it to {f32}, {f16} or {bf16}",
        printable::name(found)
    )
}
