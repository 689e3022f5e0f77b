//! What a caller says about a model that its files do not, or say otherwise.

use std::path::PathBuf;

use super::ModelFolder;
use crate::error::{Error, Result};
use crate::vision::{ChannelOrder, Labels, Preprocessing};

/// What replaces a model's own preprocessing and names, or completes it: an ONNX file may say nothing of them.
///
/// ```
/// use shadernet::model_folder::{ModelOptions, default_model};
///
/// let options = ModelOptions { input_size: Some([160, 192]), ..ModelOptions::default() };
/// let folder = default_model()?.open_with(&options)?;
/// assert_eq!(folder.preprocessing.input_size, [3, 160, 192]);
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelOptions {
    /// Height and width of the network's input.
    pub input_size: Option<[usize; 2]>,
    /// See [`Preprocessing::mean`]; one number serves for all channels.
    pub mean: Option<Vec<f32>>,
    /// See [`Preprocessing::std`]; one number serves for all channels.
    pub std: Option<Vec<f32>>,
    /// The order of the channels.
    pub channel_order: Option<ChannelOrder>,
    /// A file with the names of the classes, one a line.
    pub labels: Option<PathBuf>,
}

impl ModelOptions {
    /// `preprocessing` with what these options say.
    pub(super) fn preprocessing(&self, mut preprocessing: Preprocessing) -> Result<Preprocessing> {
        let channels = preprocessing.input_size[0];
        let each = |values: &Vec<f32>| match values[..] {
            [one] => vec![one; channels],
            _ => values.clone(),
        };
        if let Some([height, width]) = self.input_size {
            preprocessing.input_size = [channels, height, width];
        }
        if let Some(mean) = &self.mean {
            preprocessing.mean = each(mean);
        }
        if let Some(std) = &self.std {
            preprocessing.std = each(std);
        }
        if let Some(order) = self.channel_order {
            preprocessing.channel_order = order;
        }
        preprocessing.check()?;
        Ok(preprocessing)
    }

    /// The names of `classes` classes, where these options have them.
    pub(super) fn labels(&self, classes: usize) -> Result<Option<Labels>> {
        let labels = self.labels.as_ref();
        labels.map(|path| Labels::open(path, classes)).transpose()
    }
}

impl ModelFolder {
    /// This model with what `options` say.
    pub(super) fn with(mut self, options: &ModelOptions) -> Result<Self> {
        self.preprocessing = (options.preprocessing(self.preprocessing))
            .map_err(|error| Error::file(&self.path, error.to_string()))?;
        if let Some(labels) = options.labels(self.num_classes)? {
            self.labels = labels;
        }
        Ok(self)
    }
}
