use std::collections::HashSet;

use super::{Dtype, Weights};
use crate::error::{Error, Result};
use crate::graph::{Graph, Parameter};
use crate::util::did_you_mean::nearest;

/// What [`Weights::check`] found in weights that fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Tensors that the graph does not read, in alphabetical order. PyTorch's counter
    /// `num_batches_tracked`, which carries no information, is not among them.
    pub unused: Vec<String>,
}

/// So many missing tensors get a near name looked up; a file that lacks more is another network's,
/// and comparing every name with every other would take long.
const NAMES_LOOKED_UP: usize = 64;

impl Weights {
    /// Whether every parameter of `graph` is there with its shape and a dtype that can be read. Only
    /// names and shapes are looked at, so this is quick whatever the file's size.
    ///
    /// # Errors
    /// [`Error::Weights`] with every problem, in the graph's order.
    pub fn check(&self, graph: &Graph) -> Result<Checked> {
        let parameters = graph.parameters();
        let wanted: HashSet<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        let unused: Vec<&str> = self
            .names()
            .filter(|name| !wanted.contains(name) && !name.ends_with("num_batches_tracked"))
            .collect();
        let mut missing = 0;
        let mut problems = Vec::new();
        for parameter in &parameters {
            if self.contains(&parameter.name) {
                problems.extend(self.misfit(parameter));
                continue;
            }
            missing += 1;
            let candidates = if missing <= NAMES_LOOKED_UP {
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
        Ok(Checked {
            unused: unused.into_iter().map(str::to_owned).collect(),
        })
    }

    /// What is wrong with a tensor that is there.
    fn misfit(&self, parameter: &Parameter) -> Option<String> {
        let stored = self.tensors.get(&parameter.name)?;
        let mut reasons = Vec::new();
        if stored.shape != parameter.shape {
            reasons.push(format!(
                "expected shape {}, found {}",
                parameter.shape, stored.shape
            ));
        }
        if Dtype::from_safetensors(&stored.dtype).is_none() {
            reasons.push(unreadable(&stored.dtype));
        }
        (!reasons.is_empty())
            .then(|| format!("{}: {}", self.called(&parameter.name), reasons.join("; ")))
    }

    /// A tensor's name in the file, in quotes.
    fn called(&self, name: &str) -> String {
        format!("'{}'", self.renamed.get(name).map_or(name, String::as_str))
    }

    /// The problem of a tensor that is not there, with the candidate that may be meant.
    pub(super) fn missing<'a>(
        &self,
        name: &str,
        candidates: impl Iterator<Item = &'a str> + Clone,
    ) -> String {
        let name = self.renamed.get(name).map_or(name, String::as_str);
        // A wrapper's prefix (`module.`, `model.`) makes a name longer than "alike" allows.
        let prefixed = candidates.clone().find(|candidate| {
            candidate
                .strip_suffix(name)
                .is_some_and(|prefix| prefix.ends_with('.'))
        });
        let missing = format!("'{name}': missing");
        match prefixed.or_else(|| nearest(name, candidates)) {
            Some(near) => format!("{missing}; there is '{near}', which may be meant"),
            None => missing,
        }
    }
}

/// Why a tensor of the dtype that safetensors calls `found` is of no use.
pub(super) fn unreadable(found: &str) -> String {
    let [f32, f16, bf16] = Dtype::ALL;
    format!("found dtype {found}, which is not read; convert it to {f32}, {f16} or {bf16}")
}
