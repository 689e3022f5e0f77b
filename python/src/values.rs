//! The inputs and outputs of networks, as Python sees them.

use pyo3::prelude::*;
use shadernet::graph::{Input, Node, Op};
use shadernet::onnx::{OnnxDim, OnnxModel, OnnxValue};
use shadernet::{Error, Tensor};

use crate::errors::input_error;

/// An input or output.
pub struct Value {
    pub name: String,
    /// `None` for what is free without a name.
    dims: Option<Vec<Extent>>,
    /// NumPy's name.
    pub dtype: &'static str,
}

#[derive(Clone, IntoPyObject)]
pub enum Extent {
    Fixed(usize),
    Free(Option<String>),
}

impl Extent {
    fn of(extent: Option<usize>) -> Self {
        extent.map_or(Self::Free(None), Self::Fixed)
    }
}

impl Value {
    /// Of a model whose values have to be tensors of numbers.
    pub fn of_onnx(model: &OnnxModel, value: &OnnxValue) -> shadernet::Result<Self> {
        let element_type = value.element_type.to_string();
        let dtype = numpy_name(&element_type).ok_or_else(|| {
            let name = shadernet::printable::name(&value.name);
            let reason = format!(
                "'{name}': a tensor of numbers was expected, found {element_type}: strings, complex numbers and \
                 sequences are not supported"
            );
            Error::file(model.path(), reason)
        })?;
        let extent = |dim: &OnnxDim| match dim {
            OnnxDim::Fixed(extent) => Extent::Fixed(*extent),
            OnnxDim::Free(name) => Extent::Free(name.clone()),
        };
        Ok(Self {
            name: value.name.clone(),
            dims: value
                .dims
                .as_ref()
                .map(|dims| dims.iter().map(extent).collect()),
            dtype,
        })
    }

    /// Of a graph's input.
    pub fn of_input(node: &Node) -> Self {
        let extents = |input: &Input| input.dims().iter().copied().map(Extent::of).collect();
        Self {
            name: node.name().to_owned(),
            dims: match node.op() {
                Op::Input(input) => Some(extents(input)),
                _ => None,
            },
            dtype: "float32",
        }
    }

    /// Of a graph's output, whose shape depends on the inputs.
    pub fn of_output(node: &Node) -> Self {
        Self {
            name: node.name().to_owned(),
            dims: None,
            dtype: "float32",
        }
    }

    /// As Python's `Value` takes it.
    pub fn row(&self) -> (String, Option<Vec<Extent>>, &'static str) {
        (self.name.clone(), self.dims.clone(), self.dtype)
    }

    /// Its shape, where nothing of it is free.
    pub fn fixed_shape(&self) -> Option<Vec<usize>> {
        let fixed = |extent: &Extent| match extent {
            Extent::Fixed(extent) => Some(*extent),
            Extent::Free(_) => None,
        };
        self.dims.as_ref()?.iter().map(fixed).collect()
    }

    /// The library's message is about nodes; this one is about the argument.
    pub fn check(&self, py: Python<'_>, name: &str, tensor: &Tensor) -> PyResult<()> {
        let found = tensor.shape().dims();
        if found.contains(&0) {
            let message =
                format!("{name}: an array of at least one element was expected, found {found:?}");
            return Err(input_error(py, &message));
        }
        let Some(dims) = &self.dims else {
            return Ok(());
        };
        let fits = |(expected, found): (&Extent, &usize)| match expected {
            Extent::Fixed(expected) => expected == found,
            Extent::Free(_) => true,
        };
        if dims.len() == found.len() && dims.iter().zip(found).all(fits) {
            return Ok(());
        }
        let expected: Vec<String> = dims
            .iter()
            .map(|extent| match extent {
                Extent::Fixed(extent) => extent.to_string(),
                Extent::Free(Some(name)) => shadernet::printable::name(name),
                Extent::Free(None) => "?".to_owned(),
            })
            .collect();
        let message = format!(
            "{name}: an array of shape [{}] was expected ({} dimensions), found {found:?} ({})",
            expected.join(", "),
            dims.len(),
            found.len(),
        );
        Err(input_error(py, &message))
    }
}

/// NumPy's name of ONNX's type of elements; `None` for types that are not numbers. NumPy has no bfloat16, whose values
/// are float32 numbers.
fn numpy_name(onnx: &str) -> Option<&'static str> {
    const SAME: [&str; 10] = [
        "uint8", "int8", "uint16", "int16", "int32", "int64", "bool", "float16", "uint32", "uint64",
    ];
    match onnx {
        "float" | "bfloat16" => Some("float32"),
        "double" => Some("float64"),
        other => SAME.into_iter().find(|name| *name == other),
    }
}
