//! A value as ONNX sees it: a value of the engine's graph, read in another order.
//!
//! Reshape, Transpose, Slice, Expand and their like change only how a value is read. They are not computed: the
//! importer keeps the order here, and a [`Rearrange`] is made of all of them together where an operator needs
//! the elements in order. Where the order in memory is the same, as of `[N, H * W, C]` and the map
//! `[N, C, H, W]`, which is stored by pixels, that takes no dispatch.

use super::host::HostKind;
use crate::graph::{Factor, Rearrange, ValueId, factors_by_dimension, merged_factors};
use crate::tensor::Shape;

/// The most factors of a [`Rearrange`].
const MAX_FACTORS: usize = 8;

/// A value of the engine's graph, and the order in which ONNX's value consists of its elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    pub value: ValueId,
    /// The shape of `value`.
    pub base: Shape,
    /// The extents of ONNX's value.
    pub dims: Vec<usize>,
    /// See [`Rearrange`]: the elements of `value` in the order of ONNX's value.
    pub factors: Vec<Factor>,
    pub offset: usize,
    /// What ONNX's elements are. All are stored as floating-point numbers, with 0 and 1 for booleans.
    pub kind: HostKind,
}

impl View {
    /// `value` itself, of shape `base`.
    pub fn whole(value: ValueId, base: Shape) -> Self {
        Self {
            value,
            dims: base.dims().to_vec(),
            factors: vec![Factor {
                extent: base.len(),
                stride: 1,
            }],
            base,
            offset: 0,
            kind: HostKind::Float,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.dims
            .iter()
            .fold(1, |len, &dim| len.saturating_mul(dim))
    }

    /// Whether the elements are those of `value` in its own order.
    pub fn is_in_order(&self) -> bool {
        let base = self.base.len();
        self.offset == 0
            && self.len() == base
            && (self.factors.iter().all(|f| f.extent == 1)
                || merged_factors(self.factors.iter().copied())
                    == [Factor {
                        extent: base,
                        stride: 1,
                    }])
    }

    /// Whether every element of `value` is read exactly once.
    pub fn is_permutation(&self) -> bool {
        let mut factors = merged_factors(self.factors.iter().copied());
        factors.sort_by_key(|factor| factor.stride);
        let mut next = 1_usize;
        for factor in factors.iter().filter(|factor| factor.extent > 1) {
            if usize::try_from(factor.stride) != Ok(next) {
                return false;
            }
            next = next.saturating_mul(factor.extent);
        }
        self.offset == 0 && next == self.base.len()
    }

    /// The same elements with other extents. Their number must be the same.
    pub fn reshaped(mut self, dims: Vec<usize>) -> Self {
        self.dims = dims;
        self
    }

    /// Another value of the same base shape, read in the same order.
    pub fn with_value(&self, value: ValueId) -> Self {
        Self {
            value,
            ..self.clone()
        }
    }

    /// The factors that each dimension consists of; `None` where a factor spans parts of several.
    pub fn by_dimension(&self) -> Option<Vec<Vec<Factor>>> {
        factors_by_dimension(&self.factors, &self.dims)
    }

    /// The dimensions in the order `order`, as `Transpose` does. `None` where it cannot be expressed.
    pub fn transposed(&self, order: &[usize]) -> Option<Self> {
        let parts = self.by_dimension()?;
        let factors = order.iter().map(|&axis| parts.get(axis).cloned());
        let factors: Vec<Factor> = factors.collect::<Option<Vec<_>>>()?.concat();
        let dims = order.iter().map(|&axis| self.dims.get(axis).copied());
        self.with_factors(dims.collect::<Option<_>>()?, factors, self.offset)
    }

    /// `count` elements along `axis`, from `start` on, `step` apart. All must exist. `None` where it cannot be
    /// expressed.
    pub fn sliced(&self, axis: usize, start: usize, step: isize, count: usize) -> Option<Self> {
        let mut parts = self.by_dimension()?;
        let own = parts.get_mut(axis)?;
        let mut dims = self.dims.clone();
        if (start, step, count) == (0, 1, *dims.get(axis)?) {
            return Some(self.clone());
        }
        let along = merged_factors(own.iter().copied());
        let stride = match along[..] {
            [] => 0,
            [factor] => factor.stride,
            _ => return None,
        };
        *own = vec![Factor {
            extent: count,
            stride: stride.checked_mul(step)?,
        }];
        let skipped = isize::try_from(start).ok()?.checked_mul(stride)?;
        let offset = self.offset.checked_add_signed(skipped)?;
        *dims.get_mut(axis)? = count;
        self.with_factors(dims, parts.concat(), offset)
    }

    /// NumPy's `broadcast_to`. `None` where it cannot be expressed, and where the shapes do not fit.
    pub fn broadcast_to(&self, dims: &[usize]) -> Option<Self> {
        let missing = dims.len().checked_sub(self.dims.len())?;
        let own = [vec![1; missing], self.dims.clone()].concat();
        let mut parts = [vec![Vec::new(); missing], self.by_dimension()?].concat();
        for ((own, &wanted), part) in own.iter().zip(dims).zip(&mut parts) {
            match *own {
                own if own == wanted => {}
                1 => {
                    *part = vec![Factor {
                        extent: wanted,
                        stride: 0,
                    }];
                }
                _ => return None,
            }
        }
        self.with_factors(dims.to_vec(), parts.concat(), self.offset)
    }

    fn with_factors(&self, dims: Vec<usize>, factors: Vec<Factor>, offset: usize) -> Option<Self> {
        let factors = merged_factors(factors);
        (factors.len() <= MAX_FACTORS).then(|| Self {
            value: self.value,
            base: self.base.clone(),
            dims,
            factors,
            offset,
            kind: self.kind,
        })
    }

    /// The dimension that is the channels of `value`, where it is one, and the rest are its pixels.
    pub fn channel_axis(&self) -> Option<usize> {
        if !self.is_permutation() {
            return None;
        }
        let [_, channels, height, width] = self.base.nchw();
        let pixels = isize::try_from(height.checked_mul(width)?).ok()?;
        if channels == 1 {
            return None;
        }
        let own = [Factor {
            extent: channels,
            stride: pixels,
        }];
        (self.by_dimension()?.iter())
            .position(|factors| merged_factors(factors.iter().copied()) == own)
    }

    /// `value`, of shape `base`, read in the same order: a map with the same pixels, and other channels. `None`
    /// where no dimension is the channels.
    pub fn with_channels(&self, value: ValueId, base: Shape) -> Option<Self> {
        let axis = self.channel_axis()?;
        let [_, old, height, width] = self.base.nchw();
        let channels = base.nchw()[1];
        let pixels = isize::try_from(height.checked_mul(width)?).ok()?;
        let image = pixels.checked_mul(isize::try_from(old).ok()?)?;
        let mut dims = self.dims.clone();
        *dims.get_mut(axis)? = channels;
        let mut parts = self.by_dimension()?;
        *parts.get_mut(axis)? = vec![Factor {
            extent: channels,
            stride: pixels,
        }];
        // Images are further apart, or closer together.
        let others = parts.iter_mut().enumerate().filter(|(i, _)| *i != axis);
        for factor in others.flat_map(|(_, part)| part) {
            if factor.stride >= image {
                let step = factor.stride.checked_div(image)?.checked_mul(pixels)?;
                factor.stride = step.checked_mul(isize::try_from(channels).ok()?)?;
            }
        }
        let view = Self {
            value,
            base,
            ..self.clone()
        };
        view.with_factors(dims, parts.concat(), 0)
    }

    /// What makes a value of shape `dims` of it.
    pub fn rearrange(&self) -> Rearrange {
        Rearrange {
            input: self.base.clone(),
            output: Shape::from(&self.dims[..]),
            factors: match merged_factors(self.factors.iter().copied()) {
                factors if factors.is_empty() => vec![Factor {
                    extent: 1,
                    stride: 0,
                }],
                factors => factors,
            },
            offset: self.offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A view, and the index in its value of each of its elements, computed one by one.
    struct Checked {
        view: View,
        indexes: Vec<usize>,
    }

    impl Checked {
        fn new(dims: &[usize]) -> Self {
            let base = Shape::from(dims);
            Self {
                indexes: (0..base.len()).collect(),
                view: View::whole(ValueId::new(0), base),
            }
        }

        /// The elements whose positions `position` gives for each position of a result of `dims`.
        fn pick(
            &self,
            view: View,
            dims: &[usize],
            position: impl Fn(&[usize]) -> Vec<usize>,
        ) -> Self {
            let len: usize = dims.iter().product();
            let indexes = (0..len).map(|mut index| {
                let mut at = vec![0; dims.len()];
                for (at, dim) in at.iter_mut().zip(dims).rev() {
                    *at = index % dim;
                    index /= dim;
                }
                let source = position(&at);
                let linear = source
                    .iter()
                    .zip(&self.view.dims)
                    .fold(0, |sum, (at, dim)| sum * dim + at);
                self.indexes[linear]
            });
            let next = Self {
                indexes: indexes.collect(),
                view,
            };
            assert_eq!(next.view.dims, dims);
            assert_eq!(next.view_indexes(), next.indexes);
            next
        }

        /// The indexes that the factors say.
        fn view_indexes(&self) -> Vec<usize> {
            let factors = &self.view.factors;
            (0..self.view.len())
                .map(|mut index| {
                    let mut sum = self.view.offset as isize;
                    for factor in factors.iter().rev() {
                        sum += (index % factor.extent) as isize * factor.stride;
                        index /= factor.extent;
                    }
                    sum as usize
                })
                .collect()
        }

        fn transposed(&self, order: &[usize]) -> Self {
            let dims: Vec<usize> = order.iter().map(|&axis| self.view.dims[axis]).collect();
            self.pick(self.view.transposed(order).unwrap(), &dims, |at| {
                let mut source = vec![0; at.len()];
                for (&axis, &at) in order.iter().zip(at) {
                    source[axis] = at;
                }
                source
            })
        }

        fn reshaped(self, dims: &[usize]) -> Self {
            Self {
                view: self.view.reshaped(dims.to_vec()),
                ..self
            }
        }

        fn sliced(&self, axis: usize, start: usize, step: isize, count: usize) -> Self {
            let mut dims = self.view.dims.clone();
            dims[axis] = count;
            self.pick(
                self.view.sliced(axis, start, step, count).unwrap(),
                &dims,
                |at| {
                    let mut source = at.to_vec();
                    source[axis] = (start as isize + at[axis] as isize * step) as usize;
                    source
                },
            )
        }

        fn broadcast(&self, dims: &[usize]) -> Self {
            let missing = dims.len() - self.view.dims.len();
            self.pick(self.view.broadcast_to(dims).unwrap(), dims, |at| {
                let own = self.view.dims.iter().zip(&at[missing..]);
                own.map(|(&dim, &at)| if dim == 1 { 0 } else { at })
                    .collect()
            })
        }
    }

    #[test]
    fn a_channel_shuffle_is_one_view() {
        let x = Checked::new(&[2, 6, 3, 5]).reshaped(&[2, 3, 2, 3, 5]);
        let shuffled = x.transposed(&[0, 2, 1, 3, 4]).reshaped(&[2, 6, 3, 5]);
        assert!(shuffled.view.is_permutation());
        assert!(!shuffled.view.is_in_order());
        // And back.
        let back = shuffled
            .reshaped(&[2, 2, 3, 3, 5])
            .transposed(&[0, 2, 1, 3, 4]);
        assert!(back.view.is_in_order());
    }

    #[test]
    fn parts_of_parts_are_views() {
        let x = Checked::new(&[4, 1, 6, 5]);
        let x = x
            .sliced(2, 5, -2, 3)
            .sliced(3, 1, 1, 3)
            .transposed(&[3, 0, 2, 1]);
        let wide = x.broadcast(&[2, 3, 4, 3, 7]);
        assert!(!wide.view.is_permutation());
        let _ = wide.transposed(&[4, 1, 0, 3, 2]).sliced(0, 6, -3, 2);
    }

    #[test]
    fn rows_of_pixels_have_channels() {
        let x = Checked::new(&[2, 6, 3, 5]);
        assert_eq!(x.view.channel_axis(), Some(1));
        let rows = x.transposed(&[0, 2, 3, 1]).reshaped(&[2, 15, 6]);
        assert_eq!(rows.view.channel_axis(), Some(2));
        assert_eq!(rows.sliced(2, 0, 1, 5).view.channel_axis(), None);
    }

    #[test]
    fn channels_can_be_replaced() {
        for order in [[0, 2, 3, 1], [0, 1, 2, 3], [2, 3, 1, 0]] {
            let view = |channels| Checked::new(&[2, channels, 3, 5]).transposed(&order).view;
            let (value, base) = (ValueId::new(0), Shape::from([2, 4, 3, 5]));
            assert_eq!(view(6).with_channels(value, base), Some(view(4)));
        }
    }

    #[test]
    fn dimensions_that_cross_factors_are_no_view() {
        let x = Checked::new(&[4, 6]).transposed(&[1, 0]).reshaped(&[8, 3]);
        assert_eq!(x.view.transposed(&[1, 0]), None);
    }
}
