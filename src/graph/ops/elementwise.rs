use super::Operator;
use crate::tensor::Shape;

/// An element-wise function of two values of the same shape. The second may have height and width
/// 1 (or a batch of 1), and then serves every pixel (or image), as squeeze-and-excite scales do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
    /// The larger; NaN wins.
    Max,
    /// The smaller; NaN wins.
    Min,
}

impl Operator for Binary {
    fn kind(&self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Max => "Maximum",
            Self::Min => "Minimum",
        }
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        match inputs {
            2 => Ok(()),
            found => Err(format!("it takes 2 inputs, but {found} were given")),
        }
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let (a, b) = (inputs[0], inputs[1]);
        let fits = a.rank() == b.rank()
            && a.rank() >= 2
            && (a.dims().iter().zip(b.dims()).enumerate())
                .all(|(i, (a, b))| a == b || (i != 1 && *b == 1));
        if !fits {
            return Err(format!(
                "its inputs have shapes {a} and {b}; they must be equal, or the second 1 in batch, height or width"
            ));
        }
        Ok(a.clone())
    }
}
