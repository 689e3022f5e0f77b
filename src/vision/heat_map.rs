//! Heat maps: how much each location of an image contributes to a network's output, from the
//! network's coarse map to the photograph.

use rayon::prelude::*;

use super::image_limits::MAX_PIXELS;
use super::preprocess::Preprocessing;
use crate::error::{Error, Result};

/// A value for every cell of a grid, row-major: how much that location contributes to a network's
/// output. Grad-CAM's values are never negative; any finite value is allowed.
///
/// The grid of a layer covers the whole network input evenly, as the layers' paddings make it;
/// [`HeatMap::on_image`] maps it to the photograph.
///
/// ```
/// use shadernet::vision::{HeatMap, Preprocessing};
///
/// let heat = HeatMap::new(2, 2, vec![0.0, 3.0, 0.0, 1.0])?;
/// assert_eq!(heat.statistics().peak, [1, 0]);
/// // All heat is in the right half.
/// assert_eq!(heat.share_inside([1.0, 0.0, 2.0, 2.0]), 1.0);
///
/// // The network saw the center of a wide photograph.
/// let preprocessing = Preprocessing { crop_pct: 1.0, ..Preprocessing::default() };
/// let over = heat.on_image(&preprocessing, 400, 200)?;
/// assert_eq!((over.width(), over.height()), (400, 200));
/// assert_eq!(over.seen(), [100.0, 0.0, 300.0, 200.0]);
/// assert_eq!(over.statistics().peak, [250, 0]);
/// assert_eq!(heat.peak_on_image(&preprocessing, 400, 200), [250, 50]);
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    width: usize,
    height: usize,
    /// `width * height`, row-major, finite.
    values: Vec<f32>,
    seen: [f32; 4],
}

/// Statistics of a [`HeatMap`]'s values.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct HeatMapStatistics {
    /// The smallest value.
    pub min: f32,
    /// The largest value.
    pub max: f32,
    /// The mean of all values.
    pub mean: f64,
    /// The sum of all values.
    pub sum: f64,
    /// Column and row of the largest value; of several, the first in row-major order.
    pub peak: [usize; 2],
}

impl HeatMap {
    /// A map of `width` columns and `height` rows; `values` are row-major.
    ///
    /// # Errors
    /// [`Error::Inputs`] where there are no values, their number is not `width * height`, or one is
    /// infinite or NaN.
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Result<Self> {
        if values.is_empty() || width.checked_mul(height) != Some(values.len()) {
            return Err(Error::Inputs(format!(
                "a heat map of width times height values, at least one, was expected; found \
                 {width}x{height} and {} values",
                values.len()
            )));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::Inputs(format!(
                "finite values were expected in a heat map; the network returned {} at column {}, row {}",
                values[at],
                at % width,
                at / width
            )));
        }
        Ok(Self {
            width,
            height,
            values,
            seen: [0.0, 0.0, width as f32, height as f32],
        })
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The `width * height` values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The region that the network saw: left, top, right and bottom in the map's pixels. The whole map,
    /// unless [`Self::on_image`] mapped it to a photograph that the network saw only in part.
    pub fn seen(&self) -> [f32; 4] {
        self.seen
    }

    /// Minimum, maximum, mean, sum and peak.
    pub fn statistics(&self) -> HeatMapStatistics {
        let (mut min, mut max, mut sum, mut at) = (self.values[0], self.values[0], 0.0, 0);
        for (i, &value) in self.values.iter().enumerate() {
            min = min.min(value);
            sum += f64::from(value);
            if value > max {
                (max, at) = (value, i);
            }
        }
        HeatMapStatistics {
            min,
            max,
            mean: sum / self.values.len() as f64,
            sum,
            peak: [at % self.width, at / self.width],
        }
    }

    /// The share of the heat, between 0 and 1, inside a box: left, top, right and bottom in the map's
    /// pixels, where 0, 0 is the top left corner of the first pixel. A pixel that is partly inside is
    /// weighted by the area inside. Negative values count as 0. Returns 0 where there is no heat or a
    /// corner is NaN.
    pub fn share_inside(&self, [x0, y0, x1, y1]: [f32; 4]) -> f64 {
        if [x0, y0, x1, y1].iter().any(|corner| corner.is_nan()) {
            return 0.0;
        }
        let overlap = |at: usize, from: f32, to: f32| {
            let (first, last) = (at as f64, at as f64 + 1.0);
            (last.min(f64::from(to)) - first.max(f64::from(from))).max(0.0)
        };
        let columns: Vec<f64> = (0..self.width).map(|x| overlap(x, x0, x1)).collect();
        let (mut inside, mut total) = (0.0, 0.0);
        for (y, row) in self.values.chunks_exact(self.width).enumerate() {
            let height = overlap(y, y0, y1);
            for (value, width) in row.iter().zip(&columns) {
                let heat = f64::from(value.max(0.0));
                total += heat;
                inside += heat * width * height;
            }
        }
        match total > 0.0 {
            true => inside / total,
            false => 0.0,
        }
    }

    /// The map divided by its largest value, with negative values set to 0: between 0 and 1. A map
    /// without positive values becomes all zeros.
    pub fn normalized(&self) -> Self {
        let largest = self.statistics().max;
        let mut normalized = self.clone();
        for value in &mut normalized.values {
            *value = match largest > 0.0 {
                true => (*value / largest).max(0.0),
                false => 0.0,
            };
        }
        normalized
    }

    /// The map clamped to its quantile `share` (between 0 and 1) from above: a few pixels that are far
    /// hotter than the rest then do not hide the rest when the map is drawn. Unchanged where that
    /// quantile is not positive.
    ///
    /// ```
    /// use shadernet::vision::HeatMap;
    ///
    /// let heat = HeatMap::new(4, 1, vec![0.0, 1.0, 2.0, 900.0])?;
    /// assert_eq!(heat.capped(0.75).values(), [0.0, 1.0, 2.0, 2.0]);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    pub fn capped(&self, share: f64) -> Self {
        let mut sorted = self.values.clone();
        // The cast to an integer saturates; there is at least one value.
        let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1;
        let (_, &mut quantile, _) = sorted.select_nth_unstable_by(at, f32::total_cmp);
        let mut capped = self.clone();
        if quantile > 0.0 {
            for value in &mut capped.values {
                *value = value.min(quantile);
            }
        }
        capped
    }

    /// The map resampled to a photograph of `width` by `height`, one value per pixel. This map covers
    /// the whole input that `preprocessing` makes of the photograph; it is interpolated bilinearly
    /// between its pixel centers, and clamped to its edge beyond the outermost ones. Pixels that the
    /// network did not see are 0; [`Self::seen`] of the result is the region that it saw.
    ///
    /// # Errors
    /// [`Error::Inputs`] where [`Preprocessing::check`] fails, or where the photograph has no pixels or
    /// more than [`MAX_PIXELS`].
    pub fn on_image(&self, preprocessing: &Preprocessing, width: u32, height: u32) -> Result<Self> {
        preprocessing.check()?;
        if !(1..=MAX_PIXELS).contains(&(u64::from(width) * u64::from(height))) {
            return Err(Error::Inputs(format!(
                "an image of up to {MAX_PIXELS} pixels was expected for a heat map; found \
                 {width}x{height}"
            )));
        }
        let [_, input_height, input_width] = preprocessing.input_size;
        let transform = preprocessing.image_transform(width, height);
        let seen = preprocessing.seen(width, height);

        // The transform has no rotation: rows and columns are mapped independently.
        let column = |x: u32| transform.to_input([x as f32 + 0.5, 0.0])[0];
        let row = |y: u32| transform.to_input([0.0, y as f32 + 0.5])[1];
        let columns: Vec<_> = (0..width)
            .map(|x| LinearTap::new(column(x), input_width, self.width))
            .collect();
        let rows: Vec<_> = (0..height)
            .map(|y| LinearTap::new(row(y), input_height, self.height))
            .collect();
        Ok(Self {
            seen,
            ..self.sampled(&rows, &columns)
        })
    }

    /// Column and row of the pixel of a photograph of `width` by `height` at the center of this map's
    /// peak; see [`Self::on_image`]. The nearest pixel where the peak is in the padding.
    pub fn peak_on_image(
        &self,
        preprocessing: &Preprocessing,
        width: u32,
        height: u32,
    ) -> [u32; 2] {
        let [_, input_height, input_width] = preprocessing.input_size;
        let [x, y] = self.statistics().peak;
        let center = |at: usize, len: usize, input: usize| {
            ((at as f64 + 0.5) * input as f64 / len as f64) as f32
        };
        let point = [
            center(x, self.width, input_width),
            center(y, self.height, input_height),
        ];
        let [x, y] = preprocessing.image_transform(width, height).to_image(point);
        // The cast to an integer saturates.
        [
            (x as u32).min(width.saturating_sub(1)),
            (y as u32).min(height.saturating_sub(1)),
        ]
    }

    /// The map at another size, interpolated bilinearly between its pixel centers.
    pub(crate) fn resized(&self, width: usize, height: usize) -> Self {
        let along = |to: usize, from: usize| -> Vec<_> {
            let center = |i: usize| i as f32 + 0.5;
            (0..to)
                .map(|i| LinearTap::new(center(i), to, from))
                .collect()
        };
        self.sampled(&along(height, self.height), &along(width, self.width))
    }

    /// The values interpolated between rows and columns; 0 where either is `None`.
    fn sampled(&self, rows: &[Option<LinearTap>], columns: &[Option<LinearTap>]) -> Self {
        let (width, height) = (columns.len(), rows.len());
        let mut values = vec![0.0; width * height];
        (values.par_chunks_exact_mut(width).zip(rows)).for_each(|(to, row)| {
            let Some(row) = row else {
                return;
            };
            let line = |y: usize| &self.values[y * self.width..][..self.width];
            let (above, below) = (line(row.first), line(row.second));
            for (to, column) in to.iter_mut().zip(columns) {
                if let Some(column) = column {
                    *to = row.mix(column.sample(above), column.sample(below));
                }
            }
        });
        Self {
            width,
            height,
            values,
            seen: [0.0, 0.0, width as f32, height as f32],
        }
    }

    /// Whether the network saw the pixel's center.
    #[cfg(feature = "draw")]
    pub(super) fn sees(&self, x: u32, y: u32) -> bool {
        let ([left, top, right, bottom], x, y) = (self.seen, x as f32 + 0.5, y as f32 + 0.5);
        (left..right).contains(&x) && (top..bottom).contains(&y)
    }

    /// Whether the network saw every pixel.
    #[cfg(feature = "draw")]
    pub(super) fn sees_all(&self) -> bool {
        self.sees(0, 0) && self.sees(self.width as u32 - 1, self.height as u32 - 1)
    }
}

/// The two pixels of a map around a point, along one axis, and the weight of the second.
struct LinearTap {
    first: usize,
    second: usize,
    weight: f32,
}

impl LinearTap {
    /// For a point of an input of `input` pixels that a map of `len` pixels covers; `None` outside.
    fn new(at: f32, input: usize, len: usize) -> Option<Self> {
        if !(0.0..input as f32).contains(&at) {
            return None;
        }
        let last = len - 1;
        let position = f64::from(at) * len as f64 / input as f64 - 0.5;
        let position = position.clamp(0.0, last as f64);
        let first = position as usize;
        Some(Self {
            first,
            second: (first + 1).min(last),
            weight: (position - first as f64) as f32,
        })
    }

    fn mix(&self, first: f32, second: f32) -> f32 {
        first * (1.0 - self.weight) + second * self.weight
    }

    fn sample(&self, values: &[f32]) -> f32 {
        self.mix(values[self.first], values[self.second])
    }
}

#[cfg(test)]
mod tests;
