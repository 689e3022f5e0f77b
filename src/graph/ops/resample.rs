use super::{Operator, expect_one_input, map_dims};
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// Resizing of an `[N, C, H, W]` map by any separable filter: an output pixel is a weighted sum of a rectangle of
/// input pixels, whose weights are products of one for its row and one for its column. The weights are numbers, so
/// that every rule of positions, rounding and edges is computed once, when the graph is built.
///
/// ```
/// use shadernet::graph::{Resample, TapWindow, Taps};
///
/// // Columns are averaged in pairs.
/// let half = |first| TapWindow { first, weights: vec![0.5, 0.5] };
/// let columns = Taps { input: 4, windows: vec![half(0), half(2)] };
/// let op = Resample { rows: Taps::identity(3), columns, outside: 0.0 };
/// assert_eq!(op.rows.windows.len(), 3);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Resample {
    /// For every output row, the input rows that it is made of.
    pub rows: Taps,
    /// For every output column, the input columns that it is made of.
    pub columns: Taps,
    /// The value of output pixels whose row or column is made of nothing.
    pub outside: f32,
}

/// What the pixels along one axis are made of, see [`Resample`].
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    /// The number of input pixels, at most [`Taps::MAX_INPUT`].
    pub input: usize,
    /// For every output pixel, the input pixels that it is made of.
    pub windows: Vec<TapWindow>,
}

/// Neighboring input pixels with their weights, see [`Taps`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TapWindow {
    /// The first input pixel.
    pub first: usize,
    /// The weights of that pixel and those after it.
    pub weights: Vec<f32>,
}

impl Taps {
    /// The most input pixels along an axis: shaders read their numbers as float32.
    pub const MAX_INPUT: usize = 1 << 24;

    /// The most weights along an axis, if all windows had as many as the largest: what fits any device's binding.
    pub const MAX_WEIGHTS: usize = 1 << 21;

    /// Every output pixel is the input pixel at the same position.
    pub fn identity(size: usize) -> Self {
        let pixel = |first| TapWindow {
            first,
            weights: vec![1.0],
        };
        Self {
            input: size,
            windows: (0..size).map(pixel).collect(),
        }
    }

    /// As [`Self::identity`], for an extent from a file: `None` where a table for it would be too large.
    #[cfg(feature = "onnx")]
    pub(crate) fn small_identity(size: usize) -> Option<Self> {
        (size <= Self::MAX_WEIGHTS).then(|| Self::identity(size))
    }

    /// The most taps of a window.
    pub fn max_taps(&self) -> usize {
        let counts = self.windows.iter().map(|window| window.weights.len());
        counts.max().unwrap_or(0)
    }

    /// For every input pixel, the output pixels that it contributes to. The pixels must exist.
    fn transposed(&self) -> Self {
        let mut windows = vec![TapWindow::default(); self.input];
        for (output, window) in self.windows.iter().enumerate() {
            for (target, &weight) in windows[window.first..].iter_mut().zip(&window.weights) {
                if target.weights.is_empty() {
                    target.first = output;
                }
                // Outputs in between may not read this pixel.
                target.weights.resize(output - target.first, 0.0);
                target.weights.push(weight);
            }
        }
        Self {
            input: self.windows.len(),
            windows,
        }
    }

    fn check(&self, what: &str) -> Result<(), String> {
        if self.input > Self::MAX_INPUT {
            return Err(format!(
                "it has {} input {what}; at most {} are possible",
                self.input,
                Self::MAX_INPUT
            ));
        }
        if self.windows.is_empty() {
            return Err(format!("it has no output {what}"));
        }
        let weights = self.max_taps().saturating_mul(self.windows.len());
        if weights > Self::MAX_WEIGHTS {
            return Err(format!(
                "its output {what} have {weights} weights; at most {} are possible",
                Self::MAX_WEIGHTS
            ));
        }
        let is_inside = |window: &TapWindow| {
            let end = window.first.checked_add(window.weights.len());
            end.is_some_and(|end| end <= self.input)
        };
        match self.windows.iter().position(|window| !is_inside(window)) {
            None => Ok(()),
            Some(i) => Err(format!(
                "of its output {what}, number {i} reads beyond the {} input {what}",
                self.input
            )),
        }
    }
}

impl Operator for Resample {
    fn kind(&self) -> &'static str {
        "Resample"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        self.rows.check("rows")?;
        self.columns.check("columns")
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, h, w] = map_dims(inputs[0])?;
        let expected = [self.rows.input, self.columns.input];
        if [h, w] != expected {
            return Err(format!(
                "it resizes maps of {}x{}, but its input is {}",
                expected[0], expected[1], inputs[0]
            ));
        }
        let (rows, columns) = (self.rows.windows.len(), self.columns.windows.len());
        Ok(Shape::from([n, c, rows, columns]))
    }

    fn reach(&self, inputs: &[&Shape], output: &Shape) -> Reach {
        let ([_, _, h, w], [_, _, out_h, out_w]) = (inputs[0].nchw(), output.nchw());
        Reach::Upsampled {
            size: [&self.rows, &self.columns].map(|taps| taps.max_taps().max(1)),
            factor: [out_h as f64 / h as f64, out_w as f64 / w as f64],
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        // Pixels that nothing was made of have no gradient.
        let op = Self {
            rows: self.rows.transposed(),
            columns: self.columns.transposed(),
            outside: 0.0,
        };
        Ok(vec![Some(backward.node(op, &[gradient]))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_restores_the_weights() {
        let window = |first, weights: &[f32]| TapWindow {
            first,
            weights: weights.to_vec(),
        };
        let taps = Taps {
            input: 5,
            windows: vec![
                window(3, &[2.0, 3.0]),
                window(0, &[]),
                window(1, &[5.0, 7.0, 11.0]),
            ],
        };
        let once = taps.transposed();
        assert_eq!(once.input, 3);
        // Pixel 3 is read by the first and the last output, not by the one in between.
        assert_eq!(once.windows[3], window(0, &[2.0, 0.0, 11.0]));
        assert_eq!(once.windows[0], window(0, &[]));
        assert_eq!(once.transposed().transposed(), once);
    }
}
