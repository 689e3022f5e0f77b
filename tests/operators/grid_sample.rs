//! Sampling at positions that are values.

use proptest::prelude::*;
use shadernet::graph::{GridSample, GridSampleMode, GridSamplePadding};
use shadernet::reference::Reference;
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

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
            volume: None,
        })
}

/// `positions` are multiples of 1/32, so that float16 holds them and all backends find the same pixels.
fn check(op: GridSample, input: &[usize], positions: &Tensor, seed: u64) {
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
        check(op, &[n, c, h, w], &positions, seed);
    }

    #[test]
    fn volumes(
        op in settings(),
        [n, h, w] in extents(),
        (c, d) in (1..7_usize, 1..5_usize),
        (depth, height, width) in (1..4_usize, 1..4_usize, 1..4_usize),
        seed in any::<u64>(),
    ) {
        prop_assume!(op.mode != GridSampleMode::Bicubic);
        let (h, w) = (h.min(5), w.min(5));
        let op = GridSample { volume: Some([d, h, w]), ..op };
        let random = tensor(&Shape::from([n, 3, depth, height, width]), seed ^ 1);
        let positions = random.map(|x| (x * 1.5 * 32.0).round() / 32.0);
        check(op, &[n, c, d, h, w], &positions, seed);
    }
}

/// The numbers of a shape are those of the volume, and bicubic interpolation is for maps.
#[test]
fn other_volumes_are_refused() {
    let op = |mode| GridSample {
        mode,
        padding: GridSamplePadding::Zeros,
        align_corners: false,
        volume: Some([2, 3, 4]),
    };
    let refused = |mode, input: &[usize], positions: &[usize]| {
        let mut b = shadernet::graph::GraphBuilder::new("volume");
        let x = b.input("x", &vec![None; input.len()]);
        let grid = b.input("grid", &vec![None; positions.len()]);
        let y = b.node("op", op(mode), &[x, grid]);
        b.output(y);
        let shapes = [Shape::from(input), Shape::from(positions)];
        let result = b.build().and_then(|graph| graph.infer(&shapes));
        result.unwrap_err().to_string()
    };
    let (bilinear, bicubic) = (GridSampleMode::Bilinear, GridSampleMode::Bicubic);
    let positions = [1, 3, 1, 1, 1];
    assert!(refused(bilinear, &[1, 5, 2, 4, 3], &positions).contains("[N, C, 2, 3, 4]"));
    assert!(refused(bilinear, &[1, 5, 2, 3, 4], &[1, 2, 1, 1, 1]).contains("[N, 3,"));
    assert!(refused(bicubic, &[1, 5, 2, 3, 4], &positions).contains("for maps"));
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
                volume: None,
            };
            check(op, &[1, 3, 4, 5], &positions, 1);
        }
    }
}

/// Of a bicubic sample beyond a border, each pixel is moved to the edge: PyTorch's number for four columns 0 to 3.
#[test]
fn bicubic_samples_beyond_a_border() {
    let op = GridSample {
        mode: GridSampleMode::Bicubic,
        padding: GridSamplePadding::Border,
        align_corners: true,
        volume: None,
    };
    let columns = Tensor::from_fn([1, 1, 4, 4], |i| (i % 4) as f32);
    let position = Tensor::new([1, 2, 1, 1], vec![-1.28125, 0.0]).unwrap();
    let shapes = [columns.shape().clone(), position.shape().clone()];
    let graph = graph_of(op, &shapes);
    let inputs = [columns, position];
    let weights = Weights::generated(&graph, 1.0);
    let reference = Reference::<f32>::new(&graph, &weights).unwrap();
    let found = reference.run(&inputs).unwrap();
    assert!((found[0].data()[0] + 0.105752).abs() < 1e-5, "{found:?}");
    Case::new(&graph, &inputs, 0, &[("op", Only("grid_sample"))]).run();
}
