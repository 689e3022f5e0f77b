//! Repeated measurements and their statistics.
//!
//! ```
//! use shadernet_bench::samples::Samples;
//!
//! let times = Samples::new(vec![4.0, 1.0, 9.0, 2.0, 8.0]).unwrap();
//! assert_eq!((times.median(), times.min(), times.max()), (4.0, 1.0, 9.0));
//! // The three smallest lie within 3 of the minimum.
//! assert_eq!(times.min_spread(), (4.0 - 1.0) / 1.0);
//! assert!(Samples::new(Vec::new()).is_none());
//! ```

/// Repeated measurements of one quantity; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// In ascending order.
    sorted: Vec<f64>,
}

impl Samples {
    /// `None` if `values` is empty.
    pub fn new(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(Self { sorted: values })
    }

    /// The number of samples.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The smallest sample.
    pub fn min(&self) -> f64 {
        self.sorted[0]
    }

    /// The largest sample.
    pub fn max(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }

    /// The middle sample, or the mean of the two in the middle.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The distance from the 5th to the 95th percentile, relative to the median: the width of the range that
    /// nine of ten samples lie in.
    pub fn spread(&self) -> f64 {
        (self.quantile(0.95) - self.quantile(0.05)) / self.median()
    }

    /// The distance from the smallest to the third smallest sample, relative to the smallest: how well the
    /// three best agree. With one or two samples it is the distance to the largest, which says little.
    pub fn min_spread(&self) -> f64 {
        let third = self.sorted[2.min(self.sorted.len() - 1)];
        (third - self.min()) / self.min()
    }

    /// The quantile at `fraction` (clamped to 0..=1), interpolated linearly between the two nearest samples.
    pub fn quantile(&self, fraction: f64) -> f64 {
        let position = fraction.clamp(0.0, 1.0) * (self.sorted.len() - 1) as f64;
        let (low, high) = (position.floor() as usize, position.ceil() as usize);
        let part = position - position.floor();
        self.sorted[low] * (1.0 - part) + self.sorted[high] * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        let samples = |values: &[f64]| Samples::new(values.to_vec()).unwrap();
        assert_eq!(samples(&[2.0, 1.0]).median(), 1.5);
        assert_eq!(samples(&[3.0]).spread(), 0.0);
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(samples(&hundred).spread(), 90.0 / 50.0);
        assert_eq!(samples(&[4.0, 8.0, 2.0, 1.0, 9.0]).min_spread(), 3.0);
        assert_eq!(samples(&[3.0, 2.0]).min_spread(), 0.5);
        assert_eq!(samples(&[1.0, 2.0, 3.0, 4.0]).quantile(0.25), 1.75);
        assert_eq!(samples(&[1.0, 2.0, 3.0, 4.0]).quantile(2.0), 4.0);
    }
}
