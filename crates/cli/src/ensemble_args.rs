//! Which networks classify, and what they see of an image.

use std::path::PathBuf;

use clap::Args;
use shadernet::Result;
use shadernet::device::Device;
use shadernet::model_folder::ModelFolder;
use shadernet::session::SessionOptions;
use shadernet::tasks::{Average, Classifier, Ensemble};
use shadernet::vision::Crops;
use shadernet::zoo::Task;

use super::preprocessing_args::PreprocessingArgs;
use super::value_parsers::{ImageSize, positive};
use super::{Failure, loading_failure, open_model, output};

/// One network or several, and the crops over which their predictions are averaged.
#[derive(Args)]
pub struct EnsembleArgs {
    /// Model folder, ONNX file, or the name of a model of `shadernet models`; repeated, the mean of several networks
    /// with the same classes [default: efficientnet_lite0]
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<PathBuf>,

    /// How much each --model counts, in their order [default: all the same]
    #[arg(long, value_name = "W,W", value_delimiter = ',', value_parser = positive, requires = "models")]
    weights: Vec<f32>,

    /// Average over crops of an image: the center; corners and center; these and their mirror images; or a grid of
    /// 5 x 5
    #[arg(long, value_name = "1|5|10|grid", default_value = "1", value_parser = str::parse::<Crops>)]
    crops: Crops,

    /// Average over each crop and its mirror image
    #[arg(long)]
    flip: bool,

    /// What is averaged: probabilities, or logits before the softmax
    #[arg(long, value_name = "probabilities|logits", default_value = "probabilities", value_parser = str::parse::<Average>)]
    average: Average,
}

impl EnsembleArgs {
    /// Opens the models, without their weights.
    pub fn open(
        &self,
        images: &PreprocessingArgs,
        size: Option<ImageSize>,
    ) -> Result<Vec<ModelFolder>, Failure> {
        let count = self.models.len();
        if ![0, count].contains(&self.weights.len()) {
            return Err(Failure::Usage(format!(
                "--weights: expected {count} numbers, one for each --model, found {}",
                self.weights.len()
            )));
        }
        if self.models.is_empty() {
            return Ok(vec![open_model(None, images, size)?]);
        }
        let open = |model: &PathBuf| Ok(open_model(Some(model), images, size)?);
        self.models.iter().map(open).collect()
    }

    /// Loads the networks of `folders`, and prints their warnings.
    pub fn load(
        &self,
        folders: &[ModelFolder],
        device: &Device,
        options: &SessionOptions,
    ) -> Result<Ensemble, Failure> {
        let load = |folder: &ModelFolder| {
            let classifier = Classifier::new(device, folder, options)
                .map_err(|error| loading_failure(error, folder, Task::Classification))?;
            output::warn(classifier.warning());
            Ok(classifier)
        };
        let classifiers = folders.iter().map(load).collect::<Result<_, Failure>>()?;
        let mut ensemble = Ensemble::new(classifiers).map_err(|error| {
            Failure::Advised(format!(
                "{}; if they are the same classes by other names, --labels gives them to all networks",
                error.report()
            ))
        })?;
        if !self.weights.is_empty() {
            ensemble = ensemble.with_weights(&self.weights)?;
        }
        let crops = match self.flip {
            true => self.crops.with_flip(),
            false => self.crops,
        };
        Ok(ensemble.with_crops(crops)?.with_average(self.average)?)
    }
}
