//! Generated weights: a pure function of the tensors' names, so that tests in any language can
//! recompute them and nothing has to be stored. The golden outputs in `tests/golden` were computed from
//! them.
//!
//! Element `i` of tensor `name` is draw `i` of SplitMix64 (Steele et al. 2014), seeded with the FNV-1a
//! hash of the name and converted to `u` in `[0, 1)`. Running variances and one-dimensional weights are
//! `0.5 + u`, other vectors `(u - 0.5) * 0.2`; all other tensors are uniform with the standard deviation
//! `gain / sqrt(fan_in)`, so that activations neither grow nor vanish with depth.
//!
//! ```
//! use shadernet::weights::generate;
//!
//! let weight = generate::tensor("conv1.weight", [64, 3, 7, 7], 1.0);
//! assert!((weight.data()[0] - 0.012_878_55).abs() < 1e-8);
//! ```

use std::ops::Range;

use rayon::prelude::*;

use super::{Data, Weights};
use crate::graph::Graph;
use crate::tensor::{Shape, Tensor};
use crate::util::fnv::fnv1a64;

/// The fewest draws that are worth a thread of their own.
const MIN_DRAWS_PER_THREAD: usize = 1 << 14;

impl Weights {
    /// Generated weights for every parameter of `graph`. They are generated when they are read; none is
    /// stored. `gain` should be 1 for networks with residual connections and the square root of 2 (He et
    /// al. 2015) for those without.
    pub fn generated(graph: &Graph, gain: f64) -> Self {
        let tensors = graph.parameters().into_iter();
        Self::from_float32(
            format!("generated weights of {}", graph.name()),
            tensors.map(|p| (p.name, (p.shape, Data::Generated(gain)))),
        )
    }
}

/// The generated tensor `name`: a parameter or a running statistic.
///
/// # Panics
/// Where the number of elements does not fit in memory, as `Vec` does.
pub fn tensor(name: &str, shape: impl Into<Shape>, gain: f64) -> Tensor {
    let shape = shape.into();
    let data = values(name, &shape, gain, 0..shape.len());
    // `values` returns as many elements as the shape has.
    Tensor::from_fn(shape, |i| data[i])
}

/// A range of the elements of [`tensor`].
pub(super) fn values(name: &str, shape: &Shape, gain: f64, range: Range<usize>) -> Vec<f32> {
    let vector = shape.rank() <= 1;
    if name.ends_with("running_var") || (shape.rank() == 1 && name.ends_with("weight")) {
        fill(name, range, |u| 0.5 + u)
    } else if vector {
        fill(name, range, |u| (u - 0.5) * 0.2)
    } else {
        let fan_in = (shape.dims().iter().skip(1)).fold(1, |len: usize, &d| len.saturating_mul(d));
        let bound = rounded(gain * (3.0 / fan_in as f64).sqrt());
        fill(name, range, |u| (u * 2.0 - 1.0) * bound)
    }
}

/// The generated network input: a tensor called `input`, uniform with standard deviation 1.
///
/// # Panics
/// Where the number of elements does not fit in memory, as `Vec` does.
pub fn generated_input(shape: impl Into<Shape>) -> Tensor {
    let bound = rounded(3_f64.sqrt());
    let seed = fnv1a64("input");
    Tensor::from_fn(shape, |i| (uniform(seed, i as u64) * 2.0 - 1.0) * bound)
}

/// Generated inputs of these shapes: the first is [`generated_input`]; the others hold `0.5 - v` for its
/// values `v`, so that inputs that are added to each other differ.
pub fn generated_inputs(shapes: &[Shape]) -> Vec<Tensor> {
    let input = |(i, shape): (usize, &Shape)| match i {
        0 => generated_input(shape.clone()),
        _ => generated_input(shape.clone()).map(|v| 0.5 - v),
    };
    shapes.iter().enumerate().map(input).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
fn rounded(x: f64) -> f32 {
    x as f32
}

/// The draws in `range`, each in `[0, 1)` and passed through `f`.
fn fill(name: &str, range: Range<usize>, f: impl Fn(f32) -> f32 + Sync) -> Vec<f32> {
    let seed = fnv1a64(name);
    let draws = range.into_par_iter().with_min_len(MIN_DRAWS_PER_THREAD);
    draws.map(|i| f(uniform(seed, i as u64))).collect()
}

/// Draw number `i`, from 0, in `[0, 1)`.
fn uniform(seed: u64, i: u64) -> f32 {
    let z = seed.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let z = z ^ (z >> 31);
    // 24 bits: exact in float32.
    (z >> 40) as f32 / (1 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_match_the_published_check_values() {
        assert_eq!(fnv1a64("input"), 0x1ebb_ae8f_5810_b65b);
        let seed = fnv1a64("input");
        let drawn = [0, 1, 2].map(|i| uniform(seed, i));
        assert_eq!(
            drawn,
            [0.097_818_315, 0.652_360_4, 0.203_624_25],
            "the first draws of `input`"
        );
        let conv1 = tensor("conv1.weight", [64, 3, 7, 7], 1.0);
        assert_eq!(
            conv1.data()[..3],
            [0.012_878_555, 0.070_046_21, -0.136_308_1]
        );
    }

    #[test]
    fn every_kind_of_tensor_has_its_range() {
        let range = |name: &str, shape: &[usize]| {
            let tensor = tensor(name, shape, 1.0);
            let min = tensor.data().iter().copied().fold(f32::INFINITY, f32::min);
            let max = tensor
                .data()
                .iter()
                .copied()
                .fold(f32::NEG_INFINITY, f32::max);
            (min, max)
        };
        let within = |(min, max): (f32, f32), low: f32, high: f32| low <= min && max < high;
        assert!(within(range("bn.running_var", &[1000]), 0.5, 1.5));
        assert!(within(range("bn.weight", &[1000]), 0.5, 1.5));
        assert!(within(range("bn.running_mean", &[1000]), -0.1, 0.1));
        assert!(within(range("fc.weight", &[100, 300]), -0.1, 0.1));
    }

    #[test]
    fn ranges_equal_slices_of_the_whole() {
        let mut b = crate::graph::GraphBuilder::new("one layer");
        let x = b.input("input", &[None, Some(300)]);
        let y = b.linear("fc", x, crate::graph::Linear::new(300, 100));
        b.output(y);
        let weights = Weights::generated(&b.build().unwrap(), 1.0);
        let whole = tensor("fc.weight", [100, 300], 1.0);
        assert_eq!(weights.read("fc.weight").unwrap()[..], *whole.data());
        let part = weights.read_range("fc.weight", 70..20_000).unwrap();
        assert_eq!(part[..], whole.data()[70..20_000]);
        assert!(weights.read_range("fc.weight", 0..30_001).is_err());
    }
}
