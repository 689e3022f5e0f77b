//! `shadernet pull`.

mod checksum;
mod hub;

use std::env;
use std::fmt::Display;
use std::io::Write;

use clap::Args;
use serde_json::json;
use shadernet::model_folder::{HubName, ModelFolder, hub_cache};
use shadernet::printable;

use super::{Failure, output};
use hub::Hub;

/// Download a model from the Hugging Face hub
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet pull timm/resnet18.a1_in1k
  shadernet classify photo.jpg --model timm/resnet18.a1_in1k

Fetches config.json and the weights (safetensors, or else PyTorch's checkpoints, of which only tensors \
are read and no code is run) into the cache that Python's huggingface_hub \
uses too: $HF_HUB_CACHE, or hub in $HF_HOME, or ~/.cache/huggingface/hub. Files that are there already \
are not fetched again. A download that was interrupted is continued, and each file is compared with the \
hub's checksum. $HF_TOKEN, or the token that `hf auth login` stored, is sent for private models; \
$HF_ENDPOINT is another hub; with HF_HUB_OFFLINE=1 nothing is fetched.")]
pub struct Pull {
    /// The model: org/name or hf-hub:org/name, optionally with @REVISION, a branch, tag or commit
    #[arg(value_name = "ORG/NAME")]
    model: String,

    /// Print one JSON object about what was fetched
    #[arg(long)]
    json: bool,
}

impl Pull {
    pub fn execute(&self) -> Result<(), Failure> {
        // The address of its page, too.
        let page = self.model.strip_prefix("https://huggingface.co/");
        let model = page.unwrap_or(&self.model);
        let Some(name) = HubName::parse(model) else {
            return Err(Failure::Usage(format!(
                "expected a model on the Hugging Face hub as ORG/NAME, such as timm/resnet18.a1_in1k, found '{}'",
                printable::name(&self.model)
            )));
        };
        let flag = |name| env::var(name).is_ok_and(|value| is_true(&value));
        if flag("HF_HUB_OFFLINE") {
            return Err(failed(
                name,
                "HF_HUB_OFFLINE is set: nothing is fetched; unset it, or use a model of \
                 the cache, which `shadernet models` lists",
            ));
        }
        let Some(cache) = hub_cache() else {
            return Err(failed(
                name,
                "there is no home folder for the cache; set HF_HOME",
            ));
        };
        let hub = Hub::open(name, cache)?;
        let fetched = hub.fetch_model()?;
        let folder = ModelFolder::open(&fetched.snapshot)?;
        let is_new = fetched.downloaded > 0;
        if self.json {
            output::json_line(&json!({
                "model": name.repository,
                "revision": name.revision,
                "folder": fetched.snapshot,
                "architecture": folder.architecture,
                "num_classes": folder.num_classes,
                "files": fetched.files,
                "bytes": fetched.bytes,
                "downloaded_bytes": fetched.downloaded,
            }))?;
        } else {
            let what = match is_new {
                true => "downloaded",
                false => "already there",
            };
            writeln!(
                output::stdout(),
                "{}: {}, {} classes, {} {what}, in {}",
                name.repository,
                printable::name(&folder.architecture),
                folder.num_classes,
                output::bytes(fetched.bytes),
                printable::path(&fetched.snapshot)
            )?;
        }
        Ok(())
    }
}

/// Whether an environment variable of Hugging Face's libraries says yes.
fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())
}

fn failed(name: HubName<'_>, reason: impl Display) -> Failure {
    Failure::Advised(format!("{}: {reason}", name.repository))
}
