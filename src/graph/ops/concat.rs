use super::Operator;
use crate::graph::list;
use crate::tensor::Shape;

/// Concatenation of one or more values along the channels, dimension 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Concat;

impl Operator for Concat {
    fn kind(&self) -> &'static str {
        "Concat"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        match inputs {
            0 => Err("it takes at least 1 input, but none was given".to_owned()),
            _ => Ok(()),
        }
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let first = inputs[0].dims();
        let fits = |shape: &&Shape| {
            let dims = shape.dims();
            dims.len() >= 2
                && dims.len() == first.len()
                && dims[0] == first[0]
                && dims[2..] == first[2..]
        };
        if !inputs.iter().all(fits) {
            return Err(format!(
                "its inputs have shapes {}; all but the channels must be equal",
                list(inputs)
            ));
        }
        let mut dims = first.to_vec();
        dims[1] = inputs.iter().map(|shape| shape.dims()[1]).sum();
        Ok(Shape::from(dims))
    }
}
