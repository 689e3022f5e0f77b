//! Random tensors and how many cases to run.

use proptest::test_runner::{Config, RngSeed};
use shadernet::tensor::{Shape, Tensor};

/// The same cases each time, so that a red run is the change's doing; `PROPTEST_CASES` and
/// `PROPTEST_RNG_SEED` in the environment ask for more and for others.
pub fn cases() -> Config {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    Config {
        cases: cases.unwrap_or(24),
        // Failures are printed with their values; a file of seeds beside them helps nobody.
        failure_persistence: None,
        max_shrink_iters: 200,
        rng_seed: match std::env::var_os("PROPTEST_RNG_SEED") {
            Some(_) => Config::default().rng_seed,
            None => RngSeed::Fixed(2026),
        },
        ..Config::default()
    }
}

/// Values in -2..2, a function of `seed` and their index (splitmix64).
pub fn tensor(shape: &Shape, seed: u64) -> Tensor {
    Tensor::from_fn(shape.clone(), |i| {
        let mut z = (seed.wrapping_mul(1 << 32) + i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 22) as f32 - 2.0
    })
}
