use std::borrow::Cow;
use std::collections::HashMap;

use crate::tensor::Shape;

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

    pub(super) fn library(&self) -> &'static str {
        self.library
    }

    /// The dialect's name of a parameter, or of any tensor of a layer.
    pub(super) fn name<'a>(&self, parameter: &'a str) -> Cow<'a, str> {
        let renamed = parameter.rsplit_once('.').and_then(|(node, suffix)| {
            let renaming = self.renamings.get(node)?;
            Some(format!("{}.{suffix}", renaming.node))
        });
        renamed.map_or(Cow::Borrowed(parameter), Cow::Owned)
    }

    /// The dialect's shape of a weight, where it differs from the graph's.
    pub(super) fn weight_shape_of(&self, parameter: &str) -> Option<&Shape> {
        let node = parameter.strip_suffix(".weight")?;
        self.renamings.get(node)?.weight.as_ref()
    }
}
