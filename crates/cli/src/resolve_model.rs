//! Networks by name or folder, with the inputs they are to get.

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
use super::summary::image_size;

/// Which network, and for what inputs.
#[derive(Args)]
pub struct NetworkArgs {
    /// Architecture, as `shadernet models` lists them, or a model folder
    #[arg(value_name = "NAME|DIR")]
    network: String,

    /// The image: channels, height and width [default: what the network was made for]
    #[arg(long, value_name = "CxHxW", value_parser = image_size)]
    input: Option<[usize; 3]>,

    /// How many images a pass
    #[arg(long, default_value = "1", value_name = "N")]
    batch: NonZeroUsize,
}

impl NetworkArgs {
    pub fn find(&self) -> Result<Network> {
        Network::find(&self.network, self.input, self.batch.get())
    }
}

/// A network and the shapes of its inputs.
pub struct Network {
    pub graph: Graph,
    pub inputs: Vec<Shape>,
    /// Its weights, where it is no bare architecture.
    pub folder: Option<ModelFolder>,
}

impl Network {
    /// `name` is an architecture's or a folder's; `size` is what it was made for unless given.
    pub fn find(name: &str, size: Option<[usize; 3]>, batch: usize) -> Result<Self> {
        let path = Path::new(name);
        // What cannot be an architecture's name is a folder that is not there, and is told of so.
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
                let options = ZooOptions::default().with_channels(size[0]);
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

    /// Its own weights, or generated ones.
    pub fn weights(&self) -> Result<Weights> {
        match &self.folder {
            Some(folder) => folder.weights(&self.graph),
            // Of this gain no value grows with depth; what the values are does not matter.
            None => Ok(Weights::generated(&self.graph, 1.0)),
        }
    }

    /// Where the weights are from, for people.
    pub fn source(&self) -> String {
        match &self.folder {
            Some(folder) => folder.path.display().to_string(),
            None => "generated weights".to_owned(),
        }
    }

    pub fn input_tensors(&self) -> Vec<Tensor> {
        let graph = &self.graph;
        (graph.inputs().iter().zip(&self.inputs))
            .map(|(&input, shape)| match graph.node(input).op() {
                // The first word of any vocabulary.
                Op::Input(op) if op.is_ids() => Tensor::zeros(shape.clone()),
                _ => generated_input(shape.clone()),
            })
            .collect()
    }
}
