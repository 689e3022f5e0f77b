//! Writes a model folder with a U-Net of generated weights, to show the overlay of a segmenter without a
//! trained one. Its classes mean nothing. They follow the edges and colors of the image because of the
//! U-Net's structure alone.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Parser;
use shadernet::weights::{Dtype, Weights};
use shadernet::zoo::{self, ZooOptions};

/// The names of the classes, which are untrained.
const CLASSES: [&str; 4] = ["first", "second", "third", "fourth"];

/// Writes a model folder with a U-Net of generated weights, whose classes mean nothing.
#[derive(Parser)]
#[command(name = "made-up-unet")]
struct Options {
    /// The folder, created if it does not exist.
    folder: PathBuf,
    /// The height and width of its input.
    #[arg(long, default_value_t = 128)]
    size: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { folder, size } = Options::parse();
    let architecture = "unet_bilinear";
    let graph = zoo::build(architecture, &ZooOptions::classes(CLASSES.len()))?;
    fs::create_dir_all(&folder)?;
    // No residual connections: the square root of 2, see `Weights::generated`.
    let weights = Weights::generated(&graph, std::f64::consts::SQRT_2);
    weights.save(folder.join("model.safetensors"), Dtype::F16)?;
    let names = CLASSES.map(|name| format!("\"{name}\"")).join(", ");
    let config = format!(
        r#"{{
  "architecture": "{architecture}",
  "num_classes": {},
  "label_names": [{names}],
  "pretrained_cfg": {{ "input_size": [3, {size}, {size}], "mean": 0.5, "std": 0.25 }}
}}
"#,
        CLASSES.len()
    );
    fs::write(folder.join("config.json"), config)?;
    Ok(())
}
