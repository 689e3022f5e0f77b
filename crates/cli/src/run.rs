//! `shadernet run`.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;
use shadernet::graph::Graph;
use shadernet::model_folder::ModelOptions;
use shadernet::session::Session;
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::{Dtype, Weights, write_safetensors};
use shadernet::zoo::{self, ZooOptions};
use shadernet::{Error, Result, printable};

use super::mapped_weights::{open_found, open_onnx, open_weights};
use super::output_files::check_outputs;
use super::resolve_model::{check_classes, model_called, weights_source};
use super::value_parsers::count;
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
    /// Architecture; without --weights, a model folder or the name of a model; `shadernet models` lists both
    #[arg(long, value_name = "ARCH|MODEL", required_unless_present = "model")]
    arch: Option<String>,

    /// ONNX file, in place of --arch, which takes model folders and names
    #[arg(long, value_name = "FILE", conflicts_with_all = ["arch", "weights", "num_classes", "in_channels"])]
    model: Option<PathBuf>,

    /// Weights, a safetensors file, PyTorch checkpoint (.pth, .bin) or .index.json with torchvision's or timm's
    /// tensor names [default: those of the model]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

    /// Inputs, a safetensors file
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    /// Outputs, a safetensors file that is written
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Number of classes [default: that of the weights]
    #[arg(long, value_name = "N", value_parser = count)]
    num_classes: Option<NonZeroUsize>,

    /// Channels of the image [default: those of the weights]
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

/// What runs.
struct Network {
    graph: Graph,
    /// Under the graph's names.
    weights: Weights,
    /// Where the weights are from.
    source: String,
    /// The names of the outputs, where they have some.
    outputs: Vec<String>,
}

impl Run {
    pub fn execute(&self) -> Result<(), Failure> {
        let (network, inputs) = match (&self.model, &self.weights) {
            (Some(path), _) => self.onnx_model(path)?,
            (None, Some(path)) => self.with_inputs(self.architecture(path)?)?,
            (None, None) => self.with_inputs(self.named_model()?)?,
        };
        let Network {
            graph,
            weights,
            source,
            outputs: names,
        } = network;
        let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
        // Shapes are checked before weights: it is faster, and the message is clearer.
        graph.infer(&shapes)?;
        let files = [
            Some(self.input.as_path()),
            self.weights.as_deref(),
            self.model.as_deref(),
        ];
        let files = (files.into_iter().flatten()).chain(self.session.tuning.file());
        check_outputs([("--output", Some(self.output.as_path()))], files)?;
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

        let numbers = (0..outputs.len()).map(|i| format!("output.{i}"));
        let named = (numbers.chain(names)).zip(outputs.iter().chain(&outputs));
        write_safetensors(&self.output, named, Dtype::F32)?;
        // Numbers are what was asked for, whatever they are.
        if let Err(error) = session.check_finite(&inputs, &outputs) {
            output::warn(Some(&error.to_string()));
        }
        if self.json {
            let shapes: Vec<&[usize]> = outputs.iter().map(|t| t.shape().dims()).collect();
            output::json_line(&json!({
                "architecture": graph.name(),
                "weights": source,
                "device": device.to_string(),
                "backend": device.backend().name(),
                "tuned": is_tuned,
                "outputs": shapes,
                "prepare_ms": prepare.as_secs_f64() * 1e3,
                "run_ms": run.as_secs_f64() * 1e3,
            }))?;
        } else {
            let [prepare, run] = [prepare, run].map(|time| format!("{:.2} s", time.as_secs_f64()));
            let shapes: Vec<String> = outputs.iter().map(|t| t.shape().to_string()).collect();
            writeln!(
                output::stdout(),
                "{}, weights {}, on {device}: {} in {run} (prepared in {prepare}), written to {}",
                graph.name(),
                printable::line(&source),
                shapes.join(", "),
                printable::path(&self.output)
            )?;
        }
        Ok(())
    }

    /// The name of an architecture or model. clap requires one where there is no ONNX file.
    fn arch(&self) -> &str {
        self.arch.as_deref().unwrap_or_default()
    }

    /// An ONNX model, for the shapes of its inputs.
    fn onnx_model(&self, path: &Path) -> Result<(Network, Vec<Tensor>)> {
        let model = open_onnx(path)?;
        let names: Vec<&str> = model
            .inputs()
            .iter()
            .map(|input| input.name.as_str())
            .collect();
        let inputs = self.inputs(&names)?;
        let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
        let imported = model.import(&shapes)?;
        let network = Network {
            graph: imported.graph,
            weights: imported.weights,
            source: path.display().to_string(),
            outputs: model
                .outputs()
                .iter()
                .map(|output| output.name.clone())
                .collect(),
        };
        Ok((network, inputs))
    }

    /// A network with its inputs from the file.
    fn with_inputs(&self, network: Network) -> Result<(Network, Vec<Tensor>), Failure> {
        let graph = &network.graph;
        let names: Vec<&str> = graph
            .inputs()
            .iter()
            .map(|&v| graph.node(v).name())
            .collect();
        let inputs = self.inputs(&names)?;
        Ok((network, inputs))
    }

    fn num_classes(&self) -> Option<usize> {
        self.num_classes.map(NonZeroUsize::get)
    }

    /// The architecture with the weights at `path`.
    fn architecture(&self, path: &Path) -> Result<Network> {
        let options = ZooOptions::default()
            .with_classes(self.num_classes())
            .with_channels(self.in_channels);
        let weights = open_weights(path);
        // An unknown name is the first error, whether or not there is a file that a proposal must fit.
        let architecture = match &weights {
            Ok(weights) => zoo::find_for(self.arch(), weights, &options)?,
            Err(_) => zoo::find(self.arch())?,
        };
        let weights = weights?;
        let graph = architecture.build_for(&weights, &options)?;
        Ok(Network {
            weights: architecture.adapt(weights, &graph)?,
            graph,
            source: path.display().to_string(),
            outputs: Vec::new(),
        })
    }

    /// The model, with its own weights.
    fn named_model(&self) -> Result<Network, Failure> {
        let Some(model) = model_called(self.arch())? else {
            let architecture = zoo::find(self.arch())?.name;
            return Err(Failure::Usage(format!(
                "{architecture} is an architecture, and there is no model of that name: --weights was expected"
            )));
        };
        let folder = open_found(&model, &ModelOptions::default())?;
        check_classes(&folder, self.num_classes())?;
        let found = folder.preprocessing.input_size[0];
        if let Some(expected) = self.in_channels
            && expected != found
        {
            let reason = format!(
                "{expected} channels were expected (--in-channels), found a model of {found}; leave the option out"
            );
            return Err(Error::file(&folder.path, reason).into());
        }
        let (graph, _) = folder.graph()?;
        Ok(Network {
            weights: folder.weights(&graph)?,
            graph,
            source: weights_source(&folder),
            outputs: Vec::new(),
        })
    }

    /// Reads the tensors of these names. The only one may also be called `input`.
    fn inputs(&self, names: &[&str]) -> Result<Vec<Tensor>> {
        let file = open_weights(&self.input)?;
        (names.iter())
            .map(|&name| {
                let name = match names.len() == 1 && !file.contains(name) && file.contains("input")
                {
                    true => "input",
                    false => name,
                };
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
