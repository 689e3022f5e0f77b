use super::{expect_possible, window_extent};

/// Padding around a map before a window slides over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Padding {
    /// A number of rows and columns for each side.
    Explicit {
        /// Rows above.
        top: usize,
        /// Rows below.
        bottom: usize,
        /// Columns on the left.
        left: usize,
        /// Columns on the right.
        right: usize,
    },
    /// TensorFlow's `SAME`: the padding that gives an output of `ceil(input / stride)`, split in half, the
    /// larger half at the bottom or right.
    Same,
}

impl Padding {
    /// The same number on all four sides.
    pub const fn all(size: usize) -> Self {
        Self::hw(size, size)
    }

    /// `h` rows above and below, `w` columns on the left and right.
    pub const fn hw(h: usize, w: usize) -> Self {
        Self::Explicit {
            top: h,
            bottom: h,
            left: w,
            right: w,
        }
    }

    /// Checks that no side has more than is possible.
    pub(super) fn check(self) -> Result<(), String> {
        match self {
            Self::Explicit {
                top,
                bottom,
                left,
                right,
            } => expect_possible(&[
                ("padding at the top", top),
                ("padding at the bottom", bottom),
                ("padding on the left", left),
                ("padding on the right", right),
            ]),
            Self::Same => Ok(()),
        }
    }

    /// The padding for a map of `size` (height, width): `[top, bottom, left, right]`.
    pub fn resolve(
        self,
        size: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
    ) -> [usize; 4] {
        match self {
            Self::Explicit {
                top,
                bottom,
                left,
                right,
            } => [top, bottom, left, right],
            Self::Same => {
                let total = |i: usize| {
                    // The last window starts at the last multiple of the stride within the map.
                    let start = size[i].saturating_sub(1) / stride[i].max(1) * stride[i];
                    let end = start.saturating_add(window_extent(kernel[i], dilation[i]));
                    end.saturating_sub(size[i])
                };
                let (h, w) = (total(0), total(1));
                [h / 2, h.div_ceil(2), w / 2, w.div_ceil(2)]
            }
        }
    }
}

impl From<usize> for Padding {
    fn from(size: usize) -> Self {
        Self::all(size)
    }
}

impl From<[usize; 4]> for Padding {
    /// `[top, bottom, left, right]`.
    fn from([top, bottom, left, right]: [usize; 4]) -> Self {
        Self::Explicit {
            top,
            bottom,
            left,
            right,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_matches_tensorflow() {
        let same = |size, kernel, stride| {
            Padding::Same.resolve([size; 2], [kernel; 2], [stride; 2], [1; 2])
        };
        // Even sizes, stride 2: kernel 3 pads after only, kernel 5 pads 1 before and 2 after.
        assert_eq!(same(224, 3, 2), [0, 1, 0, 1]);
        assert_eq!(same(112, 5, 2), [1, 2, 1, 2]);
        // Symmetric for these odd sizes, and at stride 1.
        assert_eq!(same(7, 3, 2), [1, 1, 1, 1]);
        assert_eq!(same(9, 5, 1), [2, 2, 2, 2]);
        assert_eq!(same(1, 1, 2), [0, 0, 0, 0]);
    }
}
