//! Parses shapes files, which have one case per line.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::{Case, resampling};
use shadernet::error::{Error, Result, UnknownName};
use shadernet::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ConvTranspose2d, Graph, GraphBuilder,
    GroupNorm, Linear, LocalResponseNorm, MatMul, Pool2d, ValueId,
};
use shadernet::tensor::Shape;

/// The name of the node under test.
pub(super) const NAME: &str = "case";

/// The largest number of a setting: shaders compute positions in 32-bit signed integers.
const MAX_NUMBER: usize = i32::MAX as usize;

const OPERATORS: [&str; 18] = [
    "conv2d",
    "conv_transpose2d",
    "linear",
    "matmul",
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "upsample",
    "resample",
    "grid_sample",
    "batch_norm2d",
    "group_norm",
    "layer_norm",
    "local_response_norm",
    "add",
    "concat",
    "softmax",
    "relu",
];

const ACTIVATIONS: [(&str, Activation); 8] = [
    ("relu", Activation::Relu),
    ("relu6", Activation::Relu6),
    ("leaky_relu", Activation::LeakyRelu { slope: 0.1 }),
    ("silu", Activation::Silu),
    ("mish", Activation::Mish),
    ("hard_swish", Activation::HardSwish),
    ("sigmoid", Activation::Sigmoid),
    ("tanh", Activation::Tanh),
];

/// A line of text that is not a [`Case`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseCaseError {
    /// The first word is not an operator.
    UnknownOperator(UnknownName),
    /// The operator has no such setting.
    UnknownSetting {
        /// The operator.
        operator: String,
        /// The setting, and the ones that the operator has.
        setting: UnknownName,
    },
    /// A word is missing, has a wrong value, or does not fit the input's shape. Holds the message.
    Invalid(String),
}

impl fmt::Display for ParseCaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOperator(name) => name.fmt(f),
            Self::UnknownSetting { operator, setting } => write!(f, "{operator}: {setting}"),
            Self::Invalid(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ParseCaseError {}

impl From<String> for ParseCaseError {
    fn from(reason: String) -> Self {
        Self::Invalid(reason)
    }
}

impl From<&str> for ParseCaseError {
    fn from(reason: &str) -> Self {
        Self::Invalid(reason.to_owned())
    }
}

/// The cases of the shapes file `text`. `path` is for errors, which name the line.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let case: Case = line
            .parse()
            .map_err(|error| Error::file(path, format!("line {number}: {error}")))?;
        cases.push(case);
    }
    match cases.is_empty() {
        true => Err(Error::file(
            path,
            "expected lines such as 'conv2d 1x64x56x56 out=64 kernel=3', found none",
        )),
        false => Ok(cases),
    }
}

impl FromStr for Case {
    type Err = ParseCaseError;

    fn from_str(line: &str) -> Result<Self, ParseCaseError> {
        let mut words = line.split_whitespace();
        let operator = words.next().ok_or("expected an operator, found nothing")?;
        if !OPERATORS.contains(&operator) {
            let unknown = UnknownName::new("operator", operator, OPERATORS);
            return Err(ParseCaseError::UnknownOperator(unknown));
        }
        let input = words
            .next()
            .ok_or("expected the input's shape, such as 1x64x56x56, found nothing")?;
        let input = shape(input)?;
        let mut settings = Settings::parse(words)?;
        let (graph, inputs) = build(operator, &input, &mut settings)?;
        settings.expect_empty(operator)?;
        // Checked here, where the line is known.
        graph
            .infer(&inputs)
            .map_err(|error| error.report().to_string())?;
        Ok(Self {
            name: line.split_whitespace().collect::<Vec<_>>().join(" "),
            operator: operator.to_owned(),
            graph,
            inputs,
        })
    }
}

/// `NxCxHxW`, `BxMxK` or `NxF`.
fn shape(text: &str) -> Result<Shape, String> {
    let invalid = || format!("expected a shape such as 1x64x56x56 or 1x2048, found '{text}'");
    let dims: Vec<usize> =
        (text.split('x').map(str::parse).collect::<Result<_, _>>()).map_err(|_| invalid())?;
    match (2..=4).contains(&dims.len()) {
        true => Ok(Shape::from(dims)),
        false => Err(invalid()),
    }
}

/// The words of a line after the shape: `key=value` or a flag.
#[derive(Clone)]
struct Settings<'a> {
    /// Words that have not been read yet. A flag's value is `None`.
    words: BTreeMap<&'a str, Option<&'a str>>,
    /// The settings that the operator has.
    known: Vec<&'static str>,
}

impl<'a> Settings<'a> {
    fn parse(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut settings = BTreeMap::new();
        for word in words {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (word, None),
            };
            if settings.insert(key, value).is_some() {
                return Err(format!("'{key}' is given twice"));
            }
        }
        Ok(Self {
            words: settings,
            known: Vec::new(),
        })
    }

    /// The number `key`, or `default` if the line does not have it.
    fn number(&mut self, key: &'static str, default: Option<usize>) -> Result<usize, String> {
        self.known.push(key);
        match (self.words.remove(key), default) {
            (Some(Some(text)), _) => (text.parse().ok())
                .filter(|number| *number <= MAX_NUMBER)
                .ok_or_else(|| {
                    let shown: String = text.chars().take(40).collect();
                    format!("{key}: expected a number up to {MAX_NUMBER}, found '{shown}'")
                }),
            (None, Some(default)) => Ok(default),
            _ => {
                let is_misspelled = |word: &&&str| {
                    let unknown = UnknownName::new("setting", word, [key]);
                    !unknown.nearest.is_empty()
                };
                let misspelled = self.words.keys().find(is_misspelled);
                Err(format!(
                    "'{key}=NUMBER' is missing{}",
                    misspelled
                        .map_or_else(String::new, |word| format!("; '{word}' is not a setting"))
                ))
            }
        }
    }

    fn text(&mut self, key: &'static str) -> Option<&'a str> {
        self.known.push(key);
        self.words.remove(key).flatten()
    }

    /// Whether the line has the flag `key`.
    fn flag(&mut self, key: &'static str) -> bool {
        self.known.push(key);
        self.words.remove(key).is_some()
    }

    /// Returns an error if a word has not been read.
    fn expect_empty(&self, operator: &str) -> Result<(), ParseCaseError> {
        match self.words.keys().next() {
            None => Ok(()),
            Some(word) => Err(ParseCaseError::UnknownSetting {
                operator: operator.to_owned(),
                setting: UnknownName::new("setting", word, &self.known),
            }),
        }
    }
}

/// The graph of the operator with what is fused into it, and the shapes of its inputs.
fn build(
    operator: &str,
    input: &Shape,
    settings: &mut Settings,
) -> Result<(Graph, Vec<Shape>), String> {
    let mut b = GraphBuilder::new(NAME);
    let mut inputs = vec![input.clone()];
    let channels = input.dims()[1];
    let rank = input.dims().len();
    let (ranks, example) = match operator {
        "linear" => (2..=2, "1x2048"),
        "matmul" => (3..=3, "12x196x64"),
        "softmax" if rank != 3 => (2..=4, "1x1000"),
        _ => (4..=4, "1x64x56x56"),
    };
    if !ranks.contains(&rank) {
        let dims: Vec<String> = input.dims().iter().map(ToString::to_string).collect();
        let found = dims.join("x");
        return Err(format!(
            "{operator} expects a shape such as {example}, found '{found}'"
        ));
    }
    let mut x = match rank {
        4 => b.image_input("input", channels),
        3 => b.input("input", &[None; 3]),
        _ => b.input("input", &[None, Some(channels)]),
    };
    if operator == "conv2d" && settings.flag("prologue") {
        x = b.batch_norm("prologue.norm", x, BatchNorm2d::new(channels));
        x = b.activation("prologue.relu", x, Activation::Relu);
    }
    let operator_settings = settings.clone();
    x = node(operator, channels, &mut b, x, settings, &mut inputs)?;
    if matches!(operator, "conv2d" | "conv_transpose2d") && settings.flag("residual") {
        let output = output_shape(operator, input, operator_settings)?;
        let residual = b.image_input("residual", output.dims()[1]);
        inputs.push(output);
        x = b.add("sum", x, residual);
    }
    if !matches!(operator, "relu" | "softmax") {
        for (name, activation) in ACTIVATIONS {
            if settings.flag(name) {
                x = b.activation(format!("activation.{name}"), x, activation);
            }
        }
    }
    b.output(x);
    let graph = b.build().map_err(|error| error.to_string())?;
    Ok((graph, inputs))
}

/// The output shape of the operator alone.
fn output_shape(operator: &str, input: &Shape, mut settings: Settings) -> Result<Shape, String> {
    let mut b = GraphBuilder::new(NAME);
    let channels = input.dims()[1];
    let x = b.image_input("input", channels);
    let mut inputs = vec![input.clone()];
    let x = node(operator, channels, &mut b, x, &mut settings, &mut inputs)?;
    b.output(x);
    let shapes = b.build().and_then(|graph| graph.infer(&inputs));
    let shapes = shapes.map_err(|error| error.to_string())?;
    Ok(shapes[x.index()].clone())
}

/// Adds the operator, and further inputs if it has more than one.
fn node(
    operator: &str,
    channels: usize,
    b: &mut GraphBuilder,
    x: ValueId,
    settings: &mut Settings,
    inputs: &mut Vec<Shape>,
) -> Result<ValueId, String> {
    Ok(match operator {
        "conv2d" => {
            let kernel = settings.number("kernel", None)?;
            let op = Conv2d::new(channels, settings.number("out", None)?, kernel)
                .stride(settings.number("stride", Some(1))?)
                .padding(settings.number("padding", Some(0))?)
                .dilation(settings.number("dilation", Some(1))?)
                .groups(settings.number("groups", Some(1))?);
            b.conv2d(NAME, x, op)
        }
        "conv_transpose2d" => {
            let (out, kernel) = (
                settings.number("out", None)?,
                settings.number("kernel", None)?,
            );
            let stride = settings.number("stride", Some(1))?;
            let op = ConvTranspose2d::new(channels, out, kernel, stride)
                .padding(settings.number("padding", Some(0))?)
                .groups(settings.number("groups", Some(1))?);
            b.node(NAME, op, &[x])
        }
        "linear" => b.linear(
            NAME,
            x,
            Linear::new(channels, settings.number("out", None)?),
        ),
        "matmul" => {
            let inner = inputs[0].dims()[2];
            let other = b.input("other", &[None; 3]);
            let columns = settings.number("out", None)?;
            inputs.push(Shape::from([inputs[0].dims()[0], inner, columns]));
            b.node(NAME, MatMul, &[x, other])
        }
        "max_pool2d" | "avg_pool2d" => {
            let kernel = settings.number("kernel", None)?;
            let stride = settings.number("stride", Some(kernel))?;
            let pool = match operator {
                "max_pool2d" => Pool2d::max(kernel, stride),
                _ => Pool2d::average(kernel, stride),
            };
            b.pool2d(NAME, x, pool.padding(settings.number("padding", Some(0))?))
        }
        "adaptive_avg_pool2d" => {
            let out = settings.number("out", Some(1))?;
            b.adaptive_avg_pool2d(NAME, x, AdaptiveAvgPool2d::new(out, out))
        }
        "upsample" => {
            let factor = settings.number("factor", None)?;
            b.node(
                NAME,
                resampling::upsample(factor, settings.text("mode"))?,
                &[x],
            )
        }
        "resample" => {
            let factor = settings.number("factor", Some(1))?;
            let taps = settings.number("taps", Some(4))?;
            b.node(NAME, resampling::resample(&inputs[0], factor, taps)?, &[x])
        }
        "grid_sample" => {
            let (op, positions) = resampling::grid_sample(&inputs[0])?;
            let at = b.image_input("positions", 2);
            inputs.push(positions);
            b.node(NAME, op, &[x, at])
        }
        "batch_norm2d" => b.batch_norm(NAME, x, BatchNorm2d::new(channels)),
        "group_norm" => {
            let groups = settings.number("groups", Some(32))?;
            b.node(NAME, GroupNorm::new(groups, channels), &[x])
        }
        "layer_norm" => b.node(NAME, GroupNorm::layer(channels), &[x]),
        "local_response_norm" => {
            let size = settings.number("size", Some(5))?;
            b.node(NAME, LocalResponseNorm::new(size), &[x])
        }
        "add" | "concat" => {
            let other = b.image_input("other", channels);
            inputs.push(inputs[0].clone());
            match operator {
                "add" => b.add(NAME, x, other),
                _ => b.concat(NAME, &[x, other]),
            }
        }
        "softmax" => b.softmax(NAME, x),
        _ => b.activation(NAME, x, Activation::Relu),
    })
}
