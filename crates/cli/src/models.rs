//! `shadernet models`.

use std::io::Write;

use clap::Args;
use serde_json::json;
use shadernet::model_folder::find_models;
use shadernet::zoo;

use super::{Failure, output};

/// List the known architectures and the model folders found
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet models
  SHADERNET_MODELS=~/models shadernet models --json

Model folders are searched in $SHADERNET_MODELS, in models/ in the current folder, and in models/ \
next to the executable or up to three folders above it.")]
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
            let path = model.path.display().to_string();
            let opened = model.open();
            if self.json {
                output::json_line(&match &opened {
                    Ok(folder) => json!({
                        "model": model.name,
                        "architecture": folder.architecture,
                        "num_classes": folder.num_classes,
                        "folder": path,
                    }),
                    Err(error) => json!({
                        "model": model.name,
                        "folder": path,
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
            let (architectures, folders) = (architectures, folders);
            writeln!(output::stdout(), "{architectures}\n\n{folders}")?;
        }
        Ok(())
    }
}
