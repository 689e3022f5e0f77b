use std::collections::{HashMap, HashSet};

use super::Weights;
use crate::error::{Error, Result};
use crate::graph::{Graph, Parameter};
use crate::tensor::Shape;

/// The number of tensors that a message lists of each naming scheme.
const MAX_LISTED: usize = 4;

/// How another library names the tensors of a network: its names of the nodes that are named differently.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The library whose names these are.
    library: &'static str,
    /// By the graph's name of the node.
    renamings: HashMap<String, Renaming>,
}

#[derive(Debug)]
struct Renaming {
    /// The node's name in this dialect.
    node: String,
    /// The shape of its weight where that differs too; the elements and their order are the same.
    weight: Option<Shape>,
}

impl Dialect {
    /// The dialect of `library`, from pairs of the graph's name of a node and the library's.
    pub fn new(
        library: &'static str,
        nodes: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let renaming = |(ours, theirs): (_, _)| {
            let renaming = Renaming {
                node: Into::into(theirs),
                weight: None,
            };
            (Into::into(ours), renaming)
        };
        Self {
            library,
            renamings: nodes.into_iter().map(renaming).collect(),
        }
    }

    /// Sets the shape that the weight of a node (by the graph's name) has in this dialect.
    pub fn weight_shape(mut self, node: &str, shape: impl Into<Shape>) -> Self {
        if let Some(renaming) = self.renamings.get_mut(node) {
            renaming.weight = Some(shape.into());
        }
        self
    }

    /// The dialect's name and shape of a parameter, where they differ from the graph's.
    fn tensor(&self, parameter: &Parameter) -> Option<(String, Shape)> {
        let (node, suffix) = parameter.name.rsplit_once('.')?;
        let renaming = self.renamings.get(node)?;
        let shape = match &renaming.weight {
            Some(shape) if suffix == "weight" => shape,
            _ => &parameter.shape,
        };
        Some((format!("{}.{suffix}", renaming.node), shape.clone()))
    }
}

/// The tensors that a graph reads, in one dialect's names and shapes, in the graph's order.
struct Naming<'a> {
    /// Empty for the graph's own names.
    library: &'a str,
    tensors: Vec<(String, Shape)>,
}

impl Weights {
    /// Renames these weights to the names of `graph`, from the dialect that matches most names; unchanged
    /// where the graph's own names match best. Remaining mismatches are reported by [`Weights::check`].
    ///
    /// # Errors
    /// [`Error::File`] where no naming matches at least half of the names, with the first expected and the
    /// first unexpected tensors.
    pub(crate) fn adapted(self, graph: &Graph, dialects: &[Dialect]) -> Result<Self> {
        let parameters = graph.parameters();
        let own = |p: &Parameter| (p.name.clone(), p.shape.clone());
        let mut namings = vec![Naming {
            library: "",
            tensors: parameters.iter().map(own).collect(),
        }];
        namings.extend(dialects.iter().map(|dialect| {
            let tensor = |p| dialect.tensor(p).unwrap_or_else(|| own(p));
            Naming {
                library: dialect.library,
                tensors: parameters.iter().map(tensor).collect(),
            }
        }));
        let matches = |naming: &Naming| {
            let tensors = naming.tensors.iter();
            tensors.filter(|(name, _)| self.contains(name)).count()
        };
        // In reverse, as `max_by_key` returns the last maximum: of equal matches, the first is used.
        let best = namings.iter().rev().max_by_key(|naming| matches(naming));
        match best {
            Some(naming) if 2 * matches(naming) < parameters.len() => {
                Err(self.unknown_names(graph, &namings))
            }
            Some(naming) if !naming.library.is_empty() => Ok(self.renamed(&parameters, naming)),
            _ => Ok(self),
        }
    }

    /// The tensors of `naming` with the names and shapes of `parameters`.
    fn renamed(mut self, parameters: &[Parameter], naming: &Naming) -> Self {
        // All are removed before any is inserted: one tensor's new name may be another's old name.
        let taken: Vec<_> = (naming.tensors.iter())
            .map(|(name, _)| self.tensors.remove(name))
            .collect();
        for ((parameter, (name, shape)), stored) in
            parameters.iter().zip(&naming.tensors).zip(taken)
        {
            if *name != parameter.name {
                self.renamed.insert(parameter.name.clone(), name.clone());
            }
            if let Some(mut stored) = stored {
                // A shape other than the dialect's is kept, for `check` to report.
                if stored.shape == *shape && shape.len() == parameter.shape.len() {
                    stored.shape = parameter.shape.clone();
                }
                self.tensors.insert(parameter.name.clone(), stored);
            }
        }
        self
    }

    /// The error where neither the graph's own names nor a dialect's match.
    fn unknown_names(&self, graph: &Graph, namings: &[Naming]) -> Error {
        let mut reason = format!(
            "its tensors are not named as those of {}; is this the file of another network?",
            graph.name()
        );
        for Naming { library, tensors } in namings {
            let missing = || tensors.iter().filter(|(name, _)| !self.contains(name));
            let names = match *library {
                "" => String::new(),
                library => format!(" in {library}'s names"),
            };
            let list = first_of(missing().map(|(name, shape)| (name.as_str(), shape)));
            reason += &format!("\n  expected{names}, but missing: {list}");
            let prefixed = missing().next().and_then(|(first, _)| {
                let suffix = format!(".{first}");
                self.names().find(|name| name.ends_with(&suffix))
            });
            if let Some(prefixed) = prefixed {
                reason += &format!(" (found '{prefixed}': remove the prefix from all names)");
            }
        }
        let expected: HashSet<&str> = (namings.iter())
            .flat_map(|naming| naming.tensors.iter().map(|(name, _)| name.as_str()))
            .collect();
        let found = (self.tensors.iter())
            .map(|(name, stored)| (name.as_str(), &stored.shape))
            .filter(|(name, _)| !expected.contains(name));
        reason += &format!("\n  found, but not expected: {}", first_of(found));
        Error::file(&self.source, reason)
    }
}

/// The first few tensors, with their shapes.
fn first_of<'a>(mut tensors: impl Iterator<Item = (&'a str, &'a Shape)>) -> String {
    let shown: Vec<String> = (tensors.by_ref().take(MAX_LISTED))
        .map(|(name, shape)| format!("'{name}' {shape}"))
        .collect();
    match (shown.is_empty(), tensors.next()) {
        (true, _) => "none".to_owned(),
        (false, None) => shown.join(", "),
        (false, Some(_)) => shown.join(", ") + ", …",
    }
}
