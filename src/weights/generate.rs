//! Weights that are a function of their tensors' names: every test, in any language, can rebuild
//! them, and nothing need be stored. They are what the golden outputs in `tests/golden` were
//! computed from.
//!
//! Element `i` of tensor `name` comes from SplitMix64 (Steele et al. 2014) seeded with the FNV-1a
//! hash of the name, taken to `u` in `[0, 1)`; then running variances and one-dimensional weights
//! are `0.5 + u`, other vectors `(u - 0.5) * 0.2`, and the rest uniform with the standard deviation
//! `gain / sqrt(fan_in)`, so that activations neither grow nor fade with depth.
//!
//! ```
//! use shadernet::weights::generate;
//!
//! let weight = generate::tensor("conv1.weight", [64, 3, 7, 7], 1.0);
//! assert!((weight.data()[0] - 0.012_878_55).abs() < 1e-8);
//! ```

use rayon::prelude::*;

use super::Weights;
use crate::graph::Graph;
use crate::tensor::{Shape, Tensor};

impl Weights {
    /// Generated weights for every parameter of `graph`. `gain` is 1 for networks with residual
    /// connections and the square root of 2 (He et al. 2015) for those without.
    pub fn generated(graph: &Graph, gain: f64) -> Self {
        let tensors: Vec<(String, Tensor)> = graph
            .parameters()
            .into_par_iter()
            .map(|p| {
                let tensor = tensor(&p.name, p.shape, gain);
                (p.name, tensor)
            })
            .collect();
        Self::from_tensors(format!("generated weights of {}", graph.name()), tensors)
    }
}

/// The generated parameter or statistic `name`.
///
/// # Panics
/// Where the number of elements does not fit in memory, as `Vec` does.
pub fn tensor(name: &str, shape: impl Into<Shape>, gain: f64) -> Tensor {
    let shape = shape.into();
    let vector = shape.rank() <= 1;
    if name.ends_with("running_var") || (shape.rank() == 1 && name.ends_with("weight")) {
        fill(name, shape, |u| 0.5 + u)
    } else if vector {
        fill(name, shape, |u| (u - 0.5) * 0.2)
    } else {
        let fan_in: usize = shape.dims()[1..].iter().product();
        let bound = (gain * (3.0 / fan_in as f64).sqrt()) as f32;
        fill(name, shape, |u| (u * 2.0 - 1.0) * bound)
    }
}

/// The generated network input: a tensor called `input`, uniform with standard deviation 1.
///
/// # Panics
/// Where the number of elements does not fit in memory, as `Vec` does.
pub fn generated_input(shape: impl Into<Shape>) -> Tensor {
    let bound = 3_f64.sqrt() as f32;
    fill("input", shape.into(), |u| (u * 2.0 - 1.0) * bound)
}

/// Elements that one thread draws at a time.
const CHUNK: usize = 1 << 16;

/// A tensor of numbers drawn in `[0, 1)` and passed through `f`. Each is a function of its place
/// alone, so threads may share them out as they like.
fn fill(name: &str, shape: Shape, f: impl Fn(f32) -> f32 + Sync) -> Tensor {
    let seed = fnv1a64(name);
    let mut tensor = Tensor::zeros(shape);
    (tensor.data_mut().par_chunks_mut(CHUNK).enumerate()).for_each(|(chunk, elements)| {
        for (i, element) in (chunk * CHUNK..).zip(elements) {
            *element = f(uniform(seed, i as u64));
        }
    });
    tensor
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

/// The FNV-1a hash (Fowler, Noll and Vo).
fn fnv1a64(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_values() {
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
    fn kinds_of_tensors_have_their_ranges() {
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
}
