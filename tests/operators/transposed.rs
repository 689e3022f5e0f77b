//! Transposed convolutions computed by the kernels of convolutions, with cropping as in gradients.

use proptest::prelude::*;
use shadernet::graph::{Conv2d, ConvTranspose2d, Graph, GraphBuilder, Pad2d};
use shadernet::session::ConvAlgorithm;
use shadernet::tensor::Shape;

use crate::compare::Case;
use crate::generate::{cases, extents, tensor};
use crate::ran::{DENSE, Shaders, preferred};
use crate::tolerance::winograd_factor;

/// A transposed convolution whose output is cropped, unless nothing would be left. A pass fuses the crop.
fn cropped(op: ConvTranspose2d, crop: [usize; 4], shape: &Shape) -> Option<Graph> {
    let mut b = GraphBuilder::new("cropped");
    let x = b.input("input", &[None; 4]);
    let y = b.node("conv", op, &[x]);
    let [top, bottom, left, right] = crop.map(|side| -(side as isize));
    let y = b.node("crop", Pad2d::zeros(top, bottom, left, right), &[y]);
    b.output(y);
    let graph = b.build().unwrap();
    graph
        .infer(std::slice::from_ref(shape))
        .is_ok()
        .then_some(graph)
}

proptest! {
    #![proptest_config(cases())]

    /// At stride 1, a transposed convolution can be computed by every algorithm.
    #[test]
    fn by_every_algorithm(
        [n, h, w] in extents(),
        (inputs, outputs) in (1..40_usize, 1..40_usize),
        (padding, crop) in (0..3_usize, [0..3_usize, 0..3, 0..3, 0..3]),
        bias in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let shape = Shape::from([n, inputs, h + 2, w + 2]);
        let op = ConvTranspose2d::new(inputs, outputs, 3, 1).padding(padding).bias(bias);
        let graph = cropped(op, crop, &shape);
        prop_assume!(graph.is_some());
        let (graph, input) = (graph.unwrap(), tensor(&shape, seed));
        // The convolution that computes it, which never reads planar input.
        let conv = Conv2d::new(inputs, outputs, 3);
        let all = ConvAlgorithm::all();
        let mut algorithms = [2, 4].map(|tile| ConvAlgorithm::Winograd { tile }).to_vec();
        algorithms.push(all[seed as usize % all.len()]);
        for algorithm in algorithms {
            let factor = match algorithm {
                ConvAlgorithm::Winograd { tile } => winograd_factor(tile),
                _ => 1.0,
            };
            let expected = [("conv", preferred(algorithm, &conv, false))];
            Case::new(&graph, std::slice::from_ref(&input), seed, &expected)
                .prefer(algorithm)
                .factor(factor)
                .run();
        }
    }

    #[test]
    fn depthwise(
        [n, h, w] in extents(),
        channels in 1..20_usize,
        kernel in prop_oneof![Just([3, 3]), Just([5, 5]), [1..5_usize, 1..5_usize]],
        (stride, dilation) in ([1..4_usize, 1..4_usize], [1..3_usize, 1..3_usize]),
        crop in [0..3_usize, 0..3, 0..3, 0..3],
        bias in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        for (stride, dilation) in [([1, 1], [1, 1]), ([2, 2], [1, 1]), (stride, dilation)] {
            let mut op = ConvTranspose2d::new(channels, channels, 1, 1).groups(channels).bias(bias);
            (op.kernel, op.stride, op.dilation) = (kernel, stride, dilation);
            let shape = Shape::from([n, channels, h, w]);
            if let Some(graph) = cropped(op, crop, &shape) {
                let in_rows = [[3, 3], [5, 5]].contains(&kernel) && dilation == [1, 1];
                let shaders = match (channels, stride) {
                    // One group is not depthwise.
                    (1, _) => DENSE,
                    (_, [1, 1]) if in_rows => Shaders::Only("conv2d_depthwise_row"),
                    (_, [1, 1]) => Shaders::Only("conv2d_depthwise"),
                    _ => Shaders::Only("conv2d_depthwise_transposed"),
                };
                let expected = [("conv", shaders)];
                Case::new(&graph, &[tensor(&shape, seed)], seed, &expected).run();
            }
        }
    }

    /// Where the kernel is smaller than the stride, the output between two kernels is the bias.
    #[test]
    fn stride_larger_than_kernel(
        [n, h, w] in extents(),
        (inputs, outputs) in (1..20_usize, 1..20_usize),
        (kernel, more) in ([1..3_usize, 1..3_usize], [1..3_usize, 1..3_usize]),
        crop in [0..3_usize, 0..3, 0..3, 0..3],
        bias in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let mut op = ConvTranspose2d::new(inputs, outputs, 1, 1).bias(bias);
        (op.kernel, op.stride) = (kernel, [kernel[0] + more[0], kernel[1] + more[1]]);
        let shape = Shape::from([n, inputs, h, w]);
        if let Some(graph) = cropped(op, crop, &shape) {
            let expected = [("conv", DENSE)];
            Case::new(&graph, &[tensor(&shape, seed)], seed, &expected).run();
        }
    }
}
