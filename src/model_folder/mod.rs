//! Model folders: trained networks in the format of timm's models on the Hugging Face hub.
//! `config.json` describes the network and its preprocessing, `model.safetensors` holds its weights.
//!
//! ```
//! use shadernet::model_folder::default_model;
//!
//! let folder = default_model()?.open()?;
//! assert_eq!(folder.architecture, "tf_efficientnet_lite0");
//! assert_eq!(folder.preprocessing.input_size, [3, 224, 224]);
//! assert_eq!(folder.labels.text(281), "tabby cat");
//! # Ok::<(), shadernet::Error>(())
//! ```

#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

mod config;
mod darknet;
mod find;
mod heads;
mod hub;
#[cfg(feature = "onnx")]
mod onnx;
mod open;
mod options;
mod save;
mod section;
mod storage;
mod timm_keys;
mod unfinished_folder;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::darknet::Network;
use crate::error::{Error, Result};
use crate::graph::Graph;
#[cfg(feature = "onnx")]
use crate::onnx::{OnnxDim, OnnxModel};
use crate::tensor::Shape;
use crate::vision::{Head, Labels, Preprocessing};
use crate::weights::Weights;
use crate::zoo::darknet::dialects;
use crate::zoo::{self, Task, ZooOptions};
use save::ConfigText;
use storage::Storage;

/// The key of an ONNX file's metadata under which a description of the model is, as in `config.json`.
/// [`ModelFolder::save_onnx`] writes it, and [`ModelFolder::open`] reads it.
#[cfg(feature = "onnx")]
pub const ONNX_CONFIG: &str = "shadernet.config";

pub use darknet::{Converted, convert_darknet};
pub use find::{
    FoundModel, built_in_models, default_detector, default_model, find_model, find_models,
    model_places,
};
pub use hub::{HubName, hub_cache};
pub use open::WEIGHTS_FILES;
pub use options::ModelOptions;

/// The description of a model folder.
const CONFIG: &str = "config.json";
/// A model folder's weights.
const WEIGHTS: &str = "model.safetensors";
/// The index of a model folder's weights where these are in several files.
const WEIGHTS_INDEX: &str = "model.safetensors.index.json";
/// The network, where [`DARKNET`] is its architecture.
const NETWORK: &str = "network.cfg";
/// The architecture of a network that is described by a Darknet configuration.
const DARKNET: &str = "darknet";

/// An opened model folder: everything except the weights, which stay on disk until
/// [`Self::weights`] is called.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelFolder {
    /// The folder, or the ONNX file. For files in memory, their name.
    pub path: PathBuf,
    /// The folder's name, for display.
    pub name: String,
    /// The network's name in [`crate::zoo`] or timm; `darknet` where the Darknet configuration
    /// `network.cfg` in the folder describes it, and `onnx` for an ONNX file. [`Self::graph`] looks it up.
    pub architecture: String,
    /// The number of classes; 0 where the network has no classifier.
    pub num_classes: usize,
    /// How an image becomes the network's input.
    pub preprocessing: Preprocessing,
    /// A label for each class.
    pub labels: Labels,
    /// How boxes are decoded from a detector's outputs, in order; empty for other networks.
    pub heads: Vec<Head>,
    /// What else differs from the architecture's own network.
    variant: ZooOptions,
    weights: Storage,
    /// The content of `config.json`.
    config: ConfigText,
    /// What of the preprocessing nothing says.
    #[cfg_attr(not(feature = "onnx"), expect(dead_code))]
    assumed: Vec<&'static str>,
}

impl ModelFolder {
    /// A model folder's files in memory: the content of `config.json`, and that of `model.safetensors`, a vector
    /// or what `include_bytes!` returns. Messages use `name` for the folder.
    ///
    /// ```no_run
    /// use shadernet::model_folder::ModelFolder;
    ///
    /// # let (config, weights) = (Vec::new(), Vec::new());
    /// let folder = ModelFolder::from_memory("flowers", &config, weights)?;
    /// let (graph, _) = folder.graph()?;
    /// let weights = folder.weights(&graph)?;
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::File`] as [`Self::open`], and where the architecture is `darknet`, whose `network.cfg` must be in
    /// a folder.
    pub fn from_memory(
        name: impl Into<String>,
        config: &[u8],
        weights: impl Into<Cow<'static, [u8]>>,
    ) -> Result<Self> {
        let name = name.into();
        let path = PathBuf::from(&name);
        let weights = Storage::Memory(Arc::new(weights.into()));
        let folder = Self::from_config(name, path, config, weights)?;
        if folder.architecture == DARKNET {
            let reason = format!(
                "architecture: a network of shadernet's zoo was expected, since these files are in memory; found \
                 \"{DARKNET}\", which needs {NETWORK}: open a folder"
            );
            return Err(Error::file(folder.path.join(CONFIG), reason));
        }
        Ok(folder)
    }

    /// The folder of a `config.json` of this content.
    fn from_config(name: String, path: PathBuf, text: &[u8], weights: Storage) -> Result<Self> {
        let config = config::parse(&path.join(CONFIG), text)?;
        Ok(Self {
            name,
            path,
            architecture: config.architecture,
            num_classes: config.num_classes,
            variant: config.variant,
            preprocessing: config.preprocessing,
            labels: config.labels,
            heads: config.heads,
            weights,
            config: ConfigText(text.into()),
            assumed: Vec::new(),
        })
    }

    /// The safetensors file with the weights, or the index of several; `None` where they are in memory.
    /// [`Self::open`] checks that it exists, but does not read it.
    pub fn weights_path(&self) -> Option<&Path> {
        self.weights.path()
    }

    /// How images are prepared where neither the model nor the caller says it, as text; `None` where all is known,
    /// as for every folder with a `config.json`.
    pub fn assumptions(&self) -> Option<String> {
        #[cfg(feature = "onnx")]
        if !self.assumed.is_empty() {
            let preprocessing = onnx::describe(&self.preprocessing);
            return Some(format!(
                "{preprocessing} (assumed: {})",
                self.assumed.join(", ")
            ));
        }
        None
    }

    /// Whether the network's file fixes its batch at one image, as exporters do by default.
    pub(crate) fn takes_one_image(&self) -> bool {
        #[cfg(feature = "onnx")]
        if let Some(input) = self.onnx().and_then(|model| model.inputs().first()) {
            return matches!(input.dims.as_deref(), Some([OnnxDim::Fixed(1), ..]));
        }
        false
    }

    /// Whether [`Self::graph`] is imported, for one image of the folder's input size.
    pub(crate) fn is_imported(&self) -> bool {
        #[cfg(feature = "onnx")]
        return self.onnx().is_some();
        #[cfg(not(feature = "onnx"))]
        false
    }

    /// The ONNX model, where this is one. [`Self::graph`] is its network for one image of the folder's size; a
    /// [`Session::from_onnx`](crate::Session::from_onnx) runs it on any shapes that it takes.
    #[cfg(feature = "onnx")]
    pub fn onnx(&self) -> Option<&Arc<OnnxModel>> {
        match &self.weights {
            Storage::Onnx(network) => Some(&network.model),
            _ => None,
        }
    }

    /// Makes [`Self::weights`] map the weights file into memory instead of reading it, which takes less
    /// memory; see [`crate::weights`]. Has no effect on weights that are in memory.
    ///
    /// ```
    /// use shadernet::model_folder::default_model;
    ///
    /// // SAFETY: nothing changes the repository's model while this runs.
    /// let folder = unsafe { default_model()?.open()?.mmap_weights() };
    /// let (graph, _) = folder.graph()?;
    /// let weights = folder.weights(&graph)?;
    /// # assert!(weights.check(&graph)?.unused.is_empty());
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Safety
    /// While weights that [`Self::weights`] returned exist, no process may modify or truncate the file, or those
    /// of the index, as for [`Weights::open_mmap`]. The tasks keep their weights as long as they exist.
    pub unsafe fn mmap_weights(mut self) -> Self {
        if let Storage::File(path) = self.weights {
            self.weights = Storage::Mapped(path);
        }
        self
    }

    /// The network, whose input is an image `[N, C, H, W]`, and the task that it was trained for. Where the
    /// weights have a bias for a layer that usually has none, it has one. Only the names of the weights are read
    /// for that.
    ///
    /// # Errors
    /// [`Error::File`] where the architecture is unknown (with the most similar known name of a network that the
    /// weights fit), cannot be built as `config.json` says, or does not take its input size; those of
    /// [`Network::open`].
    pub fn graph(&self) -> Result<(Graph, Task)> {
        #[cfg(feature = "onnx")]
        if let Storage::Onnx(network) = &self.weights {
            let imported = network.import(self.preprocessing.input_size)?;
            return Ok((imported.graph, network.task));
        }
        if self.architecture == DARKNET {
            let path = self.path.join(NETWORK);
            if !self.variant.is_plain() {
                let reason = "model_args and global_pool that change nothing were expected, since \
                              network.cfg describes the network; change that file, and remove the keys";
                return Err(Error::file(self.path.join(CONFIG), reason));
            }
            let network = Network::open(&path)?;
            let classes = network.num_classes()?;
            if classes != self.num_classes {
                let expected = self.num_classes;
                return Err(Error::file(
                    path,
                    format!(
                        "a network with {expected} classes was expected (num_classes in {CONFIG}), \
                         found one with {classes}"
                    ),
                ));
            }
            let task = match network.heads() {
                [] => Task::Classification,
                _ => Task::Detection,
            };
            let graph = network.graph().clone();
            let graph = match self.weights_headers() {
                Some(weights) => weights.with_biases_of(graph, &dialects(network.graph())),
                None => graph,
            };
            self.check_input_size(&graph)?;
            return Ok((graph, task));
        }
        let architecture = self.find()?;
        let graph = match self.weights_headers() {
            Some(weights) => architecture.build_for(&weights, &self.options()),
            None => architecture.build(&self.options()),
        };
        let graph = graph.map_err(|error| self.invalid(&error))?;
        // Segmenters pad an image to a size that their network takes.
        if architecture.task != Task::Segmentation {
            self.check_input_size(&graph)?;
        }
        Ok((graph, architecture.task))
    }

    fn options(&self) -> ZooOptions {
        (self.variant)
            .with_classes(self.num_classes)
            .with_channels(self.preprocessing.input_size[0])
    }

    /// The names and shapes of the weights; `None` where they cannot be read, which [`Self::weights`] reports.
    fn weights_headers(&self) -> Option<Weights> {
        self.weights.headers(&self.path.join(WEIGHTS)).ok()
    }

    /// Checks that `graph` takes images of the folder's input size. Without the file's name, an error about a
    /// node would not tell where its size comes from.
    fn check_input_size(&self, graph: &Graph) -> Result<()> {
        let [channels, height, width] = self.preprocessing.input_size;
        // A network with other inputs than an image is refused by the tasks.
        let inputs = vec![Shape::from([1, channels, height, width]); graph.inputs().len()];
        match graph.infer(&inputs) {
            Err(error) if inputs.len() == 1 => Err(Error::file_caused_by(
                self.path.join(CONFIG),
                format!("its network does not take an input_size of {channels}x{height}x{width}"),
                error,
            )),
            _ => Ok(()),
        }
    }

    /// The weights, under the names of `graph`, which must be [`Self::graph`]'s: a checkpoint in the names
    /// of another library is renamed; see [`zoo::Architecture::adapt`]. The file is read, or mapped after
    /// [`Self::mmap_weights`].
    ///
    /// # Errors
    /// As [`Weights::open`] and [`zoo::Architecture::adapt`].
    pub fn weights(&self, graph: &Graph) -> Result<Weights> {
        #[cfg(feature = "onnx")]
        if let Storage::Onnx(network) = &self.weights {
            return Ok(network.import(self.preprocessing.input_size)?.weights);
        }
        let weights = self.weights.open(&self.path.join(WEIGHTS))?;
        match self.architecture == DARKNET {
            true => weights.adapted(graph, &dialects(graph)),
            false => self.find()?.adapt(weights, graph),
        }
    }

    fn find(&self) -> Result<&'static zoo::Architecture> {
        let (name, options) = (&self.architecture, self.options());
        let found = zoo::find_in_timm_for(name, || self.weights_headers(), &options);
        found.map_err(|error| {
            let weights = self.weights_headers();
            let error = zoo::proposing_what_fits(error, weights.as_ref(), &options);
            self.invalid(&error)
        })
    }

    /// An error that comes of what `config.json` says.
    fn invalid(&self, error: &Error) -> Error {
        Error::file(self.path.join(CONFIG), error.to_string())
    }

    /// The error where a network for `expected` is needed, and this one is for `task`.
    pub(crate) fn wrong_task(&self, task: Task, expected: Task) -> Error {
        Error::file(
            &self.path,
            format!(
                "a network for {expected} was expected; {} is one for {task}",
                self.architecture
            ),
        )
    }
}

/// The folder's name; paths such as `.` are resolved first.
fn name_of(path: &Path) -> String {
    let resolved = path.canonicalize();
    let name = path
        .file_name()
        .or_else(|| resolved.as_ref().ok()?.file_name());
    name.unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
