//! `shadernet inspect`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use shadernet::onnx::{OnnxDim, OnnxModel, OnnxSupport, OnnxValue, catalog};
use shadernet::printable;

use super::mapped_weights::open_onnx;
use super::{Failure, output};

/// List the inputs, outputs and operators of an ONNX file
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet inspect model.onnx
  shadernet inspect model.onnx --json
  shadernet inspect --operators

An operator marked 'device' is computed there, or before a run where it depends on shapes \
only. One marked 'import' must depend on shapes and constants only. The exit code is 1 \
if an operator is not supported.")]
pub struct Inspect {
    /// ONNX file; not needed with --operators
    #[arg(value_name = "FILE", required_unless_present = "operators")]
    model: Option<PathBuf>,

    /// List all operators of ONNX, and what of them is supported
    #[arg(long, conflicts_with = "model")]
    operators: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub fn execute(&self) -> Result<(), Failure> {
        let Some(path) = &self.model else {
            return self.catalog();
        };
        let model = open_onnx(path)?;
        match self.json {
            true => output::json_line(&as_json(&model))?,
            false => print(&model, &mut output::stdout())?,
        }
        match model
            .operators()
            .iter()
            .all(|operator| operator.support.is_some())
        {
            true => Ok(()),
            false => Err(Failure::Reported),
        }
    }
}

impl Inspect {
    fn catalog(&self) -> Result<(), Failure> {
        let mut table = output::table(&["operator", "computed", "not supported"]);
        for entry in catalog() {
            let support = support(entry.support);
            if self.json {
                output::json_line(&json!({
                    "operator": entry.name, "support": support, "limits": entry.limits,
                }))?;
            }
            table.add_row([entry.name, support, entry.limits]);
        }
        if !self.json {
            writeln!(output::stdout(), "{table}")?;
        }
        Ok(())
    }
}

fn support(support: Option<OnnxSupport>) -> &'static str {
    match support {
        Some(OnnxSupport::Device) => "device",
        Some(_) => "import",
        None => "not supported",
    }
}

fn as_json(model: &OnnxModel) -> serde_json::Value {
    let values = |values: &[OnnxValue]| -> Vec<serde_json::Value> {
        let value = |value: &OnnxValue| {
            let dims = value.dims.as_ref().map(|dims| {
                let dim = |dim: &OnnxDim| match dim {
                    OnnxDim::Fixed(extent) => json!(extent),
                    OnnxDim::Free(name) => json!(name),
                };
                dims.iter().map(dim).collect::<Vec<_>>()
            });
            json!({
                "name": value.name,
                "type": value.element_type.to_string(),
                "shape": dims,
            })
        };
        values.iter().map(value).collect()
    };
    let operators: Vec<serde_json::Value> = (model.operators().iter())
        .map(|operator| {
            json!({
                "name": operator.name,
                "count": operator.nodes.len(),
                "nodes": operator.nodes,
                "computed": support(operator.support),
            })
        })
        .collect();
    json!({
        "model": model.path().display().to_string(),
        "opset": model.opset(),
        "producer": model.producer(),
        "parameters": model.parameter_count(),
        "inputs": values(model.inputs()),
        "outputs": values(model.outputs()),
        "operators": operators,
    })
}

fn print(model: &OnnxModel, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{}, opset {}, {} parameters{}\n",
        printable::path(model.path()),
        model.opset(),
        indicatif::HumanCount(model.parameter_count()),
        match model.producer() {
            "" => String::new(),
            producer => format!(", by {}", printable::name(producer)),
        }
    )?;
    let mut table = output::table(&["", "name", "shape", "type"]);
    for (kind, values) in [("input", model.inputs()), ("output", model.outputs())] {
        for value in values {
            let dims = match &value.dims {
                None => "unknown".to_owned(),
                Some(dims) => {
                    let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
                    format!("[{}]", dims.join(", "))
                }
            };
            table.add_row([
                kind.to_owned(),
                printable::name(&value.name),
                dims,
                value.element_type.to_string(),
            ]);
        }
    }
    writeln!(out, "{table}\n")?;
    let mut table = output::table(&["operator", "nodes", "computed", "for example"]);
    for operator in model.operators() {
        table.add_row([
            printable::name(&operator.name),
            operator.nodes.len().to_string(),
            support(operator.support).to_owned(),
            printable::name(operator.nodes.first().map_or("", String::as_str)),
        ]);
    }
    table.right_align(1..2);
    writeln!(out, "{table}")
}
