//! Helpers of several integration tests.
// Each test file is a crate of its own and uses some of this.
#![allow(dead_code)]

pub mod golden;
pub mod place;
pub mod ran;
pub mod tolerance;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use shadernet::graph::Graph;
use shadernet::tensor::Tensor;
use shadernet::weights::generate::{generated_input, tensor};
use shadernet::weights::{Dtype, Weights, write_safetensors};
use shadernet::zoo::{self, Architecture};

/// A golden case; see `tests/golden/README.md`.
#[derive(Deserialize)]
pub struct Golden {
    case: String,
    /// The zoo's name, where it is not the case's: the tensors have the names of another library.
    architecture: Option<String>,
    /// Of that many rows and columns of the outputs, one is stored; 1 by default.
    every: Option<usize>,
    input: Vec<usize>,
    gain: f64,
    /// Number of learnable elements.
    pub parameters: u64,
    outputs: Vec<Vec<usize>>,
    /// Every tensor's shape by name.
    pub tensors: BTreeMap<String, Vec<usize>>,
}

/// A file of `tests/golden`.
pub fn golden_file(name: &str) -> PathBuf {
    place::repository().join("tests/golden").join(name)
}

impl Golden {
    pub fn load(case: &str) -> Self {
        let text = std::fs::read_to_string(golden_file(&format!("{case}.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The network.
    pub fn architecture(&self) -> &'static Architecture {
        zoo::find(self.architecture.as_deref().unwrap_or(&self.case)).unwrap()
    }

    pub fn input(&self) -> Tensor {
        generated_input(self.input.clone())
    }

    /// The pixels of an output that are stored.
    pub fn stored(&self, output: &Tensor) -> Tensor {
        let every = self.every.unwrap_or(1);
        if every == 1 {
            return output.clone();
        }
        let [n, c, h, w] = output.shape().nchw();
        let [height, width] = [h, w].map(|size| size.div_ceil(every));
        Tensor::from_fn([n, c, height, width], |i| {
            let (plane, y, x) = (i / (height * width), i / width % height, i % width);
            output.data()[(plane * h + y * every) * w + x * every]
        })
    }

    /// The case's weights, written to `folder`. Returns the file.
    pub fn write_weights(&self, folder: &Path, dtype: Dtype) -> PathBuf {
        let path = folder.join(format!("{}.safetensors", self.case));
        let all = self.tensors.iter();
        let tensors: Vec<(&String, Tensor)> = all
            .map(|(name, shape)| (name, tensor(name, shape.clone(), self.gain)))
            .collect();
        write_safetensors(&path, tensors.iter().map(|(n, t)| (*n, t)), dtype).unwrap();
        path
    }

    /// The outputs as they should be.
    pub fn outputs(&self) -> Vec<Tensor> {
        let file = Weights::open(golden_file(&format!("{}.safetensors", self.case))).unwrap();
        let outputs = self.outputs.iter().enumerate();
        outputs
            .map(|(i, shape)| {
                let data = file.read(&format!("output.{i}")).unwrap();
                Tensor::new(shape.clone(), data.into_owned()).unwrap()
            })
            .collect()
    }
}

/// Writes every tensor of `weights` to the safetensors file `path`.
pub fn write_weights(path: &Path, weights: &Weights, dtype: Dtype) {
    let tensors: Vec<(&str, Tensor)> = weights
        .names()
        .map(|name| {
            let data = weights.read(name).unwrap().into_owned();
            (
                name,
                Tensor::new(weights.shape(name).unwrap().clone(), data).unwrap(),
            )
        })
        .collect();
    write_safetensors(path, tensors.iter().map(|(n, t)| (*n, t)), dtype).unwrap();
}

/// The bytes of a safetensors file of `header` followed by `data` zeros, valid or not.
pub fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + data, 0);
    file
}

/// The names and shapes of a graph's parameters, as checkpoints list them.
pub fn parameter_shapes(graph: &Graph) -> BTreeMap<String, Vec<usize>> {
    let parameters = graph.parameters().into_iter();
    parameters
        .map(|p| (p.name, p.shape.dims().to_vec()))
        .collect()
}

/// The largest absolute difference over the largest magnitude of `expected`; infinite if only one of the two is
/// NaN at some position.
pub fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    let pairs = found.data().iter().zip(expected.data());
    let largest = expected
        .data()
        .iter()
        .filter(|x| !x.is_nan())
        .fold(0.0_f64, |m, &x| m.max(f64::from(x.abs())));
    let error = pairs.fold(0.0_f64, |error, (&f, &e)| match (f.is_nan(), e.is_nan()) {
        (true, true) => error,
        (false, false) => error.max((f64::from(f) - f64::from(e)).abs()),
        _ => f64::INFINITY,
    });
    error / largest.max(f64::MIN_POSITIVE)
}
