//! How much a GPU's output may differ from the reference backend's.

use crate::gpu::Precision;
use crate::kernels::ConvAlgorithm;
use crate::tensor::Tensor;

/// The largest [`difference`] of a correct output. `algorithm` is that of the convolution, where it is one.
///
/// With generated weights and inputs, errors in float32 are about 1e-6, whether sums have nine products or five
/// thousand; Winograd's larger tile multiplies them by ten. In float16, inputs, weights and outputs are each
/// rounded to 11 bits. Errors of incorrect outputs are usually about 1.
pub fn tolerance(algorithm: Option<ConvAlgorithm>, precision: Precision) -> f64 {
    match (precision, algorithm) {
        (Precision::F16, _) => 2e-2,
        (Precision::F32, Some(ConvAlgorithm::Winograd { .. })) => 2e-4,
        (Precision::F32, _) => 4e-5,
    }
}

/// The largest absolute difference between `output` and `expected`, divided by the largest magnitude in
/// `expected`; infinite where a difference is not finite.
pub fn difference(output: &Tensor, expected: &Tensor) -> f64 {
    let pairs = output.data().iter().zip(expected.data());
    let mut largest = f64::MIN_POSITIVE;
    let mut error = 0.0_f64;
    for (found, expected) in pairs {
        let difference = (f64::from(*found) - f64::from(*expected)).abs();
        // `max` would ignore NaN.
        if !difference.is_finite() {
            return f64::INFINITY;
        }
        error = error.max(difference);
        largest = largest.max(f64::from(expected.abs()));
    }
    error / largest
}

/// Why an output with this `error` is rejected; `None` where it is within the tolerance.
pub fn rejection(error: f64, tolerance: f64) -> Option<String> {
    // Also where the error is NaN.
    (error.is_nan() || error > tolerance).then(|| {
        format!(
            "its output is off by {error:.1e} of the largest value, and {tolerance:.0e} is allowed"
        )
    })
}
