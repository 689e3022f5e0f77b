//! Finds a network by the name of its architecture or by its model folder, and its input shapes.

use std::num::NonZeroUsize;
use std::path::Path;

use clap::Args;
use shadernet::Result;
use shadernet::graph::{Graph, Op};
use shadernet::model_folder::ModelFolder;
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::zoo::{self, ZooOptions};

use super::mapped_weights::open_folder;
use super::value_parsers::{count, image_size};

/// The network, and the size of its inputs.
#[derive(Args)]
pub struct NetworkArgs {
    /// Architecture (one of `shadernet models`), or a model folder
    #[arg(value_name = "NAME|DIR")]
    network: String,

    /// Channels, height and width of the image [default: the network's input size]
    #[arg(long, value_name = "CxHxW", value_parser = image_size)]
    input: Option<[usize; 3]>,

    /// Images per pass
    #[arg(long, default_value = "1", value_name = "N", value_parser = count)]
    batch: NonZeroUsize,
}

impl NetworkArgs {
    /// The model folder, unless it is the name of an architecture.
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
    /// The model folder with its weights. `None` for an architecture.
    pub folder: Option<ModelFolder>,
}

impl Network {
    /// `name` is an architecture or a model folder. `size` defaults to the network's input size.
    pub fn resolve(name: &str, size: Option<[usize; 3]>, batch: usize) -> Result<Self> {
        Self::with_classes(name, size, batch, None)
    }

    /// As [`Network::resolve`], with another number of classes for architectures.
    pub fn with_classes(
        name: &str,
        size: Option<[usize; 3]>,
        batch: usize,
        num_classes: Option<usize>,
    ) -> Result<Self> {
        let path = Path::new(name);
        // A path of several components cannot be an architecture: the error is about a missing folder.
        let is_folder = path.is_dir() || path.components().count() > 1;
        let (graph, size, tokens, folder) = match is_folder {
            true => {
                let mut folder = open_folder(path)?;
                let size = size.unwrap_or(folder.preprocessing.input_size);
                folder.preprocessing.input_size = size;
                (folder.graph()?.0, size, None, Some(folder))
            }
            false => {
                let architecture = zoo::find(name)?;
                let size = size.unwrap_or(architecture.input_size);
                let options = ZooOptions::default()
                    .with_classes(num_classes)
                    .with_channels(size[0]);
                let graph = architecture.build(&options)?;
                (graph, size, architecture.tokens, None)
            }
        };
        let [channels, height, width] = size;
        let inputs = (graph.inputs().iter())
            .map(|&input| match graph.node(input).op() {
                Op::Input(op) if op.is_ids() => Shape::from([batch, tokens.unwrap_or(1)]),
                _ => Shape::from([batch, channels, height, width]),
            })
            .collect();
        Ok(Self {
            graph,
            inputs,
            folder,
        })
    }

    /// The weights of the model folder, or generated ones.
    pub fn weights(&self) -> Result<Weights> {
        match &self.folder {
            Some(folder) => folder.weights(&self.graph),
            // With this gain, activations do not grow with depth. Their values do not matter otherwise.
            None => Ok(Weights::generated(&self.graph, 1.0)),
        }
    }

    /// The model folder, or `generated weights`.
    pub fn weights_source(&self) -> String {
        match &self.folder {
            Some(folder) => folder.path.display().to_string(),
            None => "generated weights".to_owned(),
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
