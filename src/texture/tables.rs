//! What the kernel reads besides the texture: the resampling weights of both axes, the normalized value of each
//! byte, and the uniform block.

use crate::gpu::uniform::uniforms;
use crate::kernels::nested;
use crate::vision::{
    Axis as Window, ChannelOrder, FilterWeights, ImageTransform, Interpolation, Preprocessing,
};

/// The most pixels that an invocation computes, all of one column. As in `shaders/preprocess.wgsl`.
const STRIP: u32 = 4;

uniforms! {
    /// One axis of the input, as in the shader.
    struct Axis {
        whole: u32,
        padding: u32,
        len: u32,
        table: u32,
    }

    /// The uniform block.
    pub(super) struct Params for PREPROCESS {
        x: Axis,
        y: Axis,
        strip: u32,
        normalized: u32,
        /// Elements before the image in the input.
        offset: u32,
        reversed: u32,
        background: [u32; 4],
    }
}

/// The contents of the storage buffer, and the uniform block of a batch's first image.
pub(super) struct Tables {
    pub values: Vec<i32>,
    pub params: Params,
}

impl Tables {
    /// For a texture of `size`, width and height. The preprocessing has been checked.
    pub fn new([width, height]: [u32; 2], preprocessing: &Preprocessing) -> Self {
        let [channels, to_height, to_width] = preprocessing.input_size;
        let ImageTransform { x, left, y, top } = preprocessing.image_transform(width, height);
        let interpolation = preprocessing.interpolation;
        let mut values = Vec::new();
        let x = add_axis(&mut values, x, interpolation, left, to_width);
        let y = add_axis(&mut values, y, interpolation, top, to_height);
        let normalized = values.len() as u32;
        let mut background = [0; 4];
        let order = preprocessing.channel_order;
        for channel in 0..channels {
            let bits = preprocessing
                .normalization_table(channel)
                .map(|value| value.to_bits() as i32);
            values.extend(bits);
            // An image has at most three channels, which was checked.
            background[order.source(channel, channels)] =
                preprocessing.padding_byte(channel).into();
        }
        let params = Params {
            x,
            y,
            // Filters whose supports do not overlap share no texels, and would read rows in between.
            strip: match interpolation {
                Interpolation::Nearest | Interpolation::Darknet => 1,
                _ => STRIP,
            },
            normalized,
            offset: 0,
            reversed: u32::from(order == ChannelOrder::Bgr),
            background,
        };
        Self { values, params }
    }
}

impl Params {
    /// The same with strips of as many pixels as `limit`, a driver's limit of loop iterations, allows, and the most
    /// iterations of an invocation.
    pub fn within(self, values: &[i32], limit: Option<u64>) -> (Self, u64) {
        let mut params = self;
        loop {
            let iterations = params.loop_iterations(values);
            if params.strip == 1 || limit.is_none_or(|limit| iterations <= limit) {
                return (params, iterations);
            }
            params.strip -= 1;
        }
    }

    /// The most loop iterations of an invocation: pairs of the rows that a strip needs, by taps of a column.
    fn loop_iterations(&self, values: &[i32]) -> u64 {
        let column = |axis: &Axis, first: u32| {
            let first = axis.table as usize + first as usize;
            let found = values.get(first..).unwrap_or_default();
            found
                .iter()
                .take(axis.len as usize)
                .map(|&value| u64::from(value.unsigned_abs()))
        };
        let taps = column(&self.x, self.x.len).max().unwrap_or(0);
        let starts: Vec<u64> = column(&self.y, 0).collect();
        let ends: Vec<u64> = (starts.iter().zip(column(&self.y, self.y.len)))
            .map(|(start, count)| start + count)
            .collect();
        let strip = self.strip.max(1) as usize;
        let rows = (0..starts.len())
            .map(|first| {
                let end = starts.len().min(first + strip);
                let end_row = ends[first..end].iter().max().copied().unwrap_or(0);
                end_row.saturating_sub(starts[first])
            })
            .max();
        nested([rows.unwrap_or(0).div_ceil(2), taps])
    }

    /// The uniform block of an image at `offset` elements in the input.
    pub fn at(self, offset: usize) -> Self {
        Self {
            // Bindings are far smaller than 2^32 elements.
            offset: offset as u32,
            ..self
        }
    }

    /// The number of invocations for an image.
    pub fn invocations(&self) -> u64 {
        u64::from(self.x.whole) * u64::from(self.y.whole.div_ceil(self.strip))
    }
}

/// Appends an axis: all starts, all counts, then all first weights, all second weights and so on, so that
/// neighboring invocations read neighboring values. Missing weights are zero.
///
/// An input's side is at most [`crate::vision::MAX_SIDE`] and has a weight or two more than its source has
/// pixels per tap of the filter, so that all numbers are far below 2³¹.
fn add_axis(
    values: &mut Vec<i32>,
    window: Window,
    interpolation: Interpolation,
    padding: usize,
    whole: usize,
) -> Axis {
    let weights = FilterWeights::for_interpolation(window, interpolation);
    let axis = Axis {
        whole: whole as u32,
        padding: padding as u32,
        len: window.len as u32,
        table: values.len() as u32,
    };
    let max_taps = weights.iter().map(|(_, weights)| weights.len()).max();
    values.extend(weights.iter().map(|(start, _)| start as i32));
    values.extend(weights.iter().map(|(_, weights)| weights.len() as i32));
    for tap in 0..max_taps.unwrap_or(0) {
        let weight = |(_, weights): (usize, &[i32])| weights.get(tap).copied().unwrap_or(0);
        values.extend(weights.iter().map(weight));
    }
    axis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_stored_tap_by_tap() {
        let preprocessing = Preprocessing {
            input_size: [1, 1, 2],
            channel_order: ChannelOrder::Rgb,
            mean: vec![0.5],
            std: vec![0.5],
            interpolation: Interpolation::Box,
            crop_pct: 1.0,
            crop_mode: crate::vision::CropMode::Squash,
        };
        let Tables { values, params } = Tables::new([5, 1], &preprocessing);
        // Two pixels of 2.5 texels each: the first has three taps of the five.
        assert_eq!(values[..4], [0, 3, 3, 2]);
        assert_eq!((params.x.table, params.x.len, params.y.table), (0, 2, 10));
        let sums = [0, 1].map(|x| (0..3).map(|tap| values[4 + 2 * tap + x]).sum::<i32>());
        assert!(
            sums.iter().all(|sum| (sum - (1 << 22)).abs() <= 2),
            "{sums:?}"
        );
        assert_eq!(values[9], 0);
        assert_eq!(values[10..13], [0, 1, 1 << 22]);
        assert_eq!(params.normalized, 13);
        let at = |byte: usize| f32::from_bits(values[13 + byte] as u32);
        assert_eq!((values.len(), at(0), at(255)), (13 + 256, -1.0, 1.0));
        assert_eq!(params.invocations(), 2);
    }

    #[test]
    fn tables_of_extreme_sizes_are_small() {
        let preprocessing = Preprocessing::default();
        for size in [[16_384, 1], [1, 16_384], [16_384, 16_384]] {
            let tables = Tables::new(size, &preprocessing);
            assert!(tables.values.len() < 1_000_000, "{size:?}");
        }
    }
}
