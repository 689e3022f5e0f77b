//! Writes a model folder.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::unfinished_folder::UnfinishedFolder;
use super::{CONFIG, DARKNET, ModelFolder, NETWORK, WEIGHTS};
use crate::error::{Error, Result};
use crate::output_file;
use crate::weights::{Dtype, SavedWeights};

/// The content of `config.json`.
#[derive(Clone)]
pub(super) struct ConfigText(pub Arc<[u8]>);

impl fmt::Debug for ConfigText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigText({} bytes)", self.0.len())
    }
}

impl ModelFolder {
    /// Writes this model into the folder `folder`, with its weights in one file as
    /// [`Weights::save`](crate::weights::Weights::save) writes them. The other files are copied; changes to this
    /// object's fields are not written. The folder is created completely or not at all.
    ///
    /// An ONNX file is copied, with the files that hold its weights, whatever `matrices` is: none of its tensors are
    /// stored as asked. `config.json` then has this object's preprocessing and labels.
    ///
    /// ```
    /// use shadernet::model_folder::{ModelFolder, default_model};
    /// use shadernet::weights::Dtype;
    ///
    /// let place = tempfile::tempdir()?;
    /// let copy = place.path().join("copy");
    /// let saved = default_model()?.open()?.save(&copy, Dtype::F16)?;
    /// assert!(saved.matrices > 0);
    /// assert_eq!(ModelFolder::open(copy)?.architecture, "tf_efficientnet_lite0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Weights::open`](crate::weights::Weights::open) and
    /// [`Weights::save`](crate::weights::Weights::save); [`Error::File`] where `folder` exists and is not empty.
    pub fn save(&self, folder: impl AsRef<Path>, matrices: Dtype) -> Result<SavedWeights> {
        #[cfg(feature = "onnx")]
        if let super::storage::Storage::Onnx(network) = &self.weights {
            return super::onnx::save_folder(self, network, folder.as_ref());
        }
        let unfinished = UnfinishedFolder::new(folder.as_ref())?;
        let weights = self.weights.open(&self.path.join(WEIGHTS))?;
        let saved = unfinished.write(WEIGHTS, |path| weights.save(path, matrices))?;
        if self.architecture == DARKNET {
            let source = self.path.join(NETWORK);
            let text = fs::read(&source).map_err(Error::io(&source))?;
            unfinished.write(NETWORK, |path| output_file::write(path, &text))?;
        }
        unfinished.write(CONFIG, |path| output_file::write(path, &self.config.0))?;
        unfinished.finish()?;
        Ok(saved)
    }
}
