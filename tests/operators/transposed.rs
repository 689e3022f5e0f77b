//! Transposed convolutions, which the kernels of convolutions compute, also with cropping as in gradients.

use proptest::prelude::*;
use shadernet::gpu::Precision;
use shadernet::graph::{Conv2d, ConvTranspose2d, Graph, GraphBuilder, Pad2d};
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

use crate::compare::{Case, check};
use crate::devices;
use crate::generate::{cases, extents, graph_of, tensor};
use crate::ran::Shaders::{self, Only};
use crate::ran::{DENSE, assert_ran, preferred};
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

    #[test]
    fn transposed_convolution(
        (inputs, outputs, groups) in (1..7_usize, 1..7_usize, 1..4_usize),
        whole_elements in any::<bool>(),
        (kernel, stride, dilation, padding, extra) in
            ([1..5_usize, 1..5_usize], [1..4_usize, 1..4_usize], [1..3_usize, 1..3_usize],
             [0..3_usize, 0..3_usize], [0..3_usize, 0..3_usize]),
        [n, h, w] in extents(),
        bias in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let channels = if whole_elements { 4 * groups } else { groups };
        let mut op = ConvTranspose2d::new(inputs * channels, outputs * channels, 1, 1)
            .groups(groups)
            .bias(bias);
        (op.kernel, op.stride, op.dilation, op.padding) = (kernel, stride, dilation, padding);
        for i in 0..2 {
            op.output_padding[i] = extra[i].min(stride[i].max(dilation[i]) - 1);
            let size = ([h, w][i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1;
            prop_assume!(size + op.output_padding[i] > 2 * padding[i]);
        }
        let whole = (inputs * channels / groups) % 4 == 0 && (outputs * channels / groups) % 4 == 0;
        let shaders = match (groups, op.is_depthwise()) {
            (1, _) => DENSE,
            (_, true) => Shaders::AnyOf(&[
                "conv2d_depthwise",
                "conv2d_depthwise_row",
                "conv2d_depthwise_transposed",
            ]),
            _ if whole => DENSE,
            _ => Only("conv2d_grouped"),
        };
        check(op.clone(), [n, op.in_channels, h, w], seed, shaders);
    }

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

/// [[1, 2], [3, 4]] through the kernel [[1, 2], [3, 4]], by hand.
#[test]
fn transposed_convolution_by_hand() {
    let values = vec![1.0, 2.0, 3.0, 4.0];
    let square = Tensor::new([1, 1, 2, 2], values).unwrap();
    let stride_1 = vec![1.0, 4.0, 4.0, 6.0, 20.0, 16.0, 9.0, 24.0, 16.0];
    #[rustfmt::skip]
    let stride_2 = vec![
        1.0, 2.0, 2.0, 4.0,
        3.0, 4.0, 6.0, 8.0,
        3.0, 6.0, 4.0, 8.0,
        9.0, 12.0, 12.0, 16.0,
    ];
    for (stride, expected) in [(1, stride_1), (2, stride_2)] {
        let op = ConvTranspose2d::new(1, 1, 2, stride).bias(false);
        let graph = graph_of(op, &[square.shape().clone()]);
        for (name, device) in devices::all_devices() {
            let kernel = ("op.weight".to_owned(), square.clone());
            let weights = Weights::from_tensors("by hand", [kernel]);
            let options = SessionOptions::default();
            let shapes = [square.shape().clone()];
            let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
            let output = session.run(std::slice::from_ref(&square)).unwrap();
            let ran = [("op", DENSE)];
            assert_ran(&device, Precision::F32, &session, &shapes, &ran, &name);
            assert_eq!(output[0].data(), expected, "stride {stride} on {name}");
        }
    }
}
