use super::{Operator, Parameter, expect_one_input, expect_positive};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// Looks up a row of a table for each token id: ids `[N, L]` to a map of one row, `[N, dim, 1, L]`, ready
/// for convolutions along the tokens. (PyTorch's `Embedding`, followed by `permute(0, 2, 1)` and
/// `unsqueeze(2)`.)
///
/// Ids are whole numbers in float32 and must come from a graph input made by
/// [`Input::ids`](super::Input::ids). An id out of range gives NaN, because a shader cannot report an
/// error.
///
/// Parameter: `weight` `[num_embeddings, dim]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Embedding {
    /// Rows of the table: ids are `0..num_embeddings`.
    pub num_embeddings: usize,
    /// Elements of a row.
    pub dim: usize,
}

impl Operator for Embedding {
    fn kind(&self) -> &'static str {
        "Embedding"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        expect_positive(&[
            ("number of embeddings", self.num_embeddings),
            ("dimension", self.dim),
        ])?;
        // Ids are float32, exact up to 2^24.
        match self.num_embeddings <= 1 << 24 {
            true => Ok(()),
            false => Err(format!(
                "it has {} rows; ids are exact up to 2^24 only",
                self.num_embeddings
            )),
        }
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::learned(
            "weight",
            [self.num_embeddings, self.dim],
        )]
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs[0].dims() {
            [n, l] => Ok(Shape::from([*n, self.dim, 1, *l])),
            _ => Err(format!(
                "it takes ids [N, L], but its input is {}",
                inputs[0]
            )),
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        // Ids are discrete: there is no derivative with respect to them.
        let _ = (backward, gradient);
        Ok(vec![None])
    }
}
