//! A network of burn's modules, built from ncnn's text form.

use std::collections::{HashMap, HashSet};

use burn::nn::conv::{Conv2dConfig, ConvTranspose2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2dConfig, AvgPool2dConfig, MaxPool2dConfig};
use burn::nn::{BatchNormConfig, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation::relu};

type Value = Tensor<4>;
type Operation = Box<dyn Fn(Vec<Value>) -> Value>;

pub struct Network {
    layers: Vec<Layer>,
}

struct Layer {
    compute: Operation,
    inputs: Vec<String>,
    output: String,
    /// Those of the inputs that no later layer reads.
    last_read: HashSet<String>,
}

impl Network {
    pub fn new(text: &str, device: &Device) -> Result<Network, String> {
        let mut layers: Vec<Layer> = Vec::new();
        let mut alias = HashMap::new();
        for line in text.lines().skip(2) {
            let (description, inputs, outputs) =
                parse(line).ok_or_else(|| format!("'{line}' is not a layer"))?;
            let inputs: Vec<String> = inputs
                .into_iter()
                .map(|name| alias.get(&name).cloned().unwrap_or(name))
                .collect();
            match description.kind {
                "Input" => {}
                "Split" => alias.extend(outputs.into_iter().map(|name| (name, inputs[0].clone()))),
                _ => layers.push(Layer {
                    compute: description.operation(device)?,
                    inputs,
                    output: outputs.into_iter().next().ok_or("a layer without output")?,
                    last_read: HashSet::new(),
                }),
            }
        }
        let mut read = HashSet::new();
        for layer in layers.iter_mut().rev() {
            let inputs = layer.inputs.iter().cloned();
            layer.last_read = inputs.filter(|name| read.insert(name.clone())).collect();
        }
        Ok(Network { layers })
    }

    pub fn forward(&self, image: Value) -> Value {
        let mut values = HashMap::from([("in0".to_string(), image)]);
        for layer in &self.layers {
            // Values are dropped after their last use: burn can then fuse them away or overwrite them.
            let mut inputs: Vec<Value> = Vec::new();
            for name in &layer.inputs {
                let value = match layer.last_read.contains(name) {
                    true => values.remove(name),
                    false => values.get(name).cloned(),
                };
                inputs.push(value.expect("layers are in order"));
            }
            values.insert(layer.output.clone(), (layer.compute)(inputs));
        }
        values.remove("out0").expect("the output is out0")
    }
}

/// Parses a line of the text into the layer's description, its inputs and its outputs.
fn parse(line: &str) -> Option<(Description<'_>, Vec<String>, Vec<String>)> {
    let mut words = line.split_whitespace();
    let (kind, _name) = (words.next()?, words.next()?);
    let inputs: usize = words.next()?.parse().ok()?;
    let outputs: usize = words.next()?.parse().ok()?;
    let mut names = |count| -> Option<Vec<String>> {
        (0..count).map(|_| words.next().map(String::from)).collect()
    };
    let (inputs, outputs) = (names(inputs)?, names(outputs)?);
    let values = words.filter_map(|word| word.split_once('=')).collect();
    Some((Description { kind, values }, inputs, outputs))
}

/// A layer's kind and its values, by ncnn's numbers.
struct Description<'a> {
    kind: &'a str,
    values: HashMap<&'a str, &'a str>,
}

impl Description<'_> {
    fn get(&self, key: &str, default: usize) -> usize {
        self.values.get(key).map_or(default, |value| {
            value.parse().expect("a whole number, not negative")
        })
    }

    /// Height and width. ncnn leaves out a height that equals the width.
    fn pair(&self, height: &str, width: &str, default: usize) -> [usize; 2] {
        let width = self.get(width, default);
        [self.get(height, width), width]
    }

    fn padding(&self, height: &str, width: &str) -> PaddingConfig2d {
        let [y, x] = self.pair(height, width, 0);
        PaddingConfig2d::Explicit(y, x, y, x)
    }

    fn operation(&self, device: &Device) -> Result<Operation, String> {
        let kernel = self.pair("11", "1", 0);
        let channels = self.get("0", 0);
        let fed = |inputs: Vec<Value>| inputs.into_iter().next().expect("an input");
        // The input channels of each output, from the number of weights.
        let read = |weights: usize| weights / (channels * kernel[0] * kernel[1]);
        let operation: Operation = match self.kind {
            "Convolution" | "ConvolutionDepthWise" => {
                let groups = self.get("7", 1);
                let module = Conv2dConfig::new([read(self.get("6", 0)) * groups, channels], kernel)
                    .with_stride(self.pair("13", "3", 1))
                    .with_padding(self.padding("14", "4"))
                    .with_groups(groups)
                    .with_bias(self.get("5", 0) == 1)
                    .init(device);
                Box::new(move |inputs| module.forward(fed(inputs)))
            }
            "Deconvolution" => {
                let module = ConvTranspose2dConfig::new([read(self.get("6", 0)), channels], kernel)
                    .with_stride(self.pair("13", "3", 1))
                    .with_padding(self.pair("14", "4", 0))
                    .with_bias(self.get("5", 0) == 1)
                    .init(device);
                Box::new(move |inputs| module.forward(fed(inputs)))
            }
            "InnerProduct" => {
                let length = self.get("2", 0) / channels;
                let module = LinearConfig::new(length, channels).init(device);
                Box::new(move |inputs| {
                    let flat: Tensor<2> = fed(inputs).reshape([1, length]);
                    module.forward(flat).reshape([1, channels, 1, 1])
                })
            }
            "Pooling" if self.get("4", 0) == 1 => {
                let module = AdaptiveAvgPool2dConfig::new([1, 1]).init();
                Box::new(move |inputs| module.forward(fed(inputs)))
            }
            "Pooling" if self.get("0", 0) == 0 => {
                let module = MaxPool2dConfig::new(kernel)
                    .with_strides(self.pair("12", "2", 1))
                    .with_padding(self.padding("13", "3"))
                    .init();
                Box::new(move |inputs| module.forward(fed(inputs)))
            }
            "Pooling" => {
                let module = AvgPool2dConfig::new(kernel)
                    .with_strides(self.pair("12", "2", 1))
                    .with_padding(self.padding("13", "3"))
                    .init();
                Box::new(move |inputs| module.forward(fed(inputs)))
            }
            "BatchNorm" => {
                let module = BatchNormConfig::new(channels).init(device);
                Box::new(move |inputs| module.forward(fed(inputs)))
            }
            "BinaryOp" if self.get("0", 0) == 0 => {
                Box::new(|inputs| inputs.into_iter().reduce(|a, b| a + b).expect("inputs"))
            }
            "Concat" => Box::new(|inputs| Tensor::cat(inputs, 1)),
            "ReLU" => Box::new(move |inputs| relu(fed(inputs))),
            // `InnerProduct` flattens what it reads.
            "Flatten" => Box::new(fed),
            kind => return Err(format!("{kind} is not known here")),
        };
        // Pooling has another value there.
        let has_activation = self.kind.contains("onvolution") || self.kind == "InnerProduct";
        Ok(match (has_activation, self.get("9", 0)) {
            (true, 1) => Box::new(move |inputs| relu(operation(inputs))),
            (true, 3) => Box::new(move |inputs| operation(inputs).clamp(0.0, 6.0)),
            (true, 0) | (false, _) => operation,
            (true, other) => return Err(format!("activation {other} is not known here")),
        })
    }
}
