//! Networks by name, with their parameters named exactly as their published checkpoints name them.
//!
//! To add a family: a file with a table of [`Architecture`]s, and its line in [`architectures`].
//!
//! ```
//! use shadernet::zoo::{self, ZooOptions};
//!
//! let graph = zoo::build("resnet18", &ZooOptions::default())?;
//! assert_eq!(graph.parameter_count(), 11_689_512);
//! assert!(zoo::architectures().any(|a| a.aliases.contains(&"tf_efficientnet_lite0")));
//! # Ok::<(), shadernet::Error>(())
//! ```

mod efficientnet_lite;
mod resnet;

use crate::error::{Error, Result};
use crate::graph::{Graph, GraphBuilder, ValueId};
use crate::nearest::nearest;

/// What may differ between two checkpoints of one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZooOptions {
    /// Classes of the classifier: 1000 for ImageNet.
    pub num_classes: usize,
    /// Channels of the image: 3 for RGB.
    pub in_channels: usize,
}

impl Default for ZooOptions {
    fn default() -> Self {
        Self {
            num_classes: 1000,
            in_channels: 3,
        }
    }
}

/// A network that [`build`] knows.
pub struct Architecture {
    /// Its name in the library its checkpoints come from.
    pub name: &'static str,
    /// Other names it goes by.
    pub aliases: &'static [&'static str],
    /// The family, as its paper writes it.
    pub family: &'static str,
    /// The image it was made for: channels, height, width.
    pub input_size: [usize; 3],
    /// One line with the paper.
    pub description: &'static str,
    definition: &'static (dyn Definition + Sync),
}

/// The layers of one architecture.
trait Definition {
    /// Adds every layer after the input `image` and answers the output.
    fn layers(&self, b: &mut GraphBuilder, image: ValueId, options: &ZooOptions) -> ValueId;
}

impl Architecture {
    /// The network: an input called `input`, `[N, in_channels, H, W]`, and one output,
    /// `[N, num_classes]`, before any softmax.
    ///
    /// # Errors
    /// [`Error::Node`] where an option is 0.
    pub fn build(&self, options: &ZooOptions) -> Result<Graph> {
        let mut b = GraphBuilder::new(self.name);
        let image = b.image_input("input", options.in_channels);
        let output = self.definition.layers(&mut b, image, options);
        b.output(output);
        b.build()
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// Every network known, family by family.
pub fn architectures() -> impl Iterator<Item = &'static Architecture> {
    [efficientnet_lite::ARCHITECTURES, resnet::ARCHITECTURES]
        .into_iter()
        .flatten()
}

/// The architecture of that name or alias. What follows a dot is the checkpoint, not the
/// architecture, as in timm's `resnet18.a1_in1k`.
///
/// # Errors
/// [`Error::UnknownArchitecture`], with the nearest known name where one is near.
pub fn find(name: &str) -> Result<&'static Architecture> {
    let architecture = name.split('.').next().unwrap_or(name);
    architectures()
        .find(|a| a.names().any(|known| known == architecture))
        .ok_or_else(|| Error::UnknownArchitecture {
            name: name.to_owned(),
            suggestion: nearest(architecture, architectures().flat_map(Architecture::names)),
        })
}

/// The network of that name; see [`find`] and [`Architecture::build`].
///
/// # Errors
/// [`Error::UnknownArchitecture`]; [`Error::Node`] where an option is 0.
pub fn build(name: &str, options: &ZooOptions) -> Result<Graph> {
    find(name)?.build(options)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::tensor::Shape;

    #[test]
    fn every_architecture_builds_under_every_name() {
        let mut seen = HashSet::new();
        let options = ZooOptions {
            num_classes: 7,
            in_channels: 1,
        };
        for architecture in architectures() {
            for name in architecture.names() {
                assert!(seen.insert(name), "two architectures are called {name}");
                let graph = build(name, &options).unwrap();
                let [_, h, w] = architecture.input_size;
                let shapes = graph.infer(&[Shape::from([2, 1, h, w])]).unwrap();
                let output = graph.outputs()[0];
                assert_eq!(shapes[output.index()], Shape::from([2, 7]));
            }
        }
    }

    #[test]
    fn unknown_names_find_the_nearest() {
        let suggestion = |name| match find(name) {
            Err(Error::UnknownArchitecture { suggestion, .. }) => suggestion,
            _ => panic!("{name} is known"),
        };
        assert_eq!(suggestion("resnet81"), Some("resnet18"));
        assert_eq!(suggestion("ResNet-34"), Some("resnet34"));
        assert_eq!(
            suggestion("tf_efficientnet_lite0_"),
            Some("tf_efficientnet_lite0")
        );
        assert_eq!(suggestion("convnext_tiny"), None);
        assert_eq!(find("resnet34.tv_in1k").unwrap().name, "resnet34");
    }

    #[test]
    fn options_of_zero_are_refused() {
        let options = ZooOptions {
            num_classes: 0,
            in_channels: 3,
        };
        let text = build("resnet18", &options).unwrap_err().to_string();
        assert!(text.contains("'fc' (Linear)"), "{text}");
    }
}
