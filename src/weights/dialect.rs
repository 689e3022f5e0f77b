use std::collections::{HashMap, HashSet};

use super::Weights;
use crate::error::{Error, Result};
use crate::graph::{Graph, Parameter};
use crate::tensor::Shape;

/// So many tensors of each side are shown where names do not fit.
const SHOWN: usize = 4;

/// How another library names the tensors of a network: what it calls the nodes whose names differ.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The library, or whose names these are.
    library: &'static str,
    /// By our name of the node.
    renamings: HashMap<String, Renaming>,
}

#[derive(Debug)]
struct Renaming {
    /// The node's name in the dialect.
    node: String,
    /// The shape of its weight, where that differs too: the same numbers, in the same order.
    weight: Option<Shape>,
}

impl Dialect {
    /// The names of `library`, given as pairs of our name of a node and its.
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

    /// Says that the weight of a node, by our name, has that shape in this dialect.
    pub fn weight_shape(mut self, node: &str, shape: impl Into<Shape>) -> Self {
        if let Some(renaming) = self.renamings.get_mut(node) {
            renaming.weight = Some(shape.into());
        }
        self
    }

    /// What the dialect calls a parameter, where it has another name for it or another shape.
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

/// The tensors that a graph reads, as one dialect has them, in the graph's order.
struct Side<'a> {
    /// Empty for the graph's own names.
    library: &'a str,
    tensors: Vec<(String, Shape)>,
}

impl Weights {
    /// These weights under the names of `graph`: as they are where those fit, renamed from that of
    /// the `dialects` that fits best otherwise. What still does not fit is for [`Weights::check`] to
    /// say.
    ///
    /// # Errors
    /// [`Error::File`] where not even half of the names are there in any dialect, with the first of
    /// both sides.
    pub(crate) fn adapted(self, graph: &Graph, dialects: &[Dialect]) -> Result<Self> {
        let parameters = graph.parameters();
        let own = |p: &Parameter| (p.name.clone(), p.shape.clone());
        let mut sides = vec![Side {
            library: "",
            tensors: parameters.iter().map(own).collect(),
        }];
        sides.extend(dialects.iter().map(|dialect| {
            let tensor = |p| dialect.tensor(p).unwrap_or_else(|| own(p));
            Side {
                library: dialect.library,
                tensors: parameters.iter().map(tensor).collect(),
            }
        }));
        let found = |side: &Side| {
            let tensors = side.tensors.iter();
            tensors.filter(|(name, _)| self.contains(name)).count()
        };
        // Backwards, so that of two that fit equally well the first is taken.
        let best = sides.iter().rev().max_by_key(|side| found(side));
        match best {
            Some(side) if 2 * found(side) < parameters.len() => Err(self.foreign(graph, &sides)),
            Some(side) if !side.library.is_empty() => Ok(self.renamed(&parameters, side)),
            _ => Ok(self),
        }
    }

    /// The tensors of `side` under the names, and in the shapes, of `parameters`.
    fn renamed(mut self, parameters: &[Parameter], side: &Side) -> Self {
        // All are taken before any is put back: one's new name may be another's old one.
        let taken: Vec<_> = (side.tensors.iter())
            .map(|(name, _)| self.tensors.remove(name))
            .collect();
        for ((parameter, (name, shape)), stored) in parameters.iter().zip(&side.tensors).zip(taken)
        {
            if *name != parameter.name {
                self.renamed.insert(parameter.name.clone(), name.clone());
            }
            if let Some(mut stored) = stored {
                // Of another shape than the dialect's, it is left for `check` to tell of.
                if stored.shape == *shape && shape.len() == parameter.shape.len() {
                    stored.shape = parameter.shape.clone();
                }
                self.tensors.insert(parameter.name.clone(), stored);
            }
        }
        self
    }

    /// Neither the graph's own names nor a dialect's fit.
    fn foreign(&self, graph: &Graph, sides: &[Side]) -> Error {
        let mut reason = format!(
            "its tensors are not named as those of {}; is it another network's file?",
            graph.name()
        );
        for Side { library, tensors } in sides {
            let missing = || tensors.iter().filter(|(name, _)| !self.contains(name));
            let names = match *library {
                "" => String::new(),
                library => format!(" in {library}'s names"),
            };
            let list = first_of(missing().map(|(name, shape)| (name.as_str(), shape)));
            reason += &format!("\n  expected{names}, but not there: {list}");
            let prefixed = missing().next().and_then(|(first, _)| {
                let suffix = format!(".{first}");
                self.names().find(|name| name.ends_with(&suffix))
            });
            if let Some(prefixed) = prefixed {
                reason += &format!(" (there is '{prefixed}': take the prefix off all names)");
            }
        }
        let wanted: HashSet<&str> = (sides.iter())
            .flat_map(|side| side.tensors.iter().map(|(name, _)| name.as_str()))
            .collect();
        let found = (self.tensors.iter())
            .map(|(name, stored)| (name.as_str(), &stored.shape))
            .filter(|(name, _)| !wanted.contains(name));
        reason += &format!("\n  there, but not expected: {}", first_of(found));
        Error::file(&self.source, reason)
    }
}

/// The first few tensors, with their shapes.
fn first_of<'a>(mut tensors: impl Iterator<Item = (&'a str, &'a Shape)>) -> String {
    let shown: Vec<String> = (tensors.by_ref().take(SHOWN))
        .map(|(name, shape)| format!("'{name}' {shape}"))
        .collect();
    match (shown.is_empty(), tensors.next()) {
        (true, _) => "none".to_owned(),
        (false, None) => shown.join(", "),
        (false, Some(_)) => shown.join(", ") + ", …",
    }
}
