//! `shadernet run`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use shadernet::graph::Graph;
use shadernet::session::Session;
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::{Dtype, write_safetensors};
use shadernet::zoo::{self, ZooOptions};
use shadernet::{Error, Result};

use super::mapped_weights::open_weights;
use super::{DeviceArgs, Failure, SessionArgs, output};

/// Run a network on raw tensors: safetensors in, safetensors out
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet run --arch resnet18 --weights model.safetensors \\
                --input in.safetensors --output out.safetensors

The input file holds a tensor `input`, NCHW; the output file gets `output.0`, `output.1`, … as \
float32. Not-a-number in the input is not hidden: it shows in the output.")]
pub struct Run {
    /// Architecture, as `shadernet models` lists them
    #[arg(long, value_name = "NAME")]
    arch: String,

    /// Weights, a safetensors file in torchvision's or timm's names
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,

    /// Inputs, a safetensors file
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    /// Where the outputs go, a safetensors file
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Classes; what the architecture was made for unless given
    #[arg(long, value_name = "N")]
    num_classes: Option<usize>,

    /// Channels of the image; what the architecture was made for unless given
    #[arg(long, value_name = "N")]
    in_channels: Option<usize>,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object with the outputs' shapes and the times
    #[arg(long)]
    json: bool,
}

impl Run {
    pub fn execute(&self) -> Result<(), Failure> {
        let options = ZooOptions::default()
            .with_classes(self.num_classes)
            .with_channels(self.in_channels);
        let architecture = zoo::find(&self.arch)?;
        let graph = architecture.build(&options)?;
        let inputs = self.inputs(&graph)?;
        let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
        // Shapes before weights: cheaper to find out, and clearer.
        graph.infer(&shapes)?;
        let weights = architecture.adapt(open_weights(&self.weights)?, &graph)?;
        let unused = weights.check(&graph)?.unused;
        if !unused.is_empty() {
            output::say(format_args!(
                "{}: not used by {}: {}",
                self.weights.display(),
                graph.name(),
                unused.join(", ")
            ));
        }

        let device = self.device.open()?;
        let start = Instant::now();
        let options = self.session.options(&device);
        let is_tuned = options.tuning.is_some();
        let mut session = Session::new(&device, &graph, weights, &options, &shapes)?;
        if let Some(notice) = session.warning() {
            output::say(notice);
        }
        let ready = start.elapsed();
        let outputs = session.run(&inputs)?;
        let answered = start.elapsed() - ready;

        let named = (outputs.iter().enumerate()).map(|(i, t)| (format!("output.{i}"), t));
        write_safetensors(&self.output, named, Dtype::F32)?;
        if self.json {
            let shapes: Vec<&[usize]> = outputs.iter().map(|t| t.shape().dims()).collect();
            output::json_line(&json!({
                "architecture": graph.name(),
                "device": device.to_string(),
                "backend": device.backend().name(),
                "tuned": is_tuned,
                "outputs": shapes,
                "prepare_ms": ready.as_secs_f64() * 1e3,
                "run_ms": answered.as_secs_f64() * 1e3,
            }))?;
        } else {
            let shapes: Vec<String> = outputs.iter().map(|t| t.shape().to_string()).collect();
            writeln!(
                io::stdout(),
                "{} on {device}: {} in {answered:.1?} (prepared in {ready:.1?}), written to {}",
                graph.name(),
                shapes.join(", "),
                self.output.display()
            )?;
        }
        Ok(())
    }

    /// The tensors that the graph's inputs are called after.
    fn inputs(&self, graph: &Graph) -> Result<Vec<Tensor>> {
        let file = open_weights(&self.input)?;
        (graph.inputs().iter())
            .map(|&input| {
                let name = graph.node(input).name();
                let Some(shape) = file.shape(name) else {
                    let found: Vec<&str> = file.names().take(8).collect();
                    return Err(Error::file(
                        &self.input,
                        format!(
                            "expected a tensor '{name}', found {}; rename it",
                            match found.is_empty() {
                                true => "none".to_owned(),
                                false => format!("'{}'", found.join("', '")),
                            }
                        ),
                    ));
                };
                Tensor::new(shape.clone(), file.read(name)?.into_owned())
            })
            .collect()
    }
}
