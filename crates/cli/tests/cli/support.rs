//! Runs the binary, and makes files for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};
use shadernet::graph::Graph;
use shadernet::model_folder::convert_darknet;
use shadernet::weights::{Dtype, Weights};
use shadernet::zoo::{self, ZooOptions};

use crate::common::{place, write_weights};

/// The binary, run in the repository's folder with environment variables that could affect it removed.
pub fn shadernet() -> Command {
    let mut command = Command::new(place::command());
    command
        .current_dir(place::repository())
        // Makes panics visible.
        .env("RUST_BACKTRACE", "1")
        // The width of the help.
        .env("COLUMNS", "80")
        // Tests must not write to the user's cache, nor read the user's models.
        .env("SHADERNET_CACHE", "")
        .env("HOME", empty_home())
        .stdin(Stdio::null());
    for name in [
        "SHADERNET_MODELS",
        "SHADERNET_LOG",
        "XDG_CACHE_HOME",
        "XDG_DATA_HOME",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_HUB_OFFLINE",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "HF_TOKEN_PATH",
        "WGPU_BACKEND",
        "WGPU_ADAPTER_NAME",
        "WGPU_POWER_PREF",
    ] {
        command.env_remove(name);
    }
    command
}

/// A home folder without files.
fn empty_home() -> &'static Path {
    static HOME: OnceLock<tempfile::TempDir> = OnceLock::new();
    HOME.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

/// `shadernet classify` with the small model on the reference backend, for tests that do not depend on the
/// device.
pub fn classify() -> Command {
    let mut command = shadernet();
    command.args(["classify", "--backend", "cpu", "--model"]);
    command.arg(small_model());
    command
}

/// The exit code and output of a command.
pub struct CommandOutput {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end. A signal or panic fails the test.
#[track_caller]
pub fn execute(command: &mut Command) -> CommandOutput {
    CommandOutput::new(command.output().unwrap())
}

/// As [`execute`], with `input` on standard input.
#[track_caller]
pub fn execute_with_input(command: &mut Command, input: &[u8]) -> CommandOutput {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, input).unwrap();
    command.stdin(std::fs::File::open(path).unwrap());
    execute(command)
}

impl CommandOutput {
    #[track_caller]
    pub fn new(output: Output) -> Self {
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!err.contains("panicked"), "{err}");
        assert!(!err.contains("backtrace"), "{err}");
        Self {
            code: output
                .status
                .code()
                .unwrap_or_else(|| panic!("{}: {err}", output.status)),
            out: String::from_utf8(output.stdout).unwrap(),
            err,
        }
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }

    /// Checks that the command failed: exit code 1, no standard output, and an error that contains `parts`.
    #[track_caller]
    pub fn fails(self, parts: &[&str]) -> Self {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{}", self.err);
        assert!(self.err.contains("error: "), "{}", self.err);
        self.says(parts)
    }

    /// Checks that standard error contains `parts`.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "'{part}' is not in: {}", self.err);
        }
        self
    }

    /// Standard output with one JSON value per line.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let line = |line: &str| serde_json::from_str(line).unwrap();
        self.out.lines().map(line).collect()
    }
}

/// An image of the repository.
pub fn test_image(name: &str) -> PathBuf {
    place::repository().join("tests/images").join(name)
}

/// The path of an image as text.
pub fn chelsea() -> String {
    test_image("chelsea.png").to_str().unwrap().to_owned()
}

/// A folder with `count` copies of one image, named `000.jpg` and so on.
pub fn copies(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..count {
        std::fs::copy(
            test_image("rocket.jpg"),
            folder.path().join(format!("{i:03}.jpg")),
        )
        .unwrap();
    }
    folder
}

/// ResNet-18 for ten classes.
pub fn small_graph() -> Graph {
    let options = ZooOptions::classes(10).with_channels(3);
    zoo::build("resnet18", &options).unwrap()
}

/// The `config.json` of [`small_model`], in timm's format.
pub fn small_config() -> Value {
    let names: Vec<String> = (0..10).map(|class| format!("kind {class}")).collect();
    json!({
        "architecture": "resnet18",
        "num_classes": 10,
        "num_features": 512,
        "pretrained_cfg": {
            "tag": "a1_in1k",
            "custom_load": false,
            "input_size": [3, 64, 64],
            "fixed_input_size": false,
            "interpolation": "bilinear",
            "crop_pct": 0.95,
            "crop_mode": "center",
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "num_classes": 10,
            "pool_size": [2, 2],
            "first_conv": "conv1",
            "classifier": "fc",
        },
        "label_names": names,
    })
}

/// A model folder like those of the hub: [`small_graph`] with generated weights. Made once per process.
pub fn small_model() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = place::scratch().join("resnet18_ten");
        std::fs::create_dir_all(&folder).unwrap();
        let weights = Weights::generated(&small_graph(), 1.0);
        write_weights(&folder.join("model.safetensors"), &weights, Dtype::F16);
        write_config(&folder, &small_config().to_string());
        folder
    })
}

/// A model folder of a small Darknet network of which `cfg` has the layers, for images of 16 by 16 pixels:
/// cheap, for tests that need a network of certain weights. `weight(i)` is number `i` of the weights file: for
/// each layer the biases (with batch norm also scales, means and variances), then the filters.
pub fn darknet_model(layers: &str, weight: impl Fn(usize) -> f32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let cfg = format!("[net]\nwidth=16\nheight=16\nchannels=3\n{layers}");
    std::fs::write(file("network.cfg"), cfg).unwrap();
    let network = shadernet::darknet::Network::open(file("network.cfg")).unwrap();
    let parameters = network.graph().parameters();
    let count = parameters.iter().map(|p| p.shape.len()).sum();
    // Version 0.2 has a header of 20 bytes.
    let header = [0_i32, 2, 0, 0, 0].map(i32::to_le_bytes);
    let numbers = (0..count).flat_map(|i| weight(i).to_le_bytes());
    let bytes: Vec<u8> = header.into_iter().flatten().chain(numbers).collect();
    std::fs::write(file("network.weights"), bytes).unwrap();
    let (cfg, weights) = (file("network.cfg"), file("network.weights"));
    convert_darknet(cfg, weights, None, None, file("model"), Dtype::F32).unwrap();
    folder
}

/// Writes `config.json` atomically, because another process may be reading the old one.
pub fn write_config(folder: &Path, text: &str) {
    let file = tempfile::NamedTempFile::new_in(folder).unwrap();
    std::fs::write(file.path(), text).unwrap();
    file.persist(folder.join("config.json")).unwrap();
}

/// A folder with the configuration `config` and the small model's weights, whose header `header` changes.
pub fn model_with(config: &str, header: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), config);
    let whole = std::fs::read(small_model().join("model.safetensors")).unwrap();
    let bytes = with_header(&whole, header);
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    folder
}

/// A safetensors file with a changed header and the same data.
pub fn with_header(file: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (length, rest) = file.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header = serde_json::from_slice(header).unwrap();
    change(&mut header);
    let mut file = crate::common::safetensors(&header.to_string(), 0);
    file.extend(data);
    file
}
