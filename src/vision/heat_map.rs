//! How much each place of a picture counts for an answer, from a network's coarse map to the
//! photograph.

use rayon::prelude::*;

use super::image_limits::MAX_PIXELS;
use super::preprocess::Preprocessing;
use crate::error::{Error, Result};

/// A number for every place of a grid, row by row: how much it counts for an answer. Grad-CAM's are
/// never below zero; any finite number may stand here.
///
/// A grid of a network's layer lies evenly over the whole of the network's input, as the layers'
/// paddings make it; [`HeatMap::on_picture`] lays it over the photograph.
///
/// ```
/// use shadernet::vision::{HeatMap, Preprocessing};
///
/// let heat = HeatMap::new(2, 2, vec![0.0, 3.0, 0.0, 1.0])?;
/// assert_eq!(heat.statistics().peak, [1, 0]);
/// // The right half holds all of it.
/// assert_eq!(heat.share_inside([1.0, 0.0, 2.0, 2.0]), 1.0);
///
/// // The network saw the middle of a wide photograph.
/// let preprocessing = Preprocessing { crop_pct: 1.0, ..Preprocessing::default() };
/// let over = heat.on_picture(&preprocessing, 400, 200)?;
/// assert_eq!((over.width(), over.height()), (400, 200));
/// assert_eq!(over.seen(), [100.0, 0.0, 300.0, 200.0]);
/// assert_eq!(over.statistics().peak, [250, 0]);
/// assert_eq!(heat.peak_on_picture(&preprocessing, 400, 200), [250, 50]);
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

/// What a [`HeatMap`] holds, in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeatMapStatistics {
    /// The least value.
    pub min: f32,
    /// The largest value.
    pub max: f32,
    /// The mean of all values.
    pub mean: f64,
    /// The sum of all values.
    pub sum: f64,
    /// Column and row of the largest value; the first of several, row by row.
    pub peak: [usize; 2],
}

impl HeatMap {
    /// A map of `width` columns and `height` rows; `values` are row-major.
    ///
    /// # Errors
    /// [`Error::Inputs`] where there are no values, not `width * height` of them, or one is infinite
    /// or not a number.
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Result<Self> {
        if values.is_empty() || width.checked_mul(height) != Some(values.len()) {
            return Err(Error::Inputs(format!(
                "a heat map of at least one value was expected, width times height of them; found \
                 {width}x{height} and {} values",
                values.len()
            )));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::Inputs(format!(
                "finite numbers were expected in a heat map; the network answered values that are \
                 not numbers: {} at column {}, row {}",
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

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// `width * height` values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// What of the map the network saw: left, top, right and bottom in the map's pixels. All of it,
    /// but where [`Self::on_picture`] laid it over a photograph of which the network saw a part.
    pub fn seen(&self) -> [f32; 4] {
        self.seen
    }

    /// Least, largest, mean, sum and peak.
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

    /// The share of the heat, between 0 and 1, that lies in a box: left, top, right and bottom in the
    /// map's pixels, 0, 0 being the top left corner of the first. A pixel that is partly inside counts
    /// by its area. Values below zero are no heat. 0 where there is no heat or a corner is not a
    /// number.
    pub fn share_inside(&self, [x0, y0, x1, y1]: [f32; 4]) -> f64 {
        if [x0, y0, x1, y1].iter().any(|corner| corner.is_nan()) {
            return 0.0;
        }
        let within = |at: usize, from: f32, to: f32| {
            let (first, last) = (at as f64, at as f64 + 1.0);
            (last.min(f64::from(to)) - first.max(f64::from(from))).max(0.0)
        };
        let columns: Vec<f64> = (0..self.width).map(|x| within(x, x0, x1)).collect();
        let (mut inside, mut all) = (0.0, 0.0);
        for (y, row) in self.values.chunks_exact(self.width).enumerate() {
            let height = within(y, y0, y1);
            for (value, width) in row.iter().zip(&columns) {
                let heat = f64::from(value.max(0.0));
                all += heat;
                inside += heat * width * height;
            }
        }
        match all > 0.0 {
            true => inside / all,
            false => 0.0,
        }
    }

    /// The map divided by its largest value, what is below zero taken to zero: between 0 and 1. A map
    /// without heat becomes zero throughout.
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

    /// The map with no value above that which a `share` of the values is at most: single pixels that are
    /// far hotter than all others then leave something to be seen of these when the map is drawn.
    /// As it is where that value is not above zero.
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
        // A float to an integer saturates; there is at least one value.
        let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1;
        let (_, &mut most, _) = sorted.select_nth_unstable_by(at, f32::total_cmp);
        let mut capped = self.clone();
        if most > 0.0 {
            for value in &mut capped.values {
                *value = value.min(most);
            }
        }
        capped
    }

    /// The map over a photograph of `width` by `height`, a value for each of its pixels: this map lies
    /// evenly over the whole input that `preprocessing` makes of the photograph, and is interpolated
    /// (bilinear, between the centres of its pixels; beyond the outermost ones the map goes on as it
    /// ends). What the network did not see is zero; [`Self::seen`] of the result tells where that is.
    ///
    /// # Errors
    /// [`Error::Inputs`] where [`Preprocessing::check`] finds fault, or where the photograph has no
    /// pixels or more than [`MAX_PIXELS`].
    pub fn on_picture(
        &self,
        preprocessing: &Preprocessing,
        width: u32,
        height: u32,
    ) -> Result<Self> {
        preprocessing.check()?;
        if !(1..=MAX_PIXELS).contains(&(u64::from(width) * u64::from(height))) {
            return Err(Error::Inputs(format!(
                "a picture of up to {MAX_PIXELS} pixels was expected for a heat map; found \
                 {width}x{height}"
            )));
        }
        let [_, input_height, input_width] = preprocessing.input_size;
        let placement = preprocessing.placement(width, height);
        let seen = preprocessing.seen(width, height);

        // Rows and columns are mapped apart: nothing turns a picture.
        let column = |x: u32| placement.to_input([x as f32 + 0.5, 0.0])[0];
        let row = |y: u32| placement.to_input([0.0, y as f32 + 0.5])[1];
        let columns: Vec<_> = (0..width)
            .map(|x| Between::new(column(x), input_width, self.width))
            .collect();
        let rows: Vec<_> = (0..height)
            .map(|y| Between::new(row(y), input_height, self.height))
            .collect();
        Ok(Self {
            seen,
            ..self.sampled(&rows, &columns)
        })
    }

    /// Column and row of the pixel, on a photograph of `width` by `height`, at which the middle of this
    /// map's largest value lies; see [`Self::on_picture`]. The nearest pixel where that is in padding.
    pub fn peak_on_picture(
        &self,
        preprocessing: &Preprocessing,
        width: u32,
        height: u32,
    ) -> [u32; 2] {
        let [_, input_height, input_width] = preprocessing.input_size;
        let [x, y] = self.statistics().peak;
        let middle = |at: usize, len: usize, input: usize| {
            ((at as f64 + 0.5) * input as f64 / len as f64) as f32
        };
        let place = [
            middle(x, self.width, input_width),
            middle(y, self.height, input_height),
        ];
        let [x, y] = preprocessing.placement(width, height).to_picture(place);
        // A float to an integer saturates.
        [
            (x as u32).min(width.saturating_sub(1)),
            (y as u32).min(height.saturating_sub(1)),
        ]
    }

    /// The map at another size: bilinear, between the centres of its pixels.
    pub(crate) fn resized(&self, width: usize, height: usize) -> Self {
        let along = |to: usize, from: usize| -> Vec<_> {
            let center = |i: usize| i as f32 + 0.5;
            (0..to).map(|i| Between::new(center(i), to, from)).collect()
        };
        self.sampled(&along(height, self.height), &along(width, self.width))
    }

    /// The values between rows and columns; 0 where there is none.
    fn sampled(&self, rows: &[Option<Between>], columns: &[Option<Between>]) -> Self {
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
                    *to = row.mix(column.of(above), column.of(below));
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

    /// Whether the network saw the pixel's centre.
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

/// The two pixels of a map around a point, along one axis, and how far the second counts.
struct Between {
    first: usize,
    second: usize,
    share: f32,
}

impl Between {
    /// At a point of an input of `input` pixels over which `len` pixels of a map lie. None outside.
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
            share: (position - first as f64) as f32,
        })
    }

    fn mix(&self, first: f32, second: f32) -> f32 {
        first * (1.0 - self.share) + second * self.share
    }

    fn of(&self, values: &[f32]) -> f32 {
        self.mix(values[self.first], values[self.second])
    }
}

#[cfg(test)]
mod tests;
