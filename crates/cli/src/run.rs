//! `shadernet run`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use shadernet::graph::Graph;
use shadernet::session::Session;
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::{Dtype, write_safetensors};
use shadernet::zoo::{self, ZooOptions};
use shadernet::{Error, Result, printable};

use super::mapped_weights::open_weights;
use super::output_files::check_outputs;
use super::{DeviceArgs, Failure, SessionArgs, output};

/// Run a network on tensors of a safetensors file
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet run --arch resnet18 --weights model.safetensors \\
                --input in.safetensors --output out.safetensors

The input file holds a tensor `input` in NCHW layout. The output file holds `output.0`, \
`output.1` and so on as float32. Outputs that are not finite are written as they are, with a \
warning that names the first layer of such an output.")]
pub struct Run {
    /// Architecture, one of `shadernet models`
    #[arg(long, value_name = "NAME")]
    arch: String,

    /// Weights, a safetensors file or .index.json with torchvision's or timm's tensor names
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,

    /// Inputs, a safetensors file
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    /// Outputs, a safetensors file that is written
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Number of classes [default: the architecture's]
    #[arg(long, value_name = "N")]
    num_classes: Option<usize>,

    /// Channels of the image [default: the architecture's]
    #[arg(long, value_name = "N")]
    in_channels: Option<usize>,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object with the outputs' shapes and the times
    #[arg(long)]
    json: bool,
}

impl Run {
    pub fn execute(&self) -> Result<(), Failure> {
        let options = ZooOptions::default()
            .with_classes(self.num_classes)
            .with_channels(self.in_channels);
        let weights = open_weights(&self.weights);
        // An unknown name is the first error, whether or not there is a file that a proposal must fit.
        let architecture = match &weights {
            Ok(weights) => zoo::find_for(&self.arch, weights, &options)?,
            Err(_) => zoo::find(&self.arch)?,
        };
        let weights = weights?;
        let graph = architecture.build_for(&weights, &options)?;
        let inputs = self.inputs(&graph)?;
        let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
        // Shapes are checked before weights: it is faster, and the message is clearer.
        graph.infer(&shapes)?;
        let files = [self.input.as_path(), &self.weights];
        let files = files.into_iter().chain(self.session.tuning.file());
        check_outputs([("--output", Some(self.output.as_path()))], files)?;
        let weights = architecture.adapt(weights, &graph)?;
        weights.check(&graph)?;

        let device = self.device.open()?;
        let start = Instant::now();
        let options = self.session.options(&device);
        let is_tuned = options.tuning.is_some();
        let mut session = Session::new(&device, &graph, weights, &options, &shapes)?;
        output::warn(session.warning());
        let prepare = start.elapsed();
        let outputs = session.run(&inputs)?;
        let run = start.elapsed() - prepare;

        let named = (outputs.iter().enumerate()).map(|(i, t)| (format!("output.{i}"), t));
        write_safetensors(&self.output, named, Dtype::F32)?;
        // Numbers are what was asked for, whatever they are.
        if let Err(error) = session.check_finite(&inputs, &outputs) {
            output::warn(Some(&error.to_string()));
        }
        if self.json {
            let shapes: Vec<&[usize]> = outputs.iter().map(|t| t.shape().dims()).collect();
            output::json_line(&json!({
                "architecture": graph.name(),
                "device": device.to_string(),
                "backend": device.backend().name(),
                "tuned": is_tuned,
                "outputs": shapes,
                "prepare_ms": prepare.as_secs_f64() * 1e3,
                "run_ms": run.as_secs_f64() * 1e3,
            }))?;
        } else {
            let shapes: Vec<String> = outputs.iter().map(|t| t.shape().to_string()).collect();
            writeln!(
                output::stdout(),
                "{} on {device}: {} in {run:.1?} (prepared in {prepare:.1?}), written to {}",
                graph.name(),
                shapes.join(", "),
                printable::path(&self.output)
            )?;
        }
        Ok(())
    }

    /// Reads the tensors with the names of the graph's inputs.
    fn inputs(&self, graph: &Graph) -> Result<Vec<Tensor>> {
        let file = open_weights(&self.input)?;
        (graph.inputs().iter())
            .map(|&input| {
                let name = graph.node(input).name();
                let Some(shape) = file.shape(name) else {
                    let found: Vec<String> = file.names().take(8).map(printable::name).collect();
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
