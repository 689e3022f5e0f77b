//! What the user says about a model's images and classes.

use std::path::PathBuf;

use clap::Args;
use shadernet::Result;
use shadernet::model_folder::{FoundModel, ModelFolder, ModelOptions};
use shadernet::printable;
use shadernet::vision::ChannelOrder;

use super::mapped_weights::open_found;
use super::output;
use super::value_parsers::ImageSize;

/// Options that replace what a model says of its images, or complete it.
#[derive(Args)]
pub struct PreprocessingArgs {
    /// Mean of each channel, or of all: subtracted from values from 0 to 1 [default: the model's]
    #[arg(
        long,
        value_name = "R,G,B",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    mean: Vec<f32>,

    /// Standard deviation of each channel, or of all, by which values are then divided; 0.0039215686 (1/255) with a
    /// mean of 0 leaves values from 0 to 255 [default: the model's]
    #[arg(long, value_name = "R,G,B", value_delimiter = ',')]
    std: Vec<f32>,

    /// Order of the channels [default: the model's, usually rgb]
    #[arg(long, value_name = "rgb|bgr")]
    layout: Option<ChannelOrder>,

    /// File with the names of the classes, one per line [default: the model's]
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
}

impl PreprocessingArgs {
    /// Opens a model for images of `size`. Prints what had to be assumed.
    pub fn open(&self, model: &FoundModel, size: Option<ImageSize>) -> Result<ModelFolder> {
        let given = |values: &[f32]| (!values.is_empty()).then(|| values.to_vec());
        let options = ModelOptions {
            input_size: size.map(ImageSize::height_and_width),
            mean: given(&self.mean),
            std: given(&self.std),
            channel_order: self.layout,
            labels: self.labels.clone(),
        };
        let folder = open_found(model, &options)?;
        if let Some(assumptions) = folder.assumptions() {
            let path = printable::path(&folder.path);
            output::note(format_args!(
                "{path}: images become {assumptions}; --size, --mean, --std and --layout change it"
            ));
        }
        Ok(folder)
    }
}
