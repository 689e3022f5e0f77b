//! `shadernet summary`.

use std::io::Write;
use std::num::NonZeroUsize;

use clap::Args;
use serde_json::json;
use shadernet::graph::{LayerSummary, Summary as GraphSummary};
use shadernet::tensor::Shape;
use shadernet::{Result, printable};

use super::resolve_model::Network;
use super::value_parsers::{self, ImageSize};
use super::{Failure, output};

/// Summarize a network: shapes, parameters, multiplications, receptive fields
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet summary resnet18
  shadernet summary resnet18 mobilenet_v2 --input 160
  shadernet summary small_cnn --json | jq '.layers[] | [.name, .parameters]'

Needs no weights and no GPU. For several networks, only the totals are printed, side by side. \
\"sees\" is the receptive field and \"jump\" the distance between the receptive fields of \
neighboring outputs, both in input pixels; \"all\" is the whole input. Multiplications are for one \
pass with one image. Activations are the largest set of values alive at the same time.")]
pub struct Summary {
    /// Model folders, names of models, or architectures; `shadernet models` lists the names
    #[arg(required = true, value_name = "MODEL|ARCH")]
    networks: Vec<String>,

    /// Size of the image: 160, 160x224 (height, width) or 3x160x224 (channels first) [default: each network's
    /// input size]
    #[arg(long, value_name = "SIZE")]
    input: Option<ImageSize>,

    /// Number of classes of architectures [default: each architecture's]
    #[arg(long, value_name = "N", value_parser = value_parsers::count)]
    num_classes: Option<NonZeroUsize>,

    /// Print one JSON object per network, one per line
    #[arg(long)]
    json: bool,
}

/// A network with its summary.
struct Summarized {
    network: Network,
    summary: GraphSummary,
}

impl Summary {
    pub fn execute(&self) -> Result<(), Failure> {
        let networks: Vec<Summarized> = (self.networks.iter())
            .map(|name| self.summarize(name))
            .collect::<Result<_>>()?;
        if self.json {
            for network in &networks {
                output::json_line(&as_json(network))?;
            }
            return Ok(());
        }
        let mut out = output::stdout();
        match &networks[..] {
            [network] => {
                writeln!(out, "{}\n", layers(network))?;
                writeln!(out, "{}\n", stages(network))?;
                writeln!(out, "{}", totals(&networks))?;
            }
            _ => writeln!(out, "{}", totals(&networks))?,
        }
        Ok(())
    }

    fn summarize(&self, name: &str) -> Result<Summarized> {
        let classes = self.num_classes.map(NonZeroUsize::get);
        let network = Network::with_classes(name, self.input, 1, classes)?;
        let summary = network.graph.summary(&network.inputs)?;
        Ok(Summarized { network, summary })
    }
}

/// One row per layer.
fn layers(network: &Summarized) -> output::Table {
    let mut table = output::table(&[
        "layer",
        "operator",
        "output",
        "kernel",
        "stride",
        "padding",
        "parameters",
        "multiplications",
        "sees",
        "jump",
    ]);
    for layer in &network.summary.layers {
        let pair = |pair: Option<[usize; 2]>| match pair {
            Some([a, b]) if a == b => a.to_string(),
            Some([a, b]) => format!("{a}x{b}"),
            None => String::new(),
        };
        let padding = match layer.padding {
            Some([a, b, c, d]) if a == b && b == c && c == d => a.to_string(),
            Some(sides) => format!("{sides:?}"),
            None => String::new(),
        };
        table.add_row([
            layer.name.clone(),
            layer.kind.to_owned(),
            layer.output.to_string(),
            pair(layer.kernel),
            pair(layer.stride),
            padding,
            count(layer.parameters),
            count(layer.multiplications),
            field(layer.receptive_field.size),
            field(Some(layer.receptive_field.jump)),
        ]);
    }
    table.right_align(6..10);
    table
}

/// Sums over the layers whose names share the first component.
fn stages(network: &Summarized) -> output::Table {
    let mut table = output::table(&["stage", "parameters", "multiplications"]);
    let stage = |layer: &LayerSummary| {
        let end = layer.name.find('.').unwrap_or(layer.name.len());
        layer.name[..end].to_owned()
    };
    let layers = &network.summary.layers;
    for stage_layers in layers.chunk_by(|a, b| stage(a) == stage(b)) {
        let sum = |value: fn(&LayerSummary) -> u64| stage_layers.iter().map(value).sum::<u64>();
        let (parameters, multiplications) = (sum(|l| l.parameters), sum(|l| l.multiplications));
        if parameters + multiplications > 0 {
            table.add_row([
                stage(&stage_layers[0]),
                count(parameters),
                count(multiplications),
            ]);
        }
    }
    table.right_align(1..3);
    table
}

/// One column per network.
fn totals(networks: &[Summarized]) -> output::Table {
    let mut header = vec![""];
    header.extend(networks.iter().map(|n| n.network.graph.name()));
    let mut table = output::table(&header);
    let mut row = |name: &str, cell: &dyn Fn(&Summarized) -> String| {
        let mut cells = vec![name.to_owned()];
        cells.extend(networks.iter().map(cell));
        table.add_row(cells);
    };
    if networks.iter().any(|n| n.network.model_weights().is_some()) {
        row("weights", &|n| {
            let weights = n.network.model_weights();
            weights.map_or(String::new(), printable::path)
        });
    }
    row("input", &|n| output::shapes(&n.network.inputs));
    row("layers", &|n| count(n.summary.layers.len() as u64));
    row("parameters", &|n| count(n.summary.parameters));
    row("  in fully connected layers", &|n| {
        let linear = n.summary.linear_parameters;
        let linear = indicatif::HumanCount(linear);
        format!("{linear} ({:.2} %)", linear_percent(&n.summary))
    });
    row("multiplications", &|n| count(n.summary.multiplications));
    row("receptive field", &|n| {
        field(Some(n.summary.receptive_field))
    });
    row("weights, float32", &|n| {
        output::bytes(n.summary.weight_bytes)
    });
    row("weights, float16", &|n| {
        output::bytes(n.summary.weight_bytes / 2)
    });
    row("activations, float32", &|n| {
        output::bytes(n.summary.activation_bytes)
    });
    let columns = networks.len() + 1;
    table.right_align(1..columns);
    table
}

fn linear_percent(summary: &GraphSummary) -> f64 {
    100.0 * summary.linear_parameters as f64 / summary.parameters.max(1) as f64
}

/// `1,234,567`; empty for zero, so that the other numbers stand out.
fn count(number: u64) -> String {
    match number {
        0 => String::new(),
        _ => indicatif::HumanCount(number).to_string(),
    }
}

/// `5`, `5x7`, or `all`. Fractions occur after upsampling.
fn field(size: Option<[f64; 2]>) -> String {
    match size {
        None => "all".to_owned(),
        Some([h, w]) if h == w => h.to_string(),
        Some([h, w]) => format!("{h}x{w}"),
    }
}

fn as_json(Summarized { network, summary }: &Summarized) -> serde_json::Value {
    let layers: Vec<_> = (summary.layers.iter())
        .map(|layer| {
            json!({
                "name": layer.name,
                "operator": layer.kind,
                "output": layer.output.dims(),
                "kernel": layer.kernel,
                "stride": layer.stride,
                "padding": layer.padding,
                "parameters": layer.parameters,
                "multiplications": layer.multiplications,
                "receptive_field": layer.receptive_field.size,
                "jump": layer.receptive_field.jump,
            })
        })
        .collect();
    let inputs: Vec<&[usize]> = network.inputs.iter().map(Shape::dims).collect();
    json!({
        "network": network.graph.name(),
        "model": network.model_weights(),
        "inputs": inputs,
        "parameters": summary.parameters,
        "linear_parameters": summary.linear_parameters,
        "linear_percent": linear_percent(summary),
        "multiplications": summary.multiplications,
        "receptive_field": summary.receptive_field,
        "weight_bytes": summary.weight_bytes,
        "activation_bytes": summary.activation_bytes,
        "layers": layers,
    })
}
