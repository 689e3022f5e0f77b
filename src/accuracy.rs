//! How near a GPU's answer must come to the CPU twin's.

use crate::gpu::Precision;
use crate::kernels::ConvAlgorithm;
use crate::tensor::Tensor;

/// The largest error of a right answer, in the largest magnitude of the twin's.
///
/// Generated weights and inputs have errors of some 1e-6 in float32, be the sums of nine products or
/// of five thousand; Winograd's larger tile multiplies them by ten. In float16 input, weights and
/// answer are each rounded to 11 bits. What is wrong is mostly wrong by 1.
pub fn tolerance(kernel: Option<ConvAlgorithm>, precision: Precision) -> f64 {
    match (precision, kernel) {
        (Precision::F16, _) => 2e-2,
        (Precision::F32, Some(ConvAlgorithm::Winograd { .. })) => 2e-4,
        (Precision::F32, _) => 4e-5,
    }
}

/// The largest difference between `answer` and `expected`, in the largest magnitude of that; infinite
/// where it is not a number.
pub fn difference(answer: &Tensor, expected: &Tensor) -> f64 {
    let pairs = answer.data().iter().zip(expected.data());
    let mut largest = f64::MIN_POSITIVE;
    let mut error = 0.0_f64;
    for (found, expected) in pairs {
        let difference = (f64::from(*found) - f64::from(*expected)).abs();
        // `max` would lose it.
        if !difference.is_finite() {
            return f64::INFINITY;
        }
        error = error.max(difference);
        largest = largest.max(f64::from(expected.abs()));
    }
    error / largest
}

/// Why an answer that is off by `error` cannot be used, if so.
pub fn mistake(error: f64, tolerance: f64) -> Option<String> {
    // Also where it is not a number.
    (error.is_nan() || error > tolerance).then(|| {
        format!(
            "its answer is off by {error:.1e} of the largest value, and {tolerance:.0e} is allowed"
        )
    })
}
