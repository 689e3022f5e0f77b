//! Sampling at positions that are values.

use proptest::prelude::*;
use shadernet::graph::{GridSample, GridSampleMode, GridSamplePadding};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::Case;
use crate::generate::{cases, extents, graph_of, tensor};
use crate::ran::Shaders::Only;

fn settings() -> impl Strategy<Value = GridSample> {
    let modes = [
        GridSampleMode::Nearest,
        GridSampleMode::Bilinear,
        GridSampleMode::Bicubic,
    ];
    let paddings = [
        GridSamplePadding::Zeros,
        GridSamplePadding::Border,
        GridSamplePadding::Reflection,
    ];
    let select = prop::sample::select::<GridSampleMode>;
    (
        select(modes.to_vec()),
        prop::sample::select(paddings.to_vec()),
        any::<bool>(),
    )
        .prop_map(|(mode, padding, align_corners)| GridSample {
            mode,
            padding,
            align_corners,
        })
}

/// `positions` are multiples of 1/32, so that float16 holds them and all backends find the same pixels.
fn check(op: GridSample, input: [usize; 4], positions: &Tensor, seed: u64) {
    let shapes = [Shape::from(input), positions.shape().clone()];
    let graph = graph_of(op, &shapes);
    let inputs = [tensor(&shapes[0], seed), positions.clone()];
    Case::new(&graph, &inputs, seed, &[("op", Only("grid_sample"))])
        .factor(4.0)
        .run();
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn sampling(
        op in settings(),
        [n, h, w] in extents(),
        c in 1..7_usize,
        (height, width) in (1..6_usize, 1..6_usize),
        seed in any::<u64>(),
    ) {
        let random = tensor(&Shape::from([n, 2, height, width]), seed ^ 1);
        let positions = random.map(|x| (x * 1.5 * 32.0).round() / 32.0);
        check(op, [n, c, h, w], &positions, seed);
    }
}

/// Positions that are no numbers, or far from every pixel.
#[test]
fn positions_without_pixels() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let columns = [nan, 0.0, nan, inf, -inf, 0.0, 3e4];
    let rows = [0.0, nan, nan, 0.0, inf, -inf, -3e4];
    let values = [columns, rows].concat();
    let positions = Tensor::new([1, 2, 1, 7], values).unwrap();
    for padding in [GridSamplePadding::Zeros, GridSamplePadding::Border] {
        for mode in [GridSampleMode::Nearest, GridSampleMode::Bilinear] {
            let op = GridSample {
                mode,
                padding,
                align_corners: false,
            };
            check(op, [1, 3, 4, 5], &positions, 1);
        }
    }
}
