//! `shadernet summary`.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use serde_json::json;
use shadernet::Result;
use shadernet::graph::{Graph, LayerSummary, Op, Summary as Paper};
use shadernet::model_folder::ModelFolder;
use shadernet::tensor::Shape;
use shadernet::zoo::{self, ZooOptions};

use super::{Failure, output};

/// Print a network on paper: shapes, parameters, multiplications, receptive fields
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet summary resnet18
  shadernet summary resnet18 mobilenet_v2 --input 3x160x160
  shadernet summary small_cnn --json | jq '.layers[] | [.name, .parameters]'

Needs no weights and no GPU. With several networks, their totals side by side. Receptive field and
jump are in input pixels; \"all\" is the whole input. Multiplications are for one pass, activations
the largest set of values that must be alive at once, both for one image in float32.")]
pub struct Summary {
    /// Architectures, as `shadernet models` lists them, or model folders
    #[arg(required = true, value_name = "NAME|DIR")]
    networks: Vec<String>,

    /// The image: channels, height and width [default: what each network was made for]
    #[arg(long, value_name = "CxHxW", value_parser = image_size)]
    input: Option<[usize; 3]>,

    /// Classes that architectures tell apart [default: what each was made for]
    #[arg(long, value_name = "N")]
    num_classes: Option<usize>,

    /// One JSON object a line, one a network
    #[arg(long)]
    json: bool,
}

/// `3x224x224`.
pub fn image_size(text: &str) -> Result<[usize; 3], String> {
    let extents: Vec<usize> = (text.split('x').map(str::parse).collect::<Result<_, _>>())
        .map_err(|_| format!("expected CxHxW such as 3x224x224, found '{text}'"))?;
    <[usize; 3]>::try_from(extents)
        .map_err(|_| format!("expected three numbers as in 3x224x224, found '{text}'"))
}

/// A network with the inputs it is looked at with.
struct Network {
    graph: Graph,
    inputs: Vec<Shape>,
    paper: Paper,
}

impl Summary {
    pub fn execute(&self) -> Result<(), Failure> {
        let networks: Vec<Network> = (self.networks.iter())
            .map(|name| self.network(name))
            .collect::<Result<_>>()?;
        if self.json {
            for network in &networks {
                output::json_line(&as_json(network))?;
            }
            return Ok(());
        }
        let mut out = io::stdout().lock();
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

    fn network(&self, name: &str) -> Result<Network> {
        let (graph, size, tokens) = match Path::new(name).is_dir() {
            true => {
                let mut folder = ModelFolder::open(name)?;
                let size = self.input.unwrap_or(folder.preprocessing.input_size);
                folder.preprocessing.input_size = size;
                (folder.graph()?.0, size, None)
            }
            false => {
                let architecture = zoo::find(name)?;
                let size = self.input.unwrap_or(architecture.input_size);
                let options = ZooOptions::default()
                    .with_classes(self.num_classes)
                    .with_channels(size[0]);
                (architecture.build(&options)?, size, architecture.tokens)
            }
        };
        let [channels, height, width] = size;
        // Extents that the graph leaves free: an image's, or the length of a row of tokens.
        let inputs: Vec<Shape> = (graph.inputs().iter())
            .map(|&input| match graph.node(input).op() {
                Op::Input(op) if op.is_ids() => Shape::from([1, tokens.unwrap_or(1)]),
                _ => Shape::from([1, channels, height, width]),
            })
            .collect();
        let paper = graph.summary(&inputs)?;
        Ok(Network {
            graph,
            inputs,
            paper,
        })
    }
}

/// A row a layer.
fn layers(network: &Network) -> comfy_table::Table {
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
    for layer in &network.paper.layers {
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
    right_align(&mut table, 6..10);
    table
}

/// Sums by the first part of the layers' names.
fn stages(network: &Network) -> comfy_table::Table {
    let mut table = output::table(&["stage", "parameters", "multiplications"]);
    let stage = |layer: &LayerSummary| {
        let end = layer.name.find('.').unwrap_or(layer.name.len());
        layer.name[..end].to_owned()
    };
    for stage_layers in network.paper.layers.chunk_by(|a, b| stage(a) == stage(b)) {
        let sum = |of: fn(&LayerSummary) -> u64| stage_layers.iter().map(of).sum::<u64>();
        let (parameters, multiplications) = (sum(|l| l.parameters), sum(|l| l.multiplications));
        if parameters + multiplications > 0 {
            table.add_row([
                stage(&stage_layers[0]),
                count(parameters),
                count(multiplications),
            ]);
        }
    }
    right_align(&mut table, 1..3);
    table
}

/// A column a network.
fn totals(networks: &[Network]) -> comfy_table::Table {
    let mut header = vec![""];
    header.extend(networks.iter().map(|n| n.graph.name()));
    let mut table = output::table(&header);
    let mut row = |name: &str, cell: &dyn Fn(&Network) -> String| {
        let mut cells = vec![name.to_owned()];
        cells.extend(networks.iter().map(cell));
        table.add_row(cells);
    };
    row("input", &|n| shapes(&n.inputs));
    row("layers", &|n| count(n.paper.layers.len() as u64));
    row("parameters", &|n| count(n.paper.parameters));
    row("of fully connected layers", &|n| {
        let linear = n.paper.linear_parameters;
        let linear = indicatif::HumanCount(linear);
        format!("{linear} ({:.2} %)", linear_percent(&n.paper))
    });
    row("multiplications", &|n| count(n.paper.multiplications));
    row("receptive field", &|n| field(Some(n.paper.receptive_field)));
    row("weights, float32", &|n| output::bytes(n.paper.weight_bytes));
    row("weights, float16", &|n| {
        output::bytes(n.paper.weight_bytes / 2)
    });
    row("activations, float32", &|n| {
        output::bytes(n.paper.activation_bytes)
    });
    let columns = networks.len() + 1;
    right_align(&mut table, 1..columns);
    table
}

fn right_align(table: &mut comfy_table::Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
}

fn linear_percent(paper: &Paper) -> f64 {
    100.0 * paper.linear_parameters as f64 / paper.parameters.max(1) as f64
}

fn shapes(shapes: &[Shape]) -> String {
    let shapes: Vec<String> = shapes.iter().map(Shape::to_string).collect();
    shapes.join(" ")
}

/// `1,234,567`; nothing for zero, so that tables show where the weight is.
fn count(number: u64) -> String {
    match number {
        0 => String::new(),
        _ => indicatif::HumanCount(number).to_string(),
    }
}

/// `5`, `5x7`, or `all`; fractions where maps were upsampled.
fn field(size: Option<[f64; 2]>) -> String {
    match size {
        None => "all".to_owned(),
        Some([h, w]) if h == w => h.to_string(),
        Some([h, w]) => format!("{h}x{w}"),
    }
}

fn as_json(network: &Network) -> serde_json::Value {
    let paper = &network.paper;
    let layers: Vec<_> = (paper.layers.iter())
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
        "inputs": inputs,
        "parameters": paper.parameters,
        "linear_parameters": paper.linear_parameters,
        "linear_percent": linear_percent(paper),
        "multiplications": paper.multiplications,
        "receptive_field": paper.receptive_field,
        "weight_bytes": paper.weight_bytes,
        "activation_bytes": paper.activation_bytes,
        "layers": layers,
    })
}
