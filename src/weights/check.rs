use std::collections::HashSet;

use super::{Dtype, Weights};
use crate::error::{Error, Result};
use crate::graph::{Graph, Parameter};
use crate::util::did_you_mean::nearest;

/// The result of [`Weights::check`] for weights that fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Tensors that the graph does not read, in alphabetical order. PyTorch's counters
    /// `num_batches_tracked`, which carry no information, are not listed.
    pub unused: Vec<String>,
}

/// The number of missing tensors for which a similar name is searched. A file that lacks more belongs
/// to another network, and comparing all names with each other would take long.
const MAX_SUGGESTIONS: usize = 64;

impl Weights {
    /// Checks that every parameter of `graph` is present, with its shape and a supported dtype. Only
    /// names, shapes and dtypes are compared, so this is fast for files of any size.
    ///
    /// # Errors
    /// [`Error::Weights`] with all problems, in the graph's order.
    pub fn check(&self, graph: &Graph) -> Result<CheckReport> {
        let parameters = graph.parameters();
        let expected: HashSet<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        let unused: Vec<&str> = self
            .names()
            .filter(|name| !expected.contains(name) && !name.ends_with("num_batches_tracked"))
            .collect();
        let mut missing = 0;
        let mut problems = Vec::new();
        for parameter in &parameters {
            if self.contains(&parameter.name) {
                problems.extend(self.mismatch(parameter));
                continue;
            }
            missing += 1;
            let candidates = if missing <= MAX_SUGGESTIONS {
                &unused[..]
            } else {
                &[]
            };
            problems.push(self.missing(&parameter.name, candidates.iter().copied()));
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
                self.quoted_name(&parameter.name),
                reasons.join("; ")
            )
        })
    }

    /// A tensor's name in the file, in quotes.
    fn quoted_name(&self, name: &str) -> String {
        format!("'{}'", self.renamed.get(name).map_or(name, String::as_str))
    }

    /// The problem of a missing tensor, with the candidate that is probably meant.
    pub(super) fn missing<'a>(
        &self,
        name: &str,
        candidates: impl Iterator<Item = &'a str> + Clone,
    ) -> String {
        let name = self.renamed.get(name).map_or(name, String::as_str);
        // A wrapper's prefix (`module.`, `model.`) makes names too different for `nearest`.
        let prefixed = candidates.clone().find(|candidate| {
            candidate
                .strip_suffix(name)
                .is_some_and(|prefix| prefix.ends_with('.'))
        });
        let missing = format!("'{name}': missing");
        match prefixed.or_else(|| nearest(name, candidates)) {
            Some(near) => format!("{missing}; did you mean '{near}'?"),
            None => missing,
        }
    }
}

/// The problem of a tensor with the dtype that safetensors calls `found`.
pub(super) fn unsupported_dtype(found: &str) -> String {
    let [f32, f16, bf16] = Dtype::ALL;
    format!("found dtype {found}, which is not supported; convert it to {f32}, {f16} or {bf16}")
}
