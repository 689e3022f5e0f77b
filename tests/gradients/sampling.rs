//! Gradients of samples, with respect to the map and the positions.

use proptest::prelude::*;
use shadernet::graph::{GridSample, GridSampleMode, GridSamplePadding, Seed};
use shadernet::tensor::{Shape, Tensor};

use crate::common::ran::Shaders::Only;
use crate::common::tolerance::gradient;
use crate::differences::check_within;
use crate::generate::{cases, graph_of, tensor};

/// Positions from beyond one edge to beyond the other, and none near a pixel's center or edge, where derivatives
/// jump.
fn positions(op: &GridSample, n: usize, [h, w]: [usize; 2], out: [usize; 2], seed: u64) -> Tensor {
    let shape = Shape::from([n, 2, out[0], out[1]]);
    let plane = out[0] * out[1];
    let random = tensor(&shape, seed);
    Tensor::from_fn(shape, |i| {
        // The first channel is the column.
        let size = [w, h][i / plane % 2] as f32;
        let random = (random.data()[i] + 2.0) / 4.0;
        let whole = (random * (size + 3.0)).floor() - 2.0;
        let pixel = whole + [0.25, 0.375, 0.75][i % 3];
        match op.align_corners {
            true => pixel / (size - 1.0).max(1.0) * 2.0 - 1.0,
            false => (2.0 * pixel + 1.0) / size - 1.0,
        }
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn samples(
        n in 1..3_usize,
        c in 1..6_usize,
        [h, w] in [2..6_usize, 2..6],
        out in [1..4_usize, 1..4],
        align_corners in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        for mode in [GridSampleMode::Nearest, GridSampleMode::Bilinear, GridSampleMode::Bicubic] {
            for padding in [
                GridSamplePadding::Zeros,
                GridSamplePadding::Border,
                GridSamplePadding::Reflection,
            ] {
                let op = GridSample { mode, padding, align_corners, volume: None };
                let positions = positions(&op, n, [h, w], out, seed + 7);
                let shapes = [Shape::from([n, c, h, w]), positions.shape().clone()];
                let inputs = [tensor(&shapes[0], seed), positions];
                let shaders = [
                    ("op.backward", Only("grid_sample_backward")),
                    ("op.backward.1", Only("grid_sample_positions_backward")),
                ];
                // Positions are rounded to float16, and their gradients are as large as the map is wide.
                check_within(&graph_of(op, &shapes), &inputs, seed, &shaders, 10.0 * gradient::BLOCK_F16);
            }
        }
    }
}

#[test]
fn volumes_are_refused() {
    let op = GridSample {
        mode: GridSampleMode::Bilinear,
        padding: GridSamplePadding::Zeros,
        align_corners: false,
        volume: Some([2, 3, 4]),
    };
    let shapes = [Shape::from([1, 5, 2, 3, 4]), Shape::from([1, 3, 1, 1, 1])];
    let graph = graph_of(op, &shapes);
    let (output, inputs) = (graph.outputs()[0], graph.inputs());
    let with = graph.with_gradients(&shapes, output, Seed::Input, inputs, Default::default());
    let error = with.unwrap_err().to_string();
    assert!(error.contains("volume"), "{error}");
}
