use std::borrow::Cow;
use std::collections::HashMap;

use crate::tensor::Shape;

/// How another library names the tensors of a network: its names of the nodes, or of single parameters, that are named
/// differently.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The library whose names these are.
    library: &'static str,
    /// By the graph's name of the node or of the parameter.
    renamings: HashMap<String, Renaming>,
}

#[derive(Debug)]
struct Renaming {
    /// The name in this dialect.
    name: String,
    /// The shape of the node's weight, or of the parameter, where that differs too; the elements and their order are
    /// the same.
    shape: Option<Shape>,
}

impl Dialect {
    /// The dialect of `library`, from pairs of the graph's name of a node, or of a parameter, and the library's.
    pub fn new(
        library: &'static str,
        nodes: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let renaming = |(ours, theirs): (_, _)| {
            let renaming = Renaming {
                name: Into::into(theirs),
                shape: None,
            };
            (Into::into(ours), renaming)
        };
        Self {
            library,
            renamings: nodes.into_iter().map(renaming).collect(),
        }
    }

    /// Sets the shape that the weight of a node, or a parameter that has a name of its own in this dialect, has there.
    /// `name` is the graph's.
    pub fn shape(mut self, name: &str, shape: impl Into<Shape>) -> Self {
        if let Some(renaming) = self.renamings.get_mut(name) {
            renaming.shape = Some(shape.into());
        }
        self
    }

    pub(crate) fn library(&self) -> &'static str {
        self.library
    }

    /// The dialect's name of a parameter, or of any tensor of a layer.
    pub(crate) fn name<'a>(&self, parameter: &'a str) -> Cow<'a, str> {
        if let Some(renaming) = self.renamings.get(parameter) {
            return renaming.name.clone().into();
        }
        let renamed = parameter.rsplit_once('.').and_then(|(node, suffix)| {
            let renaming = self.renamings.get(node)?;
            Some(format!("{}.{suffix}", renaming.name))
        });
        renamed.map_or(Cow::Borrowed(parameter), Cow::Owned)
    }

    /// The dialect's shape of a parameter, where it differs from the graph's.
    pub(super) fn shape_of(&self, parameter: &str) -> Option<&Shape> {
        let own = self.renamings.get(parameter);
        let of_node = || self.renamings.get(parameter.strip_suffix(".weight")?);
        own.or_else(of_node)?.shape.as_ref()
    }
}
