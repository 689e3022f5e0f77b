//! Networks by name. Parameters are named as in the published checkpoints. Where libraries name the
//! parameters of one network differently, the graph uses torchvision's names (timm's, where it has more networks of a
//! family), and [`Architecture::adapt`] converts from the others.
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
mod convnext;
mod counts;
pub(crate) mod darknet;
mod densenet;
mod ghostnet;
mod inception;
mod inverted_residual;
mod layers;
mod mlp;
mod mobilenet_v1;
mod multimodal;
mod options;
mod regnet;
mod repvgg;
mod resnet;
mod shufflenet_v2;
mod small_cnn;
mod squeeze_excite;
mod squeezenet;
mod unet;
mod variant;
mod vgg;

use std::fmt;

use crate::error::{Error, Result, UnknownName};
use crate::graph::{Graph, GraphBuilder, MAX_EXTENT, ValueId};
use crate::tensor::Shape;
use crate::weights::{Dialect, Weights};
pub use options::ZooOptions;
pub use variant::{ConvPadding, GlobalPool};

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

    /// Why the network cannot be built with these options besides the numbers of classes and channels: timm's
    /// constructor has no such argument, or refuses this value.
    fn check_options(&self, _: &ZooOptions) -> Result<(), String> {
        Ok(())
    }

    /// The names of the tensors of `graph`, which this definition built, in checkpoints of other libraries.
    fn dialects(&self, _: &Graph) -> Vec<Dialect> {
        Vec::new()
    }

    /// Whether timm calls its constructor for this network with the default value of `argument`: of arguments that
    /// families or networks differ in. Otherwise the value in a configuration would have to be another one.
    fn has_timms_default(&self, _argument: &str) -> bool {
        true
    }

    /// Whether the activation of this name is not replaced by [`ZooOptions::activation`]: timm's constructors do
    /// not apply their `act_layer` to it.
    fn keeps_activation(&self, name: &str) -> bool {
        name.ends_with(".se.gate")
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
    /// this network cannot be built with, such as a global pooling where it has none, or a count above 2^31 - 1.
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
        let refused = |reason| Error::Inputs(format!("{}: {reason}", self.name));
        self.definition.check_options(options).map_err(refused)?;
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
        let keeps = |name: &str| self.definition.keeps_activation(name);
        variant::apply(b.build()?, options, is_headless, keeps)
    }

    /// As [`Self::build`], with what checkpoints of the same network differ in as `weights`, before
    /// [`Self::adapt`], have it: the numbers of classes and channels that `options` leave open, and a bias in every
    /// convolution and fully connected layer that there is one for.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_for(&self, weights: &Weights, options: &ZooOptions) -> Result<Graph> {
        let graph = self.build(&self.counts_of(weights, options))?;
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

    /// Whether the value of `argument` that is the default in timm is this network's.
    pub(crate) fn has_timms_default(&self, argument: &str) -> bool {
        self.definition.has_timms_default(argument)
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
        regnet::ARCHITECTURES,
        repvgg::ARCHITECTURES,
        inception::ARCHITECTURES,
        densenet::ARCHITECTURES,
        multimodal::ARCHITECTURES,
        squeezenet::ARCHITECTURES,
        mobilenet_v1::ARCHITECTURES,
        inverted_residual::MOBILENET,
        inverted_residual::MNASNET,
        shufflenet_v2::ARCHITECTURES,
        inverted_residual::EFFICIENTNET,
        inverted_residual::EFFICIENTNET_LITE,
        ghostnet::ARCHITECTURES,
        convnext::ARCHITECTURES,
        unet::ARCHITECTURES,
        inverted_residual::SEGMENTATION,
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

/// As [`find_in_timm`], for weights, which are read only where it matters. Where timm's network is another one and they are not its weights, but those of the
/// zoo's network of that name, by the names of their tensors, it is that one.
///
/// # Errors
/// As [`find`].
pub(crate) fn find_in_timm_for(
    name: &str,
    weights: impl FnOnce() -> Option<Weights>,
    options: &ZooOptions,
) -> Result<&'static Architecture> {
    let theirs = find_in_timm(name)?;
    let own = find(name).ok().filter(|own| own.name != theirs.name);
    let is_own = |weights: &Weights, own: &Architecture| {
        !theirs.fits(weights, options) && own.fits(weights, options)
    };
    match own.map(|own| (own, weights())) {
        Some((own, Some(weights))) if is_own(&weights, own) => Ok(own),
        _ => Ok(theirs),
    }
}

/// Builds the network of this name; see [`find`] and [`Architecture::build`].
///
/// # Errors
/// [`crate::Error::UnknownName`]; those of [`Architecture::build`].
pub fn build(name: &str, options: &ZooOptions) -> Result<Graph> {
    find(name)?.build(options)
}

#[cfg(test)]
mod tests;
