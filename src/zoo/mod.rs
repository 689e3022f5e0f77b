//! Networks by name, with their parameters named exactly as their published checkpoints name them.
//! Where libraries have different names for one network, torchvision's are those of the graph, and
//! [`Architecture::adapt`] reads the others.
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

mod alexnet;
pub(crate) mod darknet;
mod densenet;
mod efficientnet_lite;
mod layers;
mod mlp;
mod mobilenet_v1;
mod mobilenet_v2;
mod multimodal;
mod resnet;
mod small_cnn;
mod squeezenet;
mod unet;
mod vgg;

use std::fmt;

use crate::error::{Result, UnknownName};
use crate::graph::{Graph, GraphBuilder, ValueId};
use crate::tensor::Shape;
use crate::weights::{Dialect, Weights};

/// What may differ between two checkpoints of one architecture. `None` is what the architecture was
/// made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZooOptions {
    /// Classes that the network tells apart: [`Architecture::num_classes`] unless given.
    pub num_classes: Option<usize>,
    /// Channels of the image: those of [`Architecture::input_size`] unless given.
    pub in_channels: Option<usize>,
}

impl ZooOptions {
    /// So many classes, and the image that the network was made for.
    pub fn classes(num_classes: usize) -> Self {
        Self {
            num_classes: Some(num_classes),
            ..Self::default()
        }
    }
}

/// What a network's outputs mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// One number a class and image: `[N, classes]` or `[N, classes, 1, 1]`.
    Classification,
    /// One number a class and pixel: `[N, classes, H, W]`.
    Segmentation,
    /// Boxes with their classes, as YOLO's raw maps (one output or several) before any decoding.
    Detection,
}

impl Task {
    /// As messages have it: `classification`, `segmentation`, `detection`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Segmentation => "segmentation",
            Self::Detection => "detection",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
    /// What its outputs mean.
    pub task: Task,
    /// Classes, where [`ZooOptions`] do not say.
    pub num_classes: usize,
    /// The image it was made for: channels, height, width.
    pub input_size: [usize; 3],
    /// Where it reads words beside the image, the length of the second input, `tokens`.
    pub tokens: Option<usize>,
    /// One line with the paper.
    pub description: &'static str,
    definition: &'static (dyn Definition + Sync),
}

/// What [`ZooOptions`] come to for one architecture.
#[derive(Clone, Copy)]
struct Settings {
    classes: usize,
    channels: usize,
    /// The height and width that the network was made for; a fixed classifier needs it.
    size: [usize; 2],
}

/// The layers of one architecture.
trait Definition {
    /// Adds every layer after the input `image` and answers the outputs.
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>>;

    /// The names that checkpoints of other libraries have for the tensors.
    fn dialects(&self) -> Vec<Dialect> {
        Vec::new()
    }
}

impl Architecture {
    /// What a row of a family's table does not say: a classifier of ImageNet's pictures without
    /// aliases.
    const fn classifier(
        name: &'static str,
        family: &'static str,
        description: &'static str,
        definition: &'static (dyn Definition + Sync),
    ) -> Self {
        Self {
            name,
            aliases: &[],
            family,
            task: Task::Classification,
            num_classes: 1000,
            input_size: [3, 224, 224],
            tokens: None,
            description,
            definition,
        }
    }

    /// The network: an image `input`, `[N, in_channels, H, W]` (and `tokens`, `[N, L]`, where
    /// [`Self::tokens`] says so), and the outputs that [`Self::task`] tells of. Logits, except where
    /// the definition ends in a softmax.
    ///
    /// # Errors
    /// [`crate::Error::Node`] where an option is 0.
    pub fn build(&self, options: &ZooOptions) -> Result<Graph> {
        let settings = self.settings(options);
        let mut b = GraphBuilder::new(self.name);
        let image = b.image_input("input", settings.channels);
        for output in self.definition.layers(&mut b, image, &settings)? {
            b.output(output);
        }
        b.build()
    }

    /// `weights` under the names of `graph`, which this architecture built: a checkpoint may have
    /// them in the names of another library that has the network too (torchvision's, timm's), and
    /// then is renamed. [`Weights::check`] tells whether everything fits.
    ///
    /// # Errors
    /// [`crate::Error::File`] where the names fit in no way, with the first tensors of both sides.
    pub fn adapt(&self, weights: Weights, graph: &Graph) -> Result<Weights> {
        weights.adapted(graph, &self.definition.dialects())
    }

    /// The shapes of the inputs for a batch of the images it was made for, in the graph's order.
    pub fn input_shapes(&self, batch: usize, options: &ZooOptions) -> Vec<Shape> {
        let Settings { channels, size, .. } = self.settings(options);
        let image = Shape::from([batch, channels, size[0], size[1]]);
        let tokens = self.tokens.map(|length| Shape::from([batch, length]));
        [image].into_iter().chain(tokens).collect()
    }

    fn settings(&self, options: &ZooOptions) -> Settings {
        let [channels, height, width] = self.input_size;
        Settings {
            classes: options.num_classes.unwrap_or(self.num_classes),
            channels: options.in_channels.unwrap_or(channels),
            size: [height, width],
        }
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// Every network known, family by family.
pub fn architectures() -> impl Iterator<Item = &'static Architecture> {
    [
        mlp::ARCHITECTURES,
        small_cnn::ARCHITECTURES,
        alexnet::ARCHITECTURES,
        vgg::ARCHITECTURES,
        resnet::ARCHITECTURES,
        densenet::ARCHITECTURES,
        multimodal::ARCHITECTURES,
        squeezenet::ARCHITECTURES,
        mobilenet_v1::ARCHITECTURES,
        mobilenet_v2::ARCHITECTURES,
        efficientnet_lite::ARCHITECTURES,
        unet::ARCHITECTURES,
        darknet::ARCHITECTURES,
    ]
    .into_iter()
    .flatten()
}

/// The architecture of that name or alias. What follows a dot is the checkpoint, not the
/// architecture, as in timm's `resnet18.a1_in1k`.
///
/// # Errors
/// [`crate::Error::UnknownName`], with the nearest known name where one is near.
pub fn find(name: &str) -> Result<&'static Architecture> {
    let architecture = name.split('.').next().unwrap_or(name);
    architectures()
        .find(|a| a.names().any(|known| known == architecture))
        .ok_or_else(|| {
            let known = architectures().flat_map(Architecture::names);
            UnknownName::new("architecture", architecture, known).into()
        })
}

/// The architecture that timm calls `name`, as model folders do: where timm's network of a name is
/// another than the one that goes by it here, timm's is listed as `timm_` and the name.
///
/// # Errors
/// As [`find`].
pub fn find_in_timm(name: &str) -> Result<&'static Architecture> {
    find(&format!("timm_{name}")).or_else(|_| find(name))
}

/// The network of that name; see [`find`] and [`Architecture::build`].
///
/// # Errors
/// [`crate::Error::UnknownName`]; [`crate::Error::Node`] where an option is 0.
pub fn build(name: &str, options: &ZooOptions) -> Result<Graph> {
    find(name)?.build(options)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_architecture_builds_under_every_name() {
        let mut seen = HashSet::new();
        let options = ZooOptions {
            num_classes: Some(7),
            in_channels: Some(1),
        };
        for architecture in architectures() {
            for name in architecture.names() {
                assert!(seen.insert(name), "two architectures are called {name}");
            }
            let graph = architecture.build(&options).unwrap();
            let inputs = architecture.input_shapes(2, &options);
            let shapes = graph.infer(&inputs).unwrap();
            for output in graph.outputs() {
                let [n, c, h, w] = shapes[output.index()].nchw();
                assert_eq!(n, 2, "{}", architecture.name);
                match architecture.task {
                    Task::Classification => assert_eq!([c, h, w], [7, 1, 1]),
                    Task::Segmentation => assert!(c == 7 && h > 1 && w > 1),
                    Task::Detection => {}
                }
            }
        }
    }

    #[test]
    fn parameter_counts_are_the_published_ones() {
        let published = [
            ("mlp", 235_146),
            ("small_cnn", 14_136_648),
            ("small_cnn_separable", 13_158_600),
            ("alexnet", 61_100_840),
            ("alexnet_paper", 60_965_224),
            ("vgg16", 138_357_544),
            ("resnet50", 25_557_032),
            ("densenet121", 7_978_856),
            ("mobilenet_v1", 4_231_976),
            ("mobilenet_v2", 3_504_872),
            ("unet", 31_037_698),
            ("unet_bilinear", 17_263_042),
            ("darknet19", 20_842_376),
            ("darknet53", 41_609_928),
            ("yolov2", 50_962_889),
            ("yolov3", 61_949_149),
            ("yolov3_tiny", 8_852_366),
        ];
        for (name, count) in published {
            let graph = build(name, &ZooOptions::default()).unwrap();
            assert_eq!(graph.parameter_count(), count, "{name}");
        }
    }

    /// All but those that end in a classifier of so many pixels, and detectors, whose maps must meet
    /// again after they were halved.
    #[test]
    fn networks_take_sizes_that_their_strides_do_not_divide() {
        const ONE_SIZE: [&str; 4] = ["mlp", "small_cnn", "small_cnn_separable", "alexnet_paper"];
        for architecture in architectures().filter(|a| a.task != Task::Detection) {
            let graph = architecture.build(&ZooOptions::default()).unwrap();
            let channels = architecture.input_size[0];
            let tokens = architecture
                .tokens
                .map(|length| Shape::from([3, length - 1]));
            let image = Shape::from([3, channels, 201, 251]);
            let inputs: Vec<Shape> = [image].into_iter().chain(tokens).collect();
            match graph.infer(&inputs) {
                Ok(_) => assert!(!ONE_SIZE.contains(&architecture.name)),
                Err(error) => {
                    assert!(ONE_SIZE.contains(&architecture.name), "{error}");
                    let text = error.to_string();
                    assert!(text.contains("one image size only"), "{text}");
                }
            }
        }
    }

    #[test]
    fn unknown_names_find_the_nearest() {
        let suggestion = |name| match find(name) {
            Err(crate::Error::UnknownName(unknown)) => unknown.nearest.first().cloned(),
            _ => panic!("{name} is known"),
        };
        for (wrong, right) in [
            ("resnet81", "resnet18"),
            ("ResNet-34", "resnet34"),
            ("tf_efficientnet_lite0_", "tf_efficientnet_lite0"),
        ] {
            assert_eq!(suggestion(wrong).as_deref(), Some(right));
        }
        assert_eq!(suggestion("convnext_tiny"), None);
        assert_eq!(find("resnet34.tv_in1k").unwrap().name, "resnet34");
    }

    #[test]
    fn options_of_zero_are_refused() {
        let text = build("resnet18", &ZooOptions::classes(0))
            .unwrap_err()
            .to_string();
        assert!(text.contains("'fc' (Linear)"), "{text}");
    }
}
