//! Which of a file's tensors are a graph's parameters. A file may have the names of another library (a
//! [`Dialect`]), all under a prefix, with the names of wrappers in between.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::Weights;
use super::dialect::Dialect;
use super::listing::{first_of, quoted};
use crate::error::{Error, Result};
use crate::graph::{Graph, Parameter};
use crate::tensor::Shape;

/// What modules that wrap another one add to its tensors' names, at any place: `DataParallel`,
/// `DistributedDataParallel` and `AveragedModel`; `torch.compile`.
const WRAPPERS: [&str; 2] = ["module", "_orig_mod"];
/// The attributes under which training code, such as Lightning's modules, keeps the network. Where a file holds
/// the network's tensors under several prefixes, this one is meant.
const HOLDERS: [&str; 1] = ["model"];
/// The most prefixes that are compared.
const MAX_PREFIXES: usize = 64;
/// The longest prefix in bytes.
const MAX_PREFIX: usize = 256;
/// The number of tensors that a message lists of each naming.
const MAX_LISTED: usize = 4;
/// The most parameters for which prefixes are searched.
const MAX_PROBES: usize = 8;

/// How a file names the parameters of a graph.
#[derive(Clone, Default)]
struct Naming<'a> {
    /// `None` for the graph's own names.
    dialect: Option<&'a Dialect>,
    /// What precedes all names, with a dot at its end; often empty.
    prefix: String,
    /// Whether the names of wrappers are left out of the file's.
    unwrapped: bool,
}

impl<'a> Naming<'a> {
    /// The graph's own names, then the dialects', as they are.
    fn plain(dialects: &'a [Dialect]) -> impl Iterator<Item = Self> {
        let all = std::iter::once(None).chain(dialects.iter().map(Some));
        all.map(|dialect| Self {
            dialect,
            ..Self::default()
        })
    }

    fn with_prefix(&self, prefix: String) -> Self {
        Self {
            prefix,
            ..self.clone()
        }
    }

    /// The file's name of a parameter.
    fn name(&self, parameter: &str) -> String {
        let name = match self.dialect {
            Some(dialect) => dialect.name(parameter),
            None => parameter.into(),
        };
        format!("{}{name}", self.prefix)
    }

    /// The file's shape of a parameter.
    fn shape<'b>(&'b self, parameter: &'b Parameter) -> &'b Shape {
        let other = self.dialect.and_then(|d| d.shape_of(&parameter.name));
        other.unwrap_or(&parameter.shape)
    }

    /// Whether the prefix, if any, is one under which a network is usually kept.
    fn has_usual_prefix(&self) -> bool {
        let mut components = self.prefix.split_terminator('.');
        components.all(|component| HOLDERS.contains(&component))
    }
}

/// A file's tensors by the names that are compared with a naming's.
struct FileNames<'a>(HashMap<Cow<'a, str>, Named<'a>>);

struct Named<'a> {
    /// The name in the file.
    name: &'a str,
    /// Another tensor that has the same name without its wrappers.
    other: Option<&'a str>,
    /// The number of its dimensions.
    rank: usize,
}

/// How well a naming fits a file.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// How many parameters are in the file.
    names: usize,
    /// How many of these have as many dimensions as expected. Libraries that have the same names may store a layer
    /// as a convolution or as a fully connected one.
    ranks: usize,
}

impl<'a> FileNames<'a> {
    fn new(weights: &'a Weights, unwrap: bool) -> Self {
        let mut all: HashMap<Cow<'a, str>, Named<'a>> = HashMap::new();
        for name in weights.names() {
            let key = match unwrap {
                true => unwrapped(name),
                false => name.into(),
            };
            let named = all.entry(key).or_insert(Named {
                name,
                other: None,
                rank: weights.shape(name).map_or(0, Shape::rank),
            });
            if named.name != name {
                named.other = Some(name);
            }
        }
        Self(all)
    }

    fn fit(&self, naming: &Naming, parameters: &[Parameter]) -> Fit {
        // Of each parameter in the file, whether it has the expected rank.
        let same_rank = |parameter: &Parameter| {
            let named = self.0.get(naming.name(&parameter.name).as_str())?;
            Some(named.rank == naming.shape(parameter).rank())
        };
        let found: Vec<bool> = parameters.iter().filter_map(same_rank).collect();
        Fit {
            names: found.len(),
            ranks: found.iter().filter(|same| **same).count(),
        }
    }

    /// What precedes a parameter's name in the file: usual prefixes first, then short ones.
    fn prefixes<'b>(&self, naming: &Naming<'b>, parameters: &[Parameter]) -> Vec<Naming<'b>> {
        let mut probes: Vec<String> = parameters.iter().map(|p| naming.name(&p.name)).collect();
        // Names of many components are the least likely to be the end of another parameter's name.
        probes.sort_by_key(|name| Reverse(name.matches('.').count()));
        let before = |probe: &String| -> Vec<Naming<'b>> {
            let names = self.0.keys();
            (names.filter_map(|name| name.strip_suffix(probe.as_str())))
                .filter(|prefix| prefix.ends_with('.') && prefix.len() <= MAX_PREFIX)
                .map(|prefix| naming.with_prefix(prefix.to_owned()))
                .collect()
        };
        let found = probes.iter().take(MAX_PROBES).map(before);
        let mut found = found
            .into_iter()
            .find(|found| !found.is_empty())
            .unwrap_or_default();
        found.sort_by_cached_key(|naming| {
            let components = naming.prefix.matches('.').count();
            (
                !naming.has_usual_prefix(),
                components,
                naming.prefix.clone(),
            )
        });
        found.truncate(MAX_PREFIXES);
        found
    }

    /// The file's names of the parameters that it holds.
    ///
    /// # Errors
    /// Where two tensors stand for one parameter.
    fn of(&self, naming: &Naming, parameters: &[Parameter]) -> Result<Vec<Option<String>>, String> {
        let found = |parameter: &Parameter| {
            let Some(named) = self.0.get(naming.name(&parameter.name).as_str()) else {
                return Ok(None);
            };
            match named.other {
                None => Ok(Some(named.name.to_owned())),
                Some(other) => Err(format!(
                    "both {} and {} may be the network's {}; remove one of them",
                    quoted(named.name),
                    quoted(other),
                    quoted(&parameter.name)
                )),
            }
        };
        parameters.iter().map(found).collect()
    }
}

/// A name without the components that wrappers add.
fn unwrapped(name: &str) -> Cow<'_, str> {
    let is_own = |component: &&str| !WRAPPERS.contains(component);
    match name.split('.').all(|component| is_own(&component)) {
        true => name.into(),
        false => {
            let own: Vec<&str> = name.split('.').filter(is_own).collect();
            own.join(".").into()
        }
    }
}

/// A naming that fits a file.
struct Match<'a> {
    naming: Naming<'a>,
    /// For each parameter of the graph, the name of its tensor in the file, if there is one.
    tensors: Vec<Option<String>>,
}

/// Where a file has a network's tensors.
#[derive(Clone, Debug)]
pub(super) struct Place {
    prefix: String,
    /// The first components of the names after the prefix.
    roots: HashSet<String>,
}

impl Place {
    /// The place of tensors of these names, which all begin with `prefix`.
    pub fn new(prefix: &str, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let root = |name: &str| Some(name.strip_prefix(prefix)?.split_once('.')?.0.to_owned());
        let roots = names.into_iter().filter_map(|name| root(name.as_ref()));
        Self {
            prefix: prefix.to_owned(),
            roots: roots.collect(),
        }
    }

    /// Whether a tensor of the file belongs to a block of the network: whether its outermost module has
    /// parameters of the network.
    pub fn contains(&self, name: &str) -> bool {
        let name = unwrapped(name);
        let inner = name.strip_prefix(&self.prefix);
        let root = inner.and_then(|inner| Some(inner.split_once('.')?.0));
        root.is_some_and(|root| self.roots.contains(root))
    }
}

impl Weights {
    /// Renames these weights to the names of `graph`, from the naming that matches most of them: the graph's
    /// own names or a dialect's, as they are or under a prefix and with the names of wrappers. Remaining
    /// mismatches are reported by [`Weights::check`].
    ///
    /// # Errors
    /// [`Error::File`] where no naming matches at least half of the names, with the first expected and the
    /// first unexpected tensors; and where it is not clear which tensors are meant.
    pub(crate) fn adapted(mut self, graph: &Graph, dialects: &[Dialect]) -> Result<Self> {
        let parameters = graph.parameters();
        let Some(Match { naming, tensors }) = self.matched(graph, &parameters, dialects)? else {
            return Ok(self);
        };
        let expected: Vec<String> = parameters.iter().map(|p| naming.name(&p.name)).collect();
        self.place = Some(Place::new(&naming.prefix, &expected));
        // All are removed before any is inserted: one tensor's new name may be another's old name.
        let taken: Vec<_> = (tensors.iter())
            .map(|name| self.tensors.remove(name.as_ref()?))
            .collect();
        let names = tensors.into_iter().zip(expected);
        for ((parameter, (found, expected)), stored) in parameters.iter().zip(names).zip(taken) {
            let original = found.unwrap_or(expected);
            if original != parameter.name {
                self.renamed.insert(parameter.name.clone(), original);
            }
            if let Some(mut stored) = stored {
                // A shape other than the dialect's is kept, for `check` to report.
                let shape = naming.shape(parameter);
                if stored.shape == *shape && shape.len() == parameter.shape.len() {
                    stored.shape = parameter.shape.clone();
                }
                self.tensors.insert(parameter.name.clone(), stored);
            }
        }
        Ok(self)
    }

    /// `graph` with a bias in every convolution and fully connected layer for which these weights, still under
    /// the file's names, have one.
    pub(crate) fn with_biases_of(&self, graph: Graph, dialects: &[Dialect]) -> Graph {
        let naming = match self.matched(&graph, &graph.parameters(), dialects) {
            Ok(found) => found.map_or_else(Naming::default, |found| found.naming),
            // `adapted` returns the error.
            Err(_) => return graph,
        };
        let names = FileNames::new(self, naming.unwrapped);
        graph.with_biases(|bias| names.0.contains_key(naming.name(bias).as_str()))
    }

    /// The naming that matches most of the parameters' names; `None` where that is the graph's own, as they are.
    fn matched<'a>(
        &self,
        graph: &Graph,
        parameters: &[Parameter],
        dialects: &'a [Dialect],
    ) -> Result<Option<Match<'a>>> {
        // The first of those that fit equally well is used.
        let mut names = FileNames::new(self, false);
        let mut candidates: Vec<(Naming<'a>, Fit)> = Vec::new();
        for naming in Naming::plain(dialects) {
            let fit = names.fit(&naming, parameters);
            candidates.push((naming, fit));
        }
        if candidates
            .iter()
            .all(|(_, fit)| fit.names < parameters.len())
        {
            names = FileNames::new(self, true);
            for plain in Naming::plain(dialects) {
                let plain = Naming {
                    unwrapped: true,
                    ..plain
                };
                let prefixes = names.prefixes(&plain, parameters);
                for naming in std::iter::once(plain).chain(prefixes) {
                    let fit = names.fit(&naming, parameters);
                    candidates.push((naming, fit));
                }
            }
        }
        let best = candidates.iter().map(|(_, fit)| *fit).max();
        let best = best.unwrap_or_default();
        if best.names.saturating_mul(2) < parameters.len() {
            return Err(self.unknown_names(graph, parameters, dialects));
        }
        let mut best = candidates.into_iter().filter(|(_, fit)| *fit == best);
        let Some((naming, _)) = best.next() else {
            return Ok(None);
        };
        if !naming.has_usual_prefix()
            && let Some((other, _)) = best.find(|(other, _)| other.prefix != naming.prefix)
        {
            return Err(Error::file(
                &self.source,
                format!(
                    "the tensors of {} are in it both under {} and under {}; remove one of them",
                    graph.name(),
                    quoted(&naming.prefix),
                    quoted(&other.prefix)
                ),
            ));
        }
        if naming.dialect.is_none() && !naming.unwrapped {
            return Ok(None);
        }
        if !naming.unwrapped {
            names = FileNames::new(self, false);
        }
        let tensors = (names.of(&naming, parameters)).map_err(|r| Error::file(&self.source, r))?;
        Ok(Some(Match { naming, tensors }))
    }

    /// The error where neither the graph's own names nor a dialect's match.
    fn unknown_names(
        &self,
        graph: &Graph,
        parameters: &[Parameter],
        dialects: &[Dialect],
    ) -> Error {
        let described = |name: &str, shape: &Shape| format!("{} {shape}", quoted(name));
        let mut reason = format!("its tensors are not named as those of {}", graph.name());
        let mut expected = HashSet::new();
        for naming in Naming::plain(dialects) {
            let library = naming.dialect.map_or_else(String::new, |dialect| {
                format!(" in {}'s names", dialect.library())
            });
            let tensors: Vec<(String, &Shape)> = (parameters.iter())
                .map(|p| (naming.name(&p.name), naming.shape(p)))
                .collect();
            let missing = tensors.iter().filter(|(name, _)| !self.contains(name));
            let list = first_of(
                MAX_LISTED,
                missing.map(|(name, shape)| described(name, shape)),
            );
            reason += &format!("; expected{library}, but missing: {list}");
            expected.extend(tensors.into_iter().map(|(name, _)| name));
        }
        let found = (self.tensors.iter()).filter(|(name, _)| !expected.contains(*name));
        let list = first_of(
            MAX_LISTED,
            found.map(|(name, stored)| described(name, &stored.shape)),
        );
        reason +=
            &format!("; found, but not expected: {list}; is this the file of another network?");
        Error::file(&self.source, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_left_out_at_any_place() {
        for (name, bare) in [
            ("module.conv1.weight", "conv1.weight"),
            ("_orig_mod.module.conv1.weight", "conv1.weight"),
            ("features.module.0.weight", "features.0.weight"),
            ("modules.0.weight", "modules.0.weight"),
            ("module", ""),
        ] {
            assert_eq!(unwrapped(name), bare);
        }
    }

    #[test]
    fn blocks_are_those_of_the_networks_parameters() {
        let place = Place::new("net.", ["net.layer1.0.conv1.weight", "net.fc.weight"]);
        for name in ["net.layer1.2.conv1.weight", "module.net.fc.scale"] {
            assert!(place.contains(name), "{name}");
        }
        for name in [
            "net.aux.weight",
            "layer1.0.conv1.weight",
            "net.layer1",
            "n_averaged",
        ] {
            assert!(!place.contains(name), "{name}");
        }
    }
}
