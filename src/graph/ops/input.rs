use super::Operator;
use crate::tensor::Shape;

/// A graph input. Extents are fixed where `Some` and free where `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    dims: Vec<Option<usize>>,
    ids: bool,
}

impl Input {
    /// An input of these extents.
    pub fn new(dims: &[Option<usize>]) -> Self {
        Self {
            dims: dims.to_vec(),
            ids: false,
        }
    }

    /// Token ids `[N, length]`, whole numbers in float32, which only an `Embedding` can read. They are
    /// never stored as float16, which cannot represent every whole number above 2048.
    pub fn ids(length: Option<usize>) -> Self {
        Self {
            dims: vec![None, length],
            ids: true,
        }
    }

    /// Whether these are token ids.
    pub fn is_ids(&self) -> bool {
        self.ids
    }

    /// `[N, channels, H, W]` of any batch and size.
    pub fn image(channels: usize) -> Self {
        Self::new(&[None, Some(channels), None, None])
    }

    /// Fixes every extent but the batch to those of `shape`.
    pub(in crate::graph) fn fix(&mut self, shape: &Shape) {
        for (declared, found) in self.dims.iter_mut().zip(shape.dims()).skip(1) {
            *declared = Some(*found);
        }
    }

    /// The declared extents.
    pub fn dims(&self) -> &[Option<usize>] {
        &self.dims
    }

    fn pattern(&self) -> String {
        let names = ["N", "C", "H", "W"];
        let dims: Vec<String> = self
            .dims
            .iter()
            .enumerate()
            .map(|(i, dim)| match dim {
                Some(dim) => dim.to_string(),
                None => names.get(i).unwrap_or(&"_").to_string(),
            })
            .collect();
        format!("[{}]", dims.join(", "))
    }
}

impl Operator for Input {
    fn kind(&self) -> &'static str {
        "Input"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        match inputs {
            0 => Ok(()),
            _ => Err("an input reads no values".to_owned()),
        }
    }

    /// `inputs` is the shape of the tensor passed for it.
    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let given = inputs[0];
        let fits = given.rank() == self.dims.len()
            && (given.dims().iter().zip(&self.dims))
                .all(|(found, declared)| declared.is_none_or(|d| d == *found));
        if !fits {
            return Err(format!("expected {}, found {given}", self.pattern()));
        }
        if given.is_empty() {
            return Err(format!(
                "expected {}, found {given}: no extent may be zero",
                self.pattern()
            ));
        }
        Ok(given.clone())
    }
}
