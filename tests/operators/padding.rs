//! Padding and cropping, fused into the reader or the producer of the map or not.

use proptest::prelude::*;
use shadernet::graph::{Conv2d, ConvTranspose2d, Graph, GraphBuilder, Op, Pad2d, Pool2d, PoolKind};
use shadernet::tensor::Shape;

use crate::compare::Case;
use crate::generate::{cases, tensor};
use crate::ran::DENSE;
use crate::ran::Shaders::{self, AnyOf, NoneOrAnyOf, Only};

/// `first` followed by `second`, over an image of `channels` channels.
fn graph_of(first: impl Into<Op>, second: impl Into<Op>, channels: usize) -> Graph {
    let mut b = GraphBuilder::new("two operators");
    let x = b.image_input("input", channels);
    let x = b.node("first", first, &[x]);
    let x = b.node("second", second, &[x]);
    b.output(x);
    b.build().unwrap()
}

fn check(
    graph: &Graph,
    shape: [usize; 4],
    seed: u64,
    expected: &[(&str, Shaders)],
) -> Result<(), TestCaseError> {
    let shape = Shape::from(shape);
    // The window must fit the remaining pixels.
    prop_assume!(graph.infer(std::slice::from_ref(&shape)).is_ok());
    Case::new(graph, &[tensor(&shape, seed)], seed, expected).run();
    Ok(())
}

fn extents() -> impl Strategy<Value = [usize; 3]> {
    (1..4_usize, 3..9_usize, 3..9_usize).prop_map(|(n, h, w)| [n, h, w])
}

fn pad_of([top, bottom, left, right]: [isize; 4], value: f32) -> Pad2d {
    Pad2d {
        value,
        ..Pad2d::zeros(top, bottom, left, right)
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn padding_before_poolings(
        [n, h, w] in extents(),
        channels in 1..8_usize,
        pad in [-2..3_isize, -2..3, -2..3, -2..3],
        average in any::<bool>(),
        count_include_pad in any::<bool>(),
        ceil_mode in any::<bool>(),
        fill in prop_oneof![2 => Just(0.0_f32), 1 => Just(f32::NEG_INFINITY), 1 => Just(1.5)],
        (kernel, stride, own) in (1..4_usize, 1..4_usize, 0..3_usize),
        seed in 0..1000_u64,
    ) {
        let (kind, fill) = match average {
            true => (PoolKind::Average { count_include_pad }, fill.max(0.0)),
            false => (PoolKind::Max, fill),
        };
        let pool = Pool2d::new(kind, kernel).stride_hw(stride, stride).ceil_mode(ceil_mode);
        let pool = pool.padding(own.min(kernel - 1));
        let graph = graph_of(pad_of(pad, fill), pool, channels);
        // A window of one pixel and stride 1 is the identity.
        let expected = [("first", NoneOrAnyOf(&["pad"])), ("second", NoneOrAnyOf(&["pool"]))];
        check(&graph, [n, channels, h, w], seed, &expected)?;
    }

    #[test]
    fn padding_before_convolutions(
        [n, h, w] in extents(),
        half in 1..5_usize,
        pad in [-2..3_isize, -2..3, -2..3, -2..3],
        groups in 0..3_usize,
        (kernel, stride, own) in (1..4_usize, 1..3_usize, 0..2_usize),
        seed in 0..1000_u64,
    ) {
        let channels = 2 * half;
        let conv = Conv2d::new(channels, channels, kernel).stride(stride).padding(own);
        let conv = conv.groups([1, 2, channels][groups]);
        let is_depthwise = conv.is_depthwise();
        let graph = graph_of(pad_of(pad, 0.0), conv, channels);
        let conv = match (groups, is_depthwise) {
            (0, _) => DENSE,
            (_, true) => AnyOf(&["conv2d_depthwise", "conv2d_depthwise_row"]),
            _ if half.is_multiple_of(4) => DENSE,
            _ => Only("conv2d_grouped"),
        };
        let expected = [("first", NoneOrAnyOf(&["pad"])), ("second", conv)];
        check(&graph, [n, channels, h, w], seed, &expected)?;
    }

    #[test]
    fn cropping_after_transposed_convolutions(
        [n, h, w] in extents(),
        channels in 1..6_usize,
        out_channels in 1..10_usize,
        crop in [0..4_isize, 0..4, 0..4, 0..4],
        (kernel, stride, dilation, own) in (1..5_usize, 1..4_usize, 1..3_usize, 0..2_usize),
        seed in 0..1000_u64,
    ) {
        let up = ConvTranspose2d::new(channels, out_channels, kernel, stride);
        let up = up.dilation(dilation).padding(own);
        let graph = graph_of(up, pad_of(crop.map(|side| -side), 0.0), channels);
        check(&graph, [n, channels, h, w], seed, &[("first", DENSE), ("second", NoneOrAnyOf(&[]))])?;
    }
}
