use std::borrow::Cow;
use std::fmt::Debug;

use num_traits::{Float, NumAssign};

/// The number type of the reference backend's arithmetic: `f32`, or `f64` for results that are exact in
/// comparison with float32.
pub trait Real: Float + NumAssign + Default + Debug + Send + Sync + 'static {
    /// The nearest number of this type.
    fn from_f32(x: f32) -> Self;

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;

    /// All of `values`. Those that are owned already are not copied where they have this type.
    fn from_f32_values(values: Cow<[f32]>) -> Vec<Self> {
        values.iter().map(|&x| Self::from_f32(x)).collect()
    }

    /// The larger of two numbers, or NaN if either is NaN. (`Float::max` returns the other one.)
    fn max_or_nan(self, other: Self) -> Self {
        if self > other || self.is_nan() {
            self
        } else {
            other
        }
    }
}

impl Real for f32 {
    fn from_f32(x: f32) -> Self {
        x
    }

    fn from_f64(x: f64) -> Self {
        x as f32
    }

    fn from_f32_values(values: Cow<[f32]>) -> Vec<Self> {
        values.into_owned()
    }
}

impl Real for f64 {
    fn from_f32(x: f32) -> Self {
        f64::from(x)
    }

    fn from_f64(x: f64) -> Self {
        x
    }
}

#[cfg(test)]
mod tests {
    use super::Real;

    #[test]
    fn max_or_nan_returns_nan_for_nan_on_either_side() {
        assert!(f32::NAN.max_or_nan(1.0).is_nan());
        assert!((1.0_f32).max_or_nan(f32::NAN).is_nan());
        assert_eq!((-1.0_f32).max_or_nan(2.0), 2.0);
        assert_eq!((2.0_f64).max_or_nan(-1.0), 2.0);
    }
}
