//! Whether shapes fit a model's inputs.

use super::model::{OnnxDim, OnnxModel};
use crate::error::{Error, Result};
use crate::printable;
use crate::tensor::Shape;

impl OnnxModel {
    /// Refuses shapes that do not fit the inputs, and inputs of types that are not supported.
    pub(super) fn check_inputs(&self, shapes: &[Shape]) -> Result<()> {
        let inputs = self.inputs();
        if inputs.len() != shapes.len() {
            let names: Vec<String> = (inputs.iter()).map(|i| printable::name(&i.name)).collect();
            return Err(Error::Inputs(format!(
                "the model takes {} input(s) ({}), but {} were given",
                inputs.len(),
                names.join(", "),
                shapes.len()
            )));
        }
        for (input, shape) in inputs.iter().zip(shapes) {
            let name = printable::name(&input.name);
            if input.element_type.size().is_none() {
                return Err(self.error(format!(
                    "its input '{name}' is of type {}; only numbers and booleans are supported",
                    input.element_type
                )));
            }
            let Some(dims) = &input.dims else {
                continue;
            };
            let fits = dims.len() == shape.rank()
                && dims
                    .iter()
                    .zip(shape.dims())
                    .all(|(dim, &found)| match dim {
                        OnnxDim::Fixed(extent) => *extent == found,
                        OnnxDim::Free(_) => true,
                    });
            if !fits {
                let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
                return Err(Error::Inputs(format!(
                    "input '{name}' is [{}] in the model; {shape} was given",
                    dims.join(", ")
                )));
            }
        }
        Ok(())
    }
}
