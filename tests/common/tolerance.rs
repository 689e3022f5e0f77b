//! The largest errors that tests allow, in one table, each with its reason.
//!
//! Where a test measures what the library itself measures (tuning, the diagnosis, kernel benchmarks), the
//! number is that of [`shadernet::accuracy`]. Unless stated otherwise an error is the largest absolute
//! difference over the largest magnitude of the expected values.
// Each test file is a crate of its own and uses some of this.
#![allow(dead_code)]

use shadernet::accuracy;
use shadernet::explain::Completeness;
use shadernet::gpu::Precision;
use shadernet::session::ConvAlgorithm;

/// One operator against the reference backend in float64. The largest magnitude counts as at least 1, as
/// inputs and weights are in -2..2.
pub fn operator(precision: Precision) -> f64 {
    match precision {
        // Sums of up to some thousand products, each product and sum rounded to 24 bits.
        Precision::F32 => 1e-5,
        // Weights, inputs and outputs are each rounded to 11 bits.
        Precision::F16 => 4e-3,
    }
}

/// Factor of [`operator`] for Winograd's algorithm, whose transforms amplify rounding errors: about ten times
/// for output tiles of 4x4.
pub fn winograd_factor(tile: u32) -> f64 {
    match tile {
        2 => 4.0,
        _ => 12.0,
    }
}

/// Factor of [`operator`] for an input that is rounded once more, after the prologue's norm.
pub const PROLOGUE_FACTOR: f64 = 2.0;

/// Factor of [`operator`] for sums of a thousand products with weights of up to 2.
pub const LONG_SUM_FACTOR: f64 = 2.0;

/// Factor of [`operator`] for the gradients of a small network: some ten operators forward and backward.
pub const NETWORK_GRADIENT_FACTOR: f64 = 8.0;

/// A chain of up to nine fused layers against the reference backend in float64.
pub fn chain(precision: Precision) -> f64 {
    match precision {
        // Twice that of an operator: errors of the layers add up.
        Precision::F32 => 2e-5,
        // Every layer rounds its output to 11 bits.
        Precision::F16 => network(precision),
    }
}

/// A whole network, or convolutions by whichever algorithm the heuristic or tuning selects, against PyTorch,
/// the reference backend or the other precision: the library's own tolerance for outputs that may go
/// through Winograd's algorithm.
pub fn network(precision: Precision) -> f64 {
    accuracy::tolerance(Some(ConvAlgorithm::Winograd { tile: 4 }), precision)
}

/// A whole network in the reference backend, float32 against float64: no transforms, and sums in the same
/// order.
pub const REFERENCE_F32: f64 = 1e-5;

/// A few layers without Winograd's algorithm against the reference backend in float32.
pub const FEW_LAYERS: f64 = 1e-5;

/// A network of a few layers at several image sizes against the reference backend in float32.
pub const SMALL_NETWORK: f64 = 1e-4;

/// Gradients of one operator, against central differences.
pub mod gradient {
    use shadernet::gpu::Precision;

    /// The reference backend in float64 against central differences: the error of the differences, with a
    /// step of 1e-5.
    pub const DIFFERENCES: f64 = 1e-6;

    /// A device against central differences. The largest magnitude counts as at least 1.
    pub fn operator(precision: Precision) -> f64 {
        match precision {
            // Twice that of an operator: forward and backward.
            Precision::F32 => 2e-5,
            // Values are rounded to 11 bits forward and backward.
            Precision::F16 => 1e-2,
        }
    }

    /// In float16, a block of nine layers: rounded to 11 bits nine times forward and nine times backward.
    pub const BLOCK_F16: f64 = 0.1;

    /// A whole network in float64 along a direction, against central differences with a step of 1e-7.
    pub const NETWORK_DIFFERENCES: f64 = 1e-6;

    /// A whole network on a device against the reference backend in float64: the norm of the difference over
    /// the norm of the gradient.
    pub const NETWORK: f64 = 1e-4;

    /// The smallest norm of a network's gradient that leaves something to compare.
    pub const SMALLEST_NORM: f64 = 1e-6;
}

/// A class activation map computed from the last layer's maps and weights, against Grad-CAM: sums of up to two
/// thousand products, and gradients in between.
pub const CLASS_ACTIVATION_MAP: f64 = 1e-4;

/// Explanations of several classes in one pass against one class at a time: different batches may run
/// different kernels, and gradients amplify the difference.
pub const EXPLANATION_BATCH: f32 = 1e-3;

/// Integrated gradients: the error of their sum, relative to the difference of the scores. Steps are added
/// until the library's own tolerance is reached.
pub const COMPLETENESS: f64 = Completeness::TOLERANCE;

/// A probability on one device against another, relative to itself.
pub const PROBABILITY: f32 = 1e-4;

/// A probability or score of a bundled model against timm's or Darknet's, absolute. Theirs are computed with
/// float32 weights, the bundled ones are rounded to float16, and image decoding and resizing may differ.
pub const FRAMEWORK_SCORE: f32 = 0.03;

/// A corner of a box against Darknet's, in pixels of the image, for the same reasons.
pub const DARKNET_CORNER: f32 = 3.0;

/// A probability for a texture against that for the decoded image, absolute. The inputs are equal bit for bit;
/// only the softmax is computed in another place.
pub const TEXTURE_PROBABILITY: f32 = 1e-6;

/// A box's score for a texture against that for the decoded image, absolute: sigmoids of the GPU.
pub const TEXTURE_SCORE: f32 = 1e-5;

/// A box's corner for a texture against that for the decoded image, in pixels: exponentials of the GPU, times
/// some hundred pixels.
pub const TEXTURE_CORNER: f32 = 0.01;

/// A probability of a softmax on the GPU against the CPU's, relative to itself: some units in the last place
/// (1.2e-7) of an exponential and a sum.
pub const SOFTMAX: f32 = 2e-6;

/// A box of the GPU against the CPU's: its score relative to itself, and its corners relative to the image's
/// longer side. WGSL allows exponentials an error of some units in the last place.
pub const BOX: f32 = 1e-5;

/// Thresholds may change by this (ten times this for overlaps) without changing the boxes of a test case, so
/// that rounding errors cannot.
pub const DECISIVE_MARGIN: f32 = 1e-5;

/// The smallest difference of two scores whose order does not depend on rounding errors.
pub const DISTINCT_SCORES: f32 = 2e-6;

/// Two classes tie at a pixel if their logits or probabilities, of magnitude 1, differ by less: interpolation
/// rounds to 24 bits.
pub const TIE: f64 = 1e-5;

/// Two classes tie at a pixel if the better probability exceeds a half by less, where the logits were computed
/// by a whole network on another device.
pub const TEXTURE_TIE: f32 = 1e-3;

/// A preprocessed pixel, before it is divided by the standard deviation: one of 256 levels.
pub const PIXEL_LEVEL: f32 = 1.0 / 255.0;

/// A byte of a decoded JPEG against Pillow's: decoders may round differently, by at most 2 measured against
/// libjpeg-turbo.
pub const JPEG_BYTE: u8 = 2;

/// float16 in a weights file against float32, relative: 11 bits, rounded to nearest, is 5e-4.
pub const STORED_F16: f32 = 1e-3;

/// Values below this have fewer bits in float16 (subnormal below 6e-5): their error is relative to this.
pub const STORED_F16_FLOOR: f32 = 1e-4;

/// Of the CPU backend, which computes in float32 whatever the precision.
pub const CPU: f64 = 1e-5;
