//! Random tensors and weights, graphs of one operator, and the number of cases.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use shadernet::graph::{Conv2d, Graph, GraphBuilder, Op, Padding};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

/// The same cases every time, so that a failure is caused by a change of the code. The environment variables
/// `PROPTEST_CASES` and `PROPTEST_RNG_SEED` select more or other cases.
pub fn cases() -> Config {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    Config {
        cases: cases.unwrap_or(24),
        // Failures are printed with their values, so that no file of seeds is needed.
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

/// Batch 1 to 3, height and width from 1.
pub fn extents() -> impl Strategy<Value = [usize; 3]> {
    (1..4_usize, 1..13_usize, 1..13_usize).prop_map(|(n, h, w)| [n, h, w])
}

pub fn conv_settings() -> impl Strategy<Value = (Conv2d, [usize; 3], u64)> {
    let kernel = (1..6_usize, 1..6_usize);
    let stride = (1..4_usize, 1..4_usize);
    let dilation = (1..3_usize, 1..3_usize);
    let padding = prop_oneof![
        3 => [0..4_usize, 0..4, 0..4, 0..4].prop_map(Padding::from),
        1 => Just(Padding::Same),
    ];
    let rest = (kernel, stride, dilation, padding, any::<bool>());
    (rest, extents(), any::<u64>()).prop_filter_map(
        "the kernel must fit",
        |((k, s, d, padding, bias), [n, h, w], seed)| {
            let conv = Conv2d::new(1, 1, 1)
                .kernel_hw(k.0, k.1)
                .stride_hw(s.0, s.1)
                .dilation_hw(d.0, d.1)
                .padding(padding)
                .bias(bias);
            let [top, bottom, left, right] = conv.padding_for([h, w]);
            let fits = d.0 * (k.0 - 1) < h + top + bottom && d.1 * (k.1 - 1) < w + left + right;
            fits.then_some((conv, [n, h, w], seed % 1_000_000))
        },
    )
}

/// A graph of one operator over inputs of these shapes.
pub fn graph_of(op: impl Into<Op>, shapes: &[Shape]) -> Graph {
    let mut b = GraphBuilder::new("one operator");
    let inputs: Vec<_> = (shapes.iter().enumerate())
        .map(|(i, shape)| b.input(format!("input.{i}"), &vec![None; shape.rank()]))
        .collect();
    let output = b.node("op", op, &inputs);
    b.output(output);
    b.build().unwrap()
}

/// Random weights for a graph; variances positive.
pub fn weights_for(graph: &Graph, seed: u64) -> Weights {
    let tensors = graph.parameters().into_iter().enumerate().map(|(i, p)| {
        let mut values = tensor(&p.shape, seed + 100 + i as u64);
        if p.name.ends_with("running_var") {
            values = values.map(|v| v.abs() + 0.1);
        }
        (p.name, values)
    });
    Weights::from_tensors("random", tensors)
}
