//! Finds a network by the name of its model or architecture, and its input shapes.

use std::num::NonZeroUsize;
use std::path::Path;

use clap::Args;
use shadernet::graph::{Graph, Op};
use shadernet::model_folder::{FoundModel, ModelFolder, ModelOptions, find_model};
use shadernet::onnx::{OnnxDim, OnnxModel, OnnxValue};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::zoo::{self, ZooOptions};
use shadernet::{Error, Result, printable};

use super::mapped_weights::{open_found, open_onnx};
use super::value_parsers::{ImageSize, count};

/// The network, and the size of its inputs.
#[derive(Args)]
pub struct NetworkArgs {
    /// An ONNX file, a model folder or the name of a model, or else an architecture, whose weights are generated;
    /// `shadernet models` lists models and architectures
    #[arg(value_name = "MODEL|ARCH")]
    network: String,

    /// Size of the image: 160, 160x224 (height, width) or 3x160x224 (channels first) [default: the network's
    /// input size]
    #[arg(long, value_name = "SIZE")]
    input: Option<ImageSize>,

    /// Images per pass
    #[arg(long, default_value = "1", value_name = "N", value_parser = count)]
    batch: NonZeroUsize,
}

impl NetworkArgs {
    /// The model folder, unless this is the name of a model or an architecture.
    pub fn path(&self) -> &Path {
        Path::new(&self.network)
    }

    pub fn resolve(&self) -> Result<Network> {
        Network::resolve(&self.network, self.input, self.batch.get())
    }
}

/// A network and the shapes of its inputs.
pub struct Network {
    pub graph: Graph,
    pub inputs: Vec<Shape>,
    source: Source,
}

/// Where a network is from.
enum Source {
    /// An architecture, with generated weights.
    Architecture,
    Folder(ModelFolder),
    Onnx(OnnxModel),
}

impl Network {
    /// `name` is a model (see [`find_model`]) or else an architecture. `size` defaults to the network's input size.
    pub fn resolve(name: &str, size: Option<ImageSize>, batch: usize) -> Result<Self> {
        Self::with_classes(name, size, batch, None)
    }

    /// As [`Network::resolve`], with another number of classes for architectures.
    pub fn with_classes(
        name: &str,
        size: Option<ImageSize>,
        batch: usize,
        num_classes: Option<usize>,
    ) -> Result<Self> {
        if is_onnx(name) {
            return Self::of_onnx(open_onnx(Path::new(name))?, size, batch);
        }
        if let Some(model) = model_called(name)? {
            return Self::of_model(
                open_found(&model, &ModelOptions::default())?,
                size,
                batch,
                num_classes,
            );
        }
        let architecture = zoo::find(name)?;
        let size = sized(size, architecture.input_size);
        let options = ZooOptions::default()
            .with_classes(num_classes)
            .with_channels(size[0]);
        let graph = architecture.build(&options)?;
        let inputs = input_shapes(&graph, batch, size, architecture.tokens);
        Ok(Self {
            graph,
            inputs,
            source: Source::Architecture,
        })
    }

    fn of_model(
        mut folder: ModelFolder,
        size: Option<ImageSize>,
        batch: usize,
        num_classes: Option<usize>,
    ) -> Result<Self> {
        check_classes(&folder, num_classes)?;
        let trained = folder.preprocessing.input_size;
        let size = sized(size, trained);
        if size[0] != trained[0] {
            let [found, height, width] = size;
            let reason = format!(
                "{} channels were expected (--input), found {found}x{height}x{width}; channels come first",
                trained[0]
            );
            return Err(Error::file(&folder.path, reason));
        }
        folder.preprocessing.input_size = size;
        let (graph, _) = folder.graph()?;
        let inputs = input_shapes(&graph, batch, size, None);
        Ok(Self {
            graph,
            inputs,
            source: Source::Folder(folder),
        })
    }

    fn of_onnx(model: OnnxModel, size: Option<ImageSize>, batch: usize) -> Result<Self> {
        let inputs = onnx_shapes(&model, size, batch)?;
        Ok(Self {
            graph: model.import(&inputs)?.graph,
            inputs,
            source: Source::Onnx(model),
        })
    }

    /// The weights of the model, or generated ones.
    pub fn weights(&self) -> Result<Weights> {
        match &self.source {
            Source::Folder(folder) => folder.weights(&self.graph),
            // Most of them are parts of the mapped file.
            Source::Onnx(model) => Ok(model.import(&self.inputs)?.weights),
            // With this gain, activations do not grow with depth. Their values do not matter otherwise.
            Source::Architecture => Ok(Weights::generated(&self.graph, 1.0)),
        }
    }

    /// Where the weights are from: the file, `built in`, or `generated weights`.
    pub fn weights_source(&self) -> String {
        match &self.source {
            Source::Folder(folder) => weights_source(folder),
            Source::Onnx(model) => model.path().display().to_string(),
            Source::Architecture => "generated weights".to_owned(),
        }
    }

    /// The model's weights; `None` for an architecture.
    pub fn model_weights(&self) -> Option<String> {
        match &self.source {
            Source::Architecture => None,
            _ => Some(self.weights_source()),
        }
    }

    /// The model's folder or file; `None` for an architecture.
    pub fn model_path(&self) -> Option<String> {
        match &self.source {
            Source::Architecture => None,
            Source::Folder(folder) => Some(folder.path.display().to_string()),
            Source::Onnx(model) => Some(model.path().display().to_string()),
        }
    }

    /// The network's name, and for a model the file of its weights.
    pub fn title(&self) -> String {
        let name = printable::name(self.graph.name());
        match &self.source {
            Source::Architecture => name,
            _ => format!("{name} ({})", printable::path(self.weights_source())),
        }
    }

    /// Generated inputs.
    pub fn input_tensors(&self) -> Vec<Tensor> {
        let graph = &self.graph;
        (graph.inputs().iter().zip(&self.inputs))
            .map(|(&input, shape)| match graph.node(input).op() {
                // Token 0 is in every vocabulary.
                Op::Input(op) if op.is_ids() => Tensor::zeros(shape.clone()),
                _ => generated_input(shape.clone()),
            })
            .collect()
    }
}

/// Whether this is the name of an ONNX file.
fn is_onnx(name: &str) -> bool {
    (Path::new(name).extension()).is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// The shapes of a model's inputs, with free extents for images of `size`.
fn onnx_shapes(model: &OnnxModel, size: Option<ImageSize>, batch: usize) -> Result<Vec<Shape>> {
    let shape = |input: &OnnxValue| {
        let dims = input.dims.as_deref().unwrap_or_default();
        let fixed = |i: usize| match dims.get(i) {
            Some(OnnxDim::Fixed(extent)) => Some(*extent),
            _ => None,
        };
        // Extents that are fixed are checked against the size by the import.
        let given = size.map(|size| size.for_network([1, 2, 3].map(|i| fixed(i).unwrap_or(3))));
        let extents: Option<Vec<usize>> = (dims.iter().enumerate())
            .map(|(i, _)| match (i, given) {
                (0, _) => Some(if batch > 1 {
                    batch
                } else {
                    fixed(0).unwrap_or(1)
                }),
                (1..=3, Some(given)) if dims.len() == 4 => Some(given[i - 1]),
                _ => fixed(i),
            })
            .collect();
        extents
            .filter(|extents| !extents.is_empty())
            .map(Shape::from)
            .ok_or_else(|| {
                let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
                let reason = format!(
                    "its input '{}' is [{}]: give the size of the image with --input",
                    printable::name(&input.name),
                    dims.join(", ")
                );
                Error::file(model.path(), reason)
            })
    };
    model.inputs().iter().map(shape).collect()
}

/// The size of the images of a network that takes images of size `default`.
fn sized(size: Option<ImageSize>, default: [usize; 3]) -> [usize; 3] {
    size.map_or(default, |size| size.for_network(default))
}

/// The model called `name`; `None` where there is none and `name` may be an architecture's, which a path cannot.
pub fn model_called(name: &str) -> Result<Option<FoundModel>> {
    let is_path = Path::new(name).components().count() > 1 || Path::new(name).is_dir();
    match find_model(name) {
        Ok(model) => Ok(Some(model)),
        Err(error) if is_path => Err(error),
        Err(_) => Ok(None),
    }
}

/// The file that holds a model's weights, or `built in`.
pub fn weights_source(folder: &ModelFolder) -> String {
    match folder.weights_path() {
        Some(path) => path.display().to_string(),
        None => "built in".to_owned(),
    }
}

/// Refuses another number of classes than a model has.
pub fn check_classes(folder: &ModelFolder, num_classes: Option<usize>) -> Result<()> {
    match num_classes {
        Some(expected) if expected != folder.num_classes => Err(Error::file(
            &folder.path,
            format!(
                "{expected} classes were expected (--num-classes), found a model of {}; leave the option out",
                folder.num_classes
            ),
        )),
        _ => Ok(()),
    }
}

/// The shapes of the inputs of `graph`: images of `size`, and lists of as many token ids.
fn input_shapes(
    graph: &Graph,
    batch: usize,
    size: [usize; 3],
    tokens: Option<usize>,
) -> Vec<Shape> {
    let [channels, height, width] = size;
    (graph.inputs().iter())
        .map(|&input| match graph.node(input).op() {
            Op::Input(op) if op.is_ids() => Shape::from([batch, tokens.unwrap_or(1)]),
            _ => Shape::from([batch, channels, height, width]),
        })
        .collect()
}
