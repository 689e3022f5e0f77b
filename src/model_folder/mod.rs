//! A trained network in a folder, as timm's models lie on the Hugging Face hub: `config.json` says
//! what it is and how images are prepared for it, `model.safetensors` holds its weights.
//!
//! ```
//! use shadernet::model_folder::{ModelFolder, default_model};
//!
//! let folder = ModelFolder::open(default_model()?.path)?;
//! assert_eq!(folder.architecture, "tf_efficientnet_lite0");
//! assert_eq!(folder.preprocessing.input_size, [3, 224, 224]);
//! assert_eq!(folder.labels.text(281), "tabby cat");
//! # Ok::<(), shadernet::Error>(())
//! ```

mod config;
mod darknet;
mod find;
mod heads;

use std::path::{Path, PathBuf};

use crate::darknet::Network;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::vision::{Head, Labels, Preprocessing};
use crate::weights::Weights;
use crate::zoo::{self, Task, ZooOptions};

pub use darknet::{Converted, convert_darknet};
pub use find::{FoundModel, default_detector, default_model, find_model, find_models};

/// What a model folder says of itself in this file.
const CONFIG: &str = "config.json";
/// A model folder's weights.
const WEIGHTS: &str = "model.safetensors";
/// The network itself, where [`DARKNET`] is its architecture.
const NETWORK: &str = "network.cfg";
/// The architecture of a network that no name stands for.
const DARKNET: &str = "darknet";
const EXPECTED: &str = "a model folder holds config.json and model.safetensors, as timm's \
                        save_for_hf_hub writes them and as timm's models lie on the hub";

/// A model folder that was opened: everything but the weights themselves, which stay on disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelFolder {
    /// The folder.
    pub path: PathBuf,
    /// The folder's own name, for people.
    pub name: String,
    /// The network's name, for `zoo::build`, or `darknet` where it is described by the Darknet
    /// configuration `network.cfg` in the folder. It has not been looked up.
    pub architecture: String,
    /// The number of classes that the network tells apart; 0 where it has no classifier.
    pub num_classes: usize,
    /// How an image becomes the network's input. Its first size is the number of channels.
    pub preprocessing: Preprocessing,
    /// A label for each class.
    pub labels: Labels,
    /// How boxes are read from a detector's outputs, in order; none in other networks.
    pub heads: Vec<Head>,
    /// The safetensors file with the weights. It is there, and has not been read.
    pub weights: PathBuf,
}

impl ModelFolder {
    /// Reads `config.json` in `folder` and makes sure that `model.safetensors` is beside it.
    ///
    /// Keys are timm's, with timm's defaults where they are missing or null:
    ///
    /// - `architecture`, the one key that must be there;
    /// - `num_classes`: 1000;
    /// - `pretrained_cfg`, with the keys of [`Preprocessing`]; `mean` and `std` may be one number
    ///   for all channels, `model_args.in_chans` overrides the channels of `input_size`;
    /// - `label_names` (formerly `labels`): a list with a name for each class, or an object from
    ///   class to name where some have none; `label_descriptions`: an object from name to words.
    ///   Where neither is there and the classes are 1000, they are ImageNet's.
    ///
    /// - `heads`, of detectors alone: a list with an object for each output, of `type` `yolo`
    ///   (`anchors`, `mask`), `region` (`anchors`, `softmax`) or `detection` (`side`, `num`, `sqrt`,
    ///   `softmax`); see [`Head`]. This key is ours.
    ///
    /// The old form, in which the keys of `pretrained_cfg` lie at the root, is read as well. Keys
    /// that are not named here are ignored.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read; [`Error::File`] where the folder or one of its
    /// files is missing, `config.json` is not JSON (with line and column), or a key is missing or
    /// cannot be used (with the key, what was expected and what was found).
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let path = folder.as_ref();
        if !path.is_dir() {
            let found = if path.exists() {
                "this is a file"
            } else {
                "there is no such folder"
            };
            return Err(Error::file(path, format!("{found}; {EXPECTED}")));
        }
        let config_path = path.join(CONFIG);
        if !config_path.is_file() {
            return Err(Error::file(
                path,
                format!("{CONFIG} is missing; {EXPECTED}"),
            ));
        }
        let weights = path.join(WEIGHTS);
        if !weights.is_file() {
            return Err(Error::file(path, without_weights(path)));
        }
        let config = config::read(&config_path)?;
        Ok(Self {
            name: name_of(path),
            path: path.to_owned(),
            architecture: config.architecture,
            num_classes: config.num_classes,
            preprocessing: config.preprocessing,
            labels: config.labels,
            heads: config.heads,
            weights,
        })
    }

    /// The network, of an image `[N, C, H, W]`, and what its outputs mean.
    ///
    /// # Errors
    /// [`Error::File`] where the architecture is not known (with the nearest that is), and as
    /// [`zoo::Architecture::build`] and [`Network::open`].
    pub fn graph(&self) -> Result<(Graph, Task)> {
        if self.architecture == DARKNET {
            let path = self.path.join(NETWORK);
            let network = Network::open(&path)?;
            let classes = network.num_classes()?;
            if classes != self.num_classes {
                let expected = self.num_classes;
                return Err(Error::file(
                    path,
                    format!(
                        "a network of {expected} classes was expected (num_classes in {CONFIG}), \
                         found one of {classes}"
                    ),
                ));
            }
            let task = match network.heads() {
                [] => Task::Classification,
                _ => Task::Detection,
            };
            return Ok((network.graph().clone(), task));
        }
        let options = ZooOptions {
            num_classes: Some(self.num_classes),
            in_channels: Some(self.preprocessing.input_size[0]),
        };
        let architecture = self.find()?;
        Ok((architecture.build(&options)?, architecture.task))
    }

    /// The weights, under the names of `graph`, which is [`Self::graph`]: a checkpoint may have them
    /// in the names of another library; see [`zoo::Architecture::adapt`].
    ///
    /// # Errors
    /// As [`Weights::open`] and [`zoo::Architecture::adapt`].
    pub fn weights(&self, graph: &Graph) -> Result<Weights> {
        let weights = Weights::open(&self.weights)?;
        match self.architecture == DARKNET {
            true => Ok(weights),
            false => self.find()?.adapt(weights, graph),
        }
    }

    fn find(&self) -> Result<&'static zoo::Architecture> {
        zoo::find_in_timm(&self.architecture)
            .map_err(|error| Error::file(self.path.join(CONFIG), error.to_string()))
    }

    /// An error about a network that was made for something else than `wanted`.
    pub(crate) fn made_for(&self, task: Task, wanted: Task) -> Error {
        let command = match task {
            Task::Classification => "classify",
            Task::Segmentation => "segment",
            Task::Detection => "detect",
        };
        Error::file(
            &self.path,
            format!(
                "a network for {wanted} was expected; {} is one for {task}: use `shadernet \
                 {command}`, or another model",
                self.architecture
            ),
        )
    }
}

/// The folder's own name; `.` and the like are resolved first.
fn name_of(path: &Path) -> String {
    let resolved = path.canonicalize();
    let name = path
        .file_name()
        .or_else(|| resolved.as_ref().ok()?.file_name());
    name.unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn without_weights(path: &Path) -> String {
    // What older models on the hub have instead, by timm's and transformers' names.
    let pickled = ["pytorch_model.bin", "pytorch_model.pth", "model.pth"];
    match pickled.iter().find(|name| path.join(name).is_file()) {
        Some(name) => format!(
            "{WEIGHTS} is missing; {name} is there, but a pickle is not read here: convert it \
             with safetensors.torch.save_file(torch.load(\"{name}\"), \"{WEIGHTS}\")"
        ),
        None => format!("{WEIGHTS} is missing; {EXPECTED}"),
    }
}
