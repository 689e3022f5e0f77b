use super::{Operator, SliceChannels};
use crate::graph::list;
use crate::graph::{Backward, ValueId};
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
                "its inputs have shapes {}; all extents but the channels must be equal",
                list(inputs)
            ));
        }
        let mut dims = first.to_vec();
        // Shape inference refuses more than is possible.
        dims[1] = (inputs.iter()).fold(0, |sum: usize, shape| sum.saturating_add(shape.dims()[1]));
        Ok(Shape::from(dims))
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        // `output_shape` has checked that every input has a dimension 1.
        let inputs = backward.input_count();
        let mut end = 0_usize;
        (0..inputs)
            .map(|i| {
                let start = end;
                end = start.saturating_add(backward.input_shape(i).dims()[1]);
                let part = SliceChannels { start, end };
                Ok((backward.needs_gradient(i)).then(|| backward.node(part, &[gradient])))
            })
            .collect()
    }
}
