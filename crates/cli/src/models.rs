//! `shadernet models`.

use std::io::Write;

use clap::Args;
use serde_json::json;
use shadernet::model_folder::{find_models, hub_cache, model_places};
use shadernet::{printable, zoo};

use super::{Failure, output};

/// List the known architectures and the models found
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet models
  SHADERNET_MODELS=~/models shadernet models --json

Where a command takes a model, it takes the first of:
  1. a model folder, by its path;
  2. the folder of that name in $SHADERNET_MODELS (several places are separated as in $PATH), in \
models/ in the current folder, and in the user's data folder, which this lists at its end;
  3. org/name or hf-hub:org/name, optionally with @REVISION: a model of the Hugging Face hub in its \
cache ($HF_HUB_CACHE, or hub in $HF_HOME, or ~/.cache/huggingface/hub), where `shadernet pull` puts it;
  4. a model that is built in.
Without a name, efficientnet_lite0 classifies and yolov3_tiny detects.")]
pub struct Models {
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

impl Models {
    pub fn execute(&self) -> Result<(), Failure> {
        let mut architectures = output::table(&["architecture", "input", "description"]);
        for architecture in zoo::architectures() {
            if self.json {
                output::json_line(&json!({
                    "architecture": architecture.name,
                    "aliases": architecture.aliases,
                    "family": architecture.family,
                    "task": architecture.task.name(),
                    "num_classes": architecture.num_classes,
                    "input_size": architecture.input_size,
                    "description": architecture.description,
                }))?;
            }
            let [channels, height, width] = architecture.input_size;
            architectures.add_row([
                architecture.name,
                &format!("{channels}x{height}x{width}"),
                architecture.description,
            ]);
            if !architecture.aliases.is_empty() {
                let aliases = architecture.aliases.join(", ");
                architectures.add_row(["", "", &format!("also called {aliases}")]);
            }
        }
        let mut folders = output::table(&["model", "architecture", "classes", "folder"]);
        for model in find_models() {
            let path = match &model.path {
                Some(path) => printable::path(path),
                None => "built in".to_owned(),
            };
            let opened = model.open();
            if self.json {
                output::json_line(&match &opened {
                    Ok(folder) => json!({
                        "model": model.name,
                        "architecture": folder.architecture,
                        "num_classes": folder.num_classes,
                        "folder": model.path,
                    }),
                    Err(error) => json!({
                        "model": model.name,
                        "folder": model.path,
                        "error": error.report().to_string(),
                    }),
                })?;
            }
            folders.add_row(match opened {
                Ok(folder) => [
                    model.name,
                    folder.architecture,
                    folder.num_classes.to_string(),
                    path,
                ],
                Err(error) => [
                    model.name,
                    String::new(),
                    String::new(),
                    error.report().to_string(),
                ],
            });
        }
        if !self.json {
            let places: Vec<String> = (model_places().iter().chain(&hub_cache()))
                .map(printable::path)
                .collect();
            writeln!(
                output::stdout(),
                "{architectures}\n\n{folders}\n\nSearched in {}.",
                places.join(", ")
            )?;
        }
        Ok(())
    }
}
