//! Repeated measurements, and what is said of them.
//!
//! ```
//! use shadernet_bench::samples::Samples;
//!
//! let times = Samples::new(vec![4.0, 1.0, 9.0, 2.0, 8.0]).unwrap();
//! assert_eq!((times.median(), times.min(), times.max()), (4.0, 1.0, 9.0));
//! // Three agree on the least to within 3.
//! assert_eq!(times.min_spread(), (4.0 - 1.0) / 1.0);
//! assert!(Samples::new(Vec::new()).is_none());
//! ```

/// Measurements of one thing, one at least.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// In ascending order.
    sorted: Vec<f64>,
}

impl Samples {
    /// `None` of nothing.
    pub fn new(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(Self { sorted: values })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The least.
    pub fn min(&self) -> f64 {
        self.sorted[0]
    }

    /// The largest.
    pub fn max(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }

    /// The middle one, or between the two in the middle.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// From the 5th to the 95th of a hundred, as a share of the median: nine of ten samples lie so
    /// close together.
    pub fn spread(&self) -> f64 {
        (self.quantile(0.95) - self.quantile(0.05)) / self.median()
    }

    /// From the least to the third least, as a share of the least: what three samples agree on. Of two
    /// or one it is from the least to the largest, which says little.
    pub fn min_spread(&self) -> f64 {
        let third = self.sorted[2.min(self.sorted.len() - 1)];
        (third - self.min()) / self.min()
    }

    /// What the share of samples from 0 to 1 is not above, interpolated between the two nearest.
    pub fn quantile(&self, share: f64) -> f64 {
        let place = share.clamp(0.0, 1.0) * (self.sorted.len() - 1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        let part = place - place.floor();
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
