//! Transposed convolutions by the kernels of ordinary ones, cropped as those of gradients are.

use proptest::prelude::*;
use shadernet::graph::{ConvTranspose2d, Graph, GraphBuilder, Pad2d};
use shadernet::session::ConvAlgorithm;
use shadernet::tensor::Shape;

use crate::compare::{compare, compare_with};
use crate::generate::{cases, extents, tensor};

/// A transposed convolution and what crops its answer, if that leaves anything of this map.
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

    /// A stride of 1 leaves the choice that ordinary convolutions have.
    #[test]
    fn by_every_kernel(
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
        for tile in [2, 4] {
            // The transforms multiply rounding errors: about ten times for tiles of 4.
            let looser = if tile == 2 { 4.0 } else { 12.0 };
            let kernel = Some(ConvAlgorithm::Winograd { tile });
            compare_with(&graph, std::slice::from_ref(&input), seed, kernel, looser);
        }
        let all = ConvAlgorithm::all();
        let kernel = all[seed as usize % all.len()];
        let looser = if matches!(kernel, ConvAlgorithm::Winograd { .. }) { 12.0 } else { 1.0 };
        compare_with(&graph, &[input], seed, Some(kernel), looser);
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
                compare(&graph, &[tensor(&shape, seed)], seed);
            }
        }
    }

    /// Where kernels are smaller than their stride, between them is the bias.
    #[test]
    fn apart(
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
            compare(&graph, &[tensor(&shape, seed)], seed);
        }
    }
}
