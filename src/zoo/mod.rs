//! Networks by name. Parameters are named as in the published checkpoints. Where libraries name the
//! parameters of one network differently, the graph uses torchvision's names, and
//! [`Architecture::adapt`] converts from the others.
//!
//! To add a family, write a file with a table of [`Architecture`]s and add it to [`architectures`].
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
mod variant;
mod vgg;

use std::fmt;

use crate::error::{Error, Result, UnknownName};
use crate::graph::{Activation, Graph, GraphBuilder, MAX_EXTENT, ValueId};
use crate::tensor::Shape;
use crate::weights::{Dialect, Weights};
pub use variant::{ConvPadding, GlobalPool};

/// What may differ between two checkpoints of one architecture. `None` stands for the architecture's
/// own value.
///
/// ```
/// use shadernet::zoo::ZooOptions;
///
/// let options = ZooOptions::default().with_classes(10).with_channels(1);
/// assert_eq!(options.num_classes, Some(10));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ZooOptions {
    /// Number of classes; 0 for a classification network without its classifier, whose output is the pooled
    /// features. Default: [`Architecture::num_classes`].
    pub num_classes: Option<usize>,
    /// Channels of the image. Default: those of [`Architecture::input_size`].
    pub in_channels: Option<usize>,
    /// The function in place of every activation.
    pub activation: Option<Activation>,
    /// The epsilon of every batch norm.
    pub bn_eps: Option<f64>,
    /// How every convolution is padded.
    pub padding: Option<ConvPadding>,
    /// The most that maps are smaller than the image: strides beyond it become dilations.
    pub output_stride: Option<usize>,
    /// The pooling before the classifier.
    pub global_pool: Option<GlobalPool>,
}

impl ZooOptions {
    /// `num_classes` classes, and the architecture's own image channels.
    pub fn classes(num_classes: usize) -> Self {
        Self::default().with_classes(num_classes)
    }

    /// Sets the number of classes; `None` is the architecture's own.
    pub fn with_classes(mut self, num_classes: impl Into<Option<usize>>) -> Self {
        self.num_classes = num_classes.into();
        self
    }

    /// Sets the channels of the image; `None` is the architecture's own.
    pub fn with_channels(mut self, in_channels: impl Into<Option<usize>>) -> Self {
        self.in_channels = in_channels.into();
        self
    }

    /// Whether nothing but the numbers of classes and channels may differ from the architecture's own.
    pub(crate) fn is_plain(&self) -> bool {
        let plain = Self {
            num_classes: self.num_classes,
            in_channels: self.in_channels,
            ..Self::default()
        };
        *self == plain
    }
}

/// What a network's outputs mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// One score per class and image: `[N, classes]` or `[N, classes, 1, 1]`; without classes, features.
    Classification,
    /// One score per class and pixel: `[N, classes, H, W]`.
    Segmentation,
    /// Boxes with their classes: YOLO's raw feature maps (one or several outputs), not decoded.
    Detection,
}

impl Task {
    /// The name in messages: `classification`, `segmentation` or `detection`.
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

/// A network that [`build`] can build.
pub struct Architecture {
    /// Its name in the library that its checkpoints come from.
    pub name: &'static str,
    /// Other names of the network.
    pub aliases: &'static [&'static str],
    /// The family, as its paper writes it.
    pub family: &'static str,
    /// What its outputs mean.
    pub task: Task,
    /// The default number of classes.
    pub num_classes: usize,
    /// The image size of the checkpoints: channels, height, width.
    pub input_size: [usize; 3],
    /// For a network with a second input of token ids, `tokens`: their default number.
    pub tokens: Option<usize>,
    /// One line with a reference to the paper.
    pub description: &'static str,
    definition: &'static (dyn Definition + Sync),
}

/// [`ZooOptions`] with an architecture's defaults filled in.
#[derive(Clone, Copy)]
struct Settings {
    classes: usize,
    channels: usize,
    /// Height and width of the image. A classifier of fixed input size needs them.
    size: [usize; 2],
}

/// The layers of one architecture.
trait Definition {
    /// Adds every layer after the input `image` and returns the outputs.
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>>;

    /// The names of the tensors of `graph`, which this definition built, in checkpoints of other libraries.
    fn dialects(&self, _: &Graph) -> Vec<Dialect> {
        Vec::new()
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Architecture")
            .field("name", &self.name)
            .field("aliases", &self.aliases)
            .field("family", &self.family)
            .field("task", &self.task)
            .field("num_classes", &self.num_classes)
            .field("input_size", &self.input_size)
            .field("tokens", &self.tokens)
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

impl Architecture {
    /// The defaults of a row in a family's table: a classifier of ImageNet images without aliases.
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

    /// Builds the network. It reads an image `input`, `[N, in_channels, H, W]`, and where
    /// [`Self::tokens`] is set also `tokens`, `[N, L]`. [`Self::task`] describes its outputs: logits,
    /// except where the definition ends in a softmax.
    ///
    /// # Errors
    /// [`crate::Error::Node`] if an option is 0 that must not be; [`crate::Error::Inputs`] for an option that
    /// this network cannot be built with, such as a global pooling where it has none, or
    /// more than 2^31 - 1 classes or channels.
    pub fn build(&self, options: &ZooOptions) -> Result<Graph> {
        let mut settings = self.settings(options);
        // Networks compute with them: Darknet's have 5 * (5 + classes) channels.
        for (name, count) in [
            ("classes", settings.classes),
            ("channels", settings.channels),
        ] {
            if count > MAX_EXTENT {
                return Err(Error::Inputs(format!(
                    "{}: at most {MAX_EXTENT} {name} were expected, found {count}",
                    self.name
                )));
            }
        }
        let is_headless = self.task == Task::Classification && settings.classes == 0;
        if is_headless {
            // A classifier to remove.
            settings.classes = 1;
        }
        let mut b = GraphBuilder::new(self.name);
        let image = b.image_input("input", settings.channels);
        for output in self.definition.layers(&mut b, image, &settings)? {
            b.output(output);
        }
        variant::apply(b.build()?, options, is_headless)
    }

    /// As [`Self::build`], with a bias in every convolution and fully connected layer that `weights`, before
    /// [`Self::adapt`], have one for: checkpoints of the same network differ in these.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_for(&self, weights: &Weights, options: &ZooOptions) -> Result<Graph> {
        let graph = self.build(options)?;
        let dialects = self.definition.dialects(&graph);
        Ok(weights.with_biases_of(graph, &dialects))
    }

    /// `weights` renamed to the names of `graph`, which this architecture built. A checkpoint may use
    /// the names of another library (torchvision, timm), all of them under a prefix (`model.`), with those of
    /// wrappers in between (`module`, `_orig_mod`). [`Weights::check`] reports whether everything fits.
    ///
    /// # Errors
    /// [`crate::Error::File`] if the names match no known library; it lists the first tensors of both
    /// sides. Also if several tensors may be meant.
    pub fn adapt(&self, weights: Weights, graph: &Graph) -> Result<Weights> {
        weights.adapted(graph, &self.definition.dialects(graph))
    }

    /// Whether `weights`, before [`Self::adapt`], are those of this network.
    fn fits(&self, weights: &Weights, options: &ZooOptions) -> bool {
        let check = || {
            let graph = self.build_for(weights, options)?;
            self.adapt(weights.headers(), &graph)?.check(&graph)
        };
        check().is_ok()
    }

    /// The shapes of the graph's inputs, in order, for a batch of images of [`Self::input_size`].
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

/// All networks, family by family.
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

/// The architecture of this name or alias. A dot and what follows it, as in timm's `resnet18.a1_in1k`,
/// name a checkpoint and are ignored.
///
/// # Errors
/// [`crate::Error::UnknownName`], with the nearest known name if one is near.
pub fn find(name: &str) -> Result<&'static Architecture> {
    let architecture = name.split('.').next().unwrap_or(name);
    architectures()
        .find(|a| a.names().any(|known| known == architecture))
        .ok_or_else(|| {
            let known = architectures().flat_map(Architecture::names);
            UnknownName::new("architecture", architecture, known).into()
        })
}

/// As [`find`], for `weights` that are to be loaded into the network built with `options`.
///
/// # Errors
/// As [`find`]; only names of networks that the weights fit are proposed.
pub fn find_for(
    name: &str,
    weights: &Weights,
    options: &ZooOptions,
) -> Result<&'static Architecture> {
    find(name).map_err(|error| proposing_what_fits(error, Some(weights), options))
}

/// An error of [`find`] that proposes only networks that `weights`, if there are any, fit.
pub(crate) fn proposing_what_fits(
    mut error: Error,
    weights: Option<&Weights>,
    options: &ZooOptions,
) -> Error {
    if let Error::UnknownName(unknown) = &mut error {
        let fits = |name: &String| {
            weights.is_some_and(|weights| find(name).is_ok_and(|a| a.fits(weights, options)))
        };
        unknown.nearest.retain(fits);
    }
    error
}

/// The architecture that timm, and so a model folder, calls `name`. Where that name stands for another
/// network in this zoo, timm's network is listed as `timm_` and the name.
///
/// # Errors
/// As [`find`].
pub fn find_in_timm(name: &str) -> Result<&'static Architecture> {
    find(&format!("timm_{name}")).or_else(|_| find(name))
}

/// Builds the network of this name; see [`find`] and [`Architecture::build`].
///
/// # Errors
/// [`crate::Error::UnknownName`]; those of [`Architecture::build`].
pub fn build(name: &str, options: &ZooOptions) -> Result<Graph> {
    find(name)?.build(options)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn options_of_any_size_give_a_network_or_an_error() {
        for architecture in architectures() {
            for count in [0, 1 << 20, i32::MAX as usize, 1 << 40, usize::MAX] {
                // None of them panics.
                let _ = architecture.build(&ZooOptions::classes(count));
                let _ = architecture.build(&ZooOptions::default().with_channels(count));
            }
            let error = architecture.build(&ZooOptions::classes(usize::MAX));
            let text = error.unwrap_err().to_string();
            assert!(text.contains("at most 2147483647 classes"), "{text}");
        }
    }

    #[test]
    fn every_architecture_builds_under_every_name() {
        let mut seen = HashSet::new();
        let options = ZooOptions::classes(7).with_channels(1);
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

    /// All but the networks that end in a classifier for one image size, and detectors, which join
    /// feature maps again after halving them.
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
            _ => panic!("{name} should be unknown"),
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
        let refused = |name, options: ZooOptions| build(name, &options).unwrap_err().to_string();
        let text = refused("resnet18", ZooOptions::default().with_channels(0));
        assert!(text.contains("'conv1' (Conv2d)"), "{text}");
        let text = refused("unet", ZooOptions::classes(0));
        assert!(text.contains("(Conv2d)"), "{text}");
    }
}
