//! A trained network in a folder, as timm's models lie on the Hugging Face hub: `config.json` says
//! what it is and how pictures are prepared for it, `model.safetensors` holds its weights.
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
mod find;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::vision::{Labels, Preprocessing};

pub use find::{FoundModel, default_model, find_model, find_models};

/// What a model folder says of itself in this file.
const CONFIG: &str = "config.json";
/// A model folder's weights.
const WEIGHTS: &str = "model.safetensors";
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
    /// The network's name, for `zoo::build`. It has not been looked up.
    pub architecture: String,
    /// The number of classes that the network tells apart; 0 where it has no classifier.
    pub num_classes: usize,
    /// How a picture becomes the network's input. Its first size is the number of channels.
    pub preprocessing: Preprocessing,
    /// A label for each class.
    pub labels: Labels,
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
            weights,
        })
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
