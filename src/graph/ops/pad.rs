use super::{Operator, expect_inputs, expect_one_input, expect_possible, map_dims};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// Adds pixels around an `[N, C, H, W]` map, or crops them where negative, as PyTorch's `pad`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pad2d {
    /// Rows above.
    pub top: isize,
    /// Rows below.
    pub bottom: isize,
    /// Columns on the left.
    pub left: isize,
    /// Columns on the right.
    pub right: isize,
    /// The value of the added pixels.
    pub value: f32,
}

impl Pad2d {
    /// Adds zeros, or crops pixels where negative.
    pub fn zeros(top: isize, bottom: isize, left: isize, right: isize) -> Self {
        Self {
            top,
            bottom,
            left,
            right,
            value: 0.0,
        }
    }

    /// Crops `[top, bottom, left, right]` pixels.
    pub(crate) fn crop(sides: [usize; 4]) -> Result<Self, String> {
        let mut crop = Self::zeros(0, 0, 0, 0);
        let negative = [
            &mut crop.top,
            &mut crop.bottom,
            &mut crop.left,
            &mut crop.right,
        ];
        for (negative, side) in negative.into_iter().zip(sides) {
            *negative = 0_isize
                .checked_sub_unsigned(side)
                .ok_or_else(|| format!("it crops {side} pixels"))?;
        }
        Ok(crop)
    }
}

impl Operator for Pad2d {
    fn kind(&self) -> &'static str {
        "Pad2d"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        expect_possible(&[
            ("number of rows above", self.top.unsigned_abs()),
            ("number of rows below", self.bottom.unsigned_abs()),
            ("number of columns on the left", self.left.unsigned_abs()),
            ("number of columns on the right", self.right.unsigned_abs()),
        ])
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, h, w] = map_dims(inputs[0])?;
        // As in PyTorch, the input must have the pixels that are cropped.
        let extent = |size: usize, before: isize, after: isize| {
            let left = size.checked_add_signed(before.min(0))?;
            let left = left.checked_add_signed(after.min(0))?;
            left.checked_add_signed(before.max(0))?
                .checked_add_signed(after.max(0))
        };
        match (
            extent(h, self.top, self.bottom),
            extent(w, self.left, self.right),
        ) {
            (Some(h), Some(w)) => Ok(Shape::from([n, c, h, w])),
            _ => Err(format!(
                "it crops more pixels than its input {} has: [{}, {}, {}, {}]",
                inputs[0], self.top, self.bottom, self.left, self.right
            )),
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        // Added pixels are cropped off the gradient, and cropped pixels have a gradient of 0.
        // `check` has bounded them.
        let [top, bottom, left, right] =
            [self.top, self.bottom, self.left, self.right].map(isize::saturating_neg);
        let cut = Self::zeros(top, bottom, left, right);
        Ok(vec![Some(backward.node(cut, &[gradient]))])
    }
}

/// Brings the first input to the height and width of the second about its center: crops it where it is
/// larger and pads it with zeros where it is smaller. If the difference is odd, the larger half is at the
/// bottom or right. Only the shape of the second input matters.
///
/// U-Nets do this before they concatenate a skip connection: they crop the skip (Ronneberger et al. 2015)
/// or pad the upsampled map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CenterCropOrPad;

impl CenterCropOrPad {
    /// Pixels added to a map of height and width `input` to give it those of `output`, negative where they
    /// are cropped: top, bottom, left, right.
    pub(crate) fn sides(input: [usize; 2], output: [usize; 2]) -> [isize; 4] {
        let along = |axis: usize| {
            // Extents of tensors that exist are far below isize's range.
            let difference = (output[axis] as isize).saturating_sub_unsigned(input[axis]);
            // Half, rounded toward zero: a crop of 3 starts at 1, as a padding of 3 does.
            let before = difference / 2;
            [before, difference.saturating_sub(before)]
        };
        let ([top, bottom], [left, right]) = (along(0), along(1));
        [top, bottom, left, right]
    }
}

impl Operator for CenterCropOrPad {
    fn kind(&self) -> &'static str {
        "CenterCropOrPad"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, _, _] = map_dims(inputs[0])?;
        let [_, _, h, w] = map_dims(inputs[1])?;
        Ok(Shape::from([n, c, h, w]))
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let [_, _, h, w] = backward.input_shape(0).nchw();
        let [_, _, out_h, out_w] = backward.output_shape().nchw();
        let sides = Self::sides([h, w], [out_h, out_w]);
        let [top, bottom, left, right] = sides.map(isize::saturating_neg);
        let node = backward.node(Pad2d::zeros(top, bottom, left, right), &[gradient]);
        Ok(vec![Some(node), None])
    }
}
