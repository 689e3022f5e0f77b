//! `[local]`: a convolution that has other weights at every pixel of its output.

use super::layers::{Output, activate, name};
use crate::graph::{Activation, Conv2d, GraphBuilder, Pad2d, ValueId};

/// More output pixels than any network has: Darknet's own have 7x7.
const MAX_PIXELS: usize = 1 << 10;

/// `[local]`. There is a convolution for each pixel of the output, of the part of the input that it sees, with
/// the parameters `layers.N.ROW_COLUMN.conv.*`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Local {
    pub filters: usize,
    pub size: usize,
    pub stride: usize,
    /// Zeros on all four sides.
    pub padding: usize,
    pub activation: Option<Activation>,
}

impl Local {
    pub(super) fn build(
        &self,
        b: &mut GraphBuilder,
        i: usize,
        x: Output,
    ) -> Result<Output, String> {
        let [c, h, w] = x.size;
        let padded = [h, w].map(|n| n.saturating_add(self.padding.saturating_mul(2)));
        let extent = |n: usize| {
            n.checked_sub(self.size)?
                .checked_div(self.stride)?
                .checked_add(1)
        };
        let [Some(out_h), Some(out_w)] = padded.map(extent) else {
            return Err(format!(
                "its {0}x{0} kernel, stride {1}, does not fit an input of {w}x{h}",
                self.size, self.stride
            ));
        };
        if out_h.saturating_mul(out_w) > MAX_PIXELS {
            return Err(format!(
                "its output has {out_w}x{out_h} pixels, each with weights of its own; at most {MAX_PIXELS} are \
                 supported"
            ));
        }
        let mut input = x.value;
        if self.padding > 0 {
            let side = signed(self.padding)?;
            input = b.node(
                format!("{}.pad", name(i)),
                Pad2d::zeros(side, side, side, side),
                &[input],
            );
        }
        let mut sum: Option<ValueId> = None;
        for (row, column) in (0..out_h).flat_map(|row| (0..out_w).map(move |column| (row, column)))
        {
            let part = |what: &str| format!("{}.{row}_{column}.{what}", name(i));
            // The pixels before and after the window.
            let around = |at: usize, padded: usize| {
                let first = at.saturating_mul(self.stride);
                [
                    first,
                    padded.saturating_sub(first.saturating_add(self.size)),
                ]
            };
            let ([top, bottom], [left, right]) =
                (around(row, padded[0]), around(column, padded[1]));
            let crop = Pad2d::crop([top, bottom, left, right])?;
            let seen = b.node(part("window"), crop, &[input]);
            let pixel = b.conv2d(part("conv"), seen, Conv2d::new(c, self.filters, self.size));
            let after = |at: usize, size: usize| signed(size.saturating_sub(at.saturating_add(1)));
            let place = Pad2d::zeros(
                signed(row)?,
                after(row, out_h)?,
                signed(column)?,
                after(column, out_w)?,
            );
            let placed = b.node(part("place"), place, &[pixel]);
            sum = Some(match sum {
                None => placed,
                Some(sum) => b.add(part("sum"), sum, placed),
            });
        }
        Ok(Output {
            // There is at least one pixel.
            value: activate(b, i, sum.unwrap_or(input), self.activation),
            size: [self.filters, out_h, out_w],
        })
    }
}

fn signed(n: usize) -> Result<isize, String> {
    isize::try_from(n).map_err(|_| format!("{n} pixels are too many"))
}
