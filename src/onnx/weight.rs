//! Weights of an imported graph.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::decode::host_tensor;
use super::element_type::ElementType;
use super::evaluate::filled_tensor;
use super::model::{OnnxModel, extents};
use super::ops::layout::product;
use super::value::Value;
use crate::tensor::{Shape, Tensor};
use crate::weights::{Dtype, Weights, to_float32};

/// A weight: a part of the file as it is, or computed.
pub(super) enum StoredWeight {
    /// Elements in row-major order, little endian.
    Bytes(Shape, Dtype, Bytes),
    Computed(Tensor),
    /// All elements are this number.
    Filled(Shape, f32),
}

impl StoredWeight {
    /// Floating-point numbers of a constant, with the extents `dims`.
    pub fn new(value: &Value, dims: &[usize]) -> Result<Self, String> {
        let shape = Shape::from(dims);
        let fits = |len: usize| match shape.checked_len() == Some(len) {
            true => Ok(()),
            false => Err(format!(
                "{shape} was expected for a weight of {len} elements"
            )),
        };
        match value {
            Value::Stored(tensor, external) => {
                fits(extents(tensor)?.1)?;
                let bytes = external.unwrap_or(&tensor.raw_data);
                match ElementType(tensor.data_type).dtype() {
                    Some(dtype) if !bytes.is_empty() => {
                        Ok(Self::Bytes(shape, dtype, bytes.clone()))
                    }
                    _ => Self::computed(
                        host_tensor(tensor, external.map(|b| &b[..]))?.to_floats(),
                        dims,
                    ),
                }
            }
            Value::Filled(value, dims) => {
                fits(product(dims))?;
                Ok(Self::Filled(shape, *value))
            }
            Value::Host(tensor) => {
                fits(tensor.len())?;
                Self::computed(tensor.to_floats(), dims)
            }
            Value::Device(_) => {
                Err("a weight that depends on the model's inputs is not supported".to_owned())
            }
        }
    }

    /// A weight of these elements.
    pub fn computed(data: Vec<f32>, dims: &[usize]) -> Result<Self, String> {
        let tensor = Tensor::new(dims, data).map_err(|error| error.to_string())?;
        Ok(Self::Computed(tensor))
    }

    /// Replaces every element by what `f` makes of its index and value.
    pub fn change(&mut self, f: impl Fn(usize, f32) -> f32) -> Result<(), String> {
        let (shape, values) = match self {
            Self::Bytes(shape, dtype, bytes) => (
                shape.clone(),
                to_float32(*dtype, bytes)
                    .map_err(|x| format!("{x:e} is beyond float32"))?
                    .into_owned(),
            ),
            Self::Computed(tensor) => (tensor.shape().clone(), tensor.data().to_vec()),
            Self::Filled(shape, value) => {
                let tensor = filled_tensor(*value, shape.dims())?;
                (shape.clone(), tensor.to_floats())
            }
        };
        let values = values.into_iter().enumerate().map(|(i, value)| f(i, value));
        *self = Self::computed(values.collect(), shape.dims())?;
        Ok(())
    }

    /// Those of a whole graph of `model`, by their names.
    pub fn collect(model: &OnnxModel, weights: BTreeMap<String, Self>) -> Weights {
        let mut in_file = Vec::new();
        let mut computed = Vec::new();
        let mut filled = Vec::new();
        for (name, weight) in weights {
            match weight {
                Self::Bytes(shape, dtype, bytes) => in_file.push((name, shape, dtype, bytes)),
                Self::Computed(tensor) => computed.push((name, tensor)),
                Self::Filled(shape, value) => filled.push((name, shape, value)),
            }
        }
        let name = model.path().display().to_string();
        Weights::from_parts(name, &model.files, in_file, computed, filled)
    }
}
