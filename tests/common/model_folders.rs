//! Writes small model folders with generated weights.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use shadernet::model_folder::ModelFolder;
use shadernet::weights::{Dtype, Weights};
use shadernet::zoo::{self, ZooOptions};

/// A folder `name` in `place` with a network of the zoo for images of `input_size`. `config` adds to its `config.json`.
pub fn model_folder(
    place: &Path,
    name: &str,
    architecture: &str,
    classes: usize,
    input_size: [usize; 3],
    config: &[(&str, Value)],
) -> ModelFolder {
    let folder = place.join(name);
    fs::create_dir(&folder).unwrap();
    let options = ZooOptions::classes(classes).with_channels(input_size[0]);
    let graph = zoo::build(architecture, &options).unwrap();
    let weights = Weights::generated(&graph, 1.0);
    weights
        .save(folder.join("model.safetensors"), Dtype::F16)
        .unwrap();
    let mut keys = json!({
        "architecture": architecture,
        "num_classes": classes,
        "pretrained_cfg": {"input_size": input_size, "crop_pct": 0.8},
    });
    for (key, value) in config {
        keys[key] = value.clone();
    }
    fs::write(folder.join("config.json"), keys.to_string()).unwrap();
    ModelFolder::open(folder).unwrap()
}
