//! Every fast kernel on odd shapes and batches: the kernel that is named ran, and agrees with the reference backend.

use std::sync::Arc;

use shadernet::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Binary, ChannelShuffle, Conv2d, ConvTranspose2d,
    Flatten, Graph, GraphBuilder, GridSample, GridSampleMode, GridSamplePadding, GroupNorm, Linear,
    Op, Pool2d, PoolKind, SliceChannels, Unary, Upsample, ValueId,
};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

use super::{cpu, error, session};
use crate::generate::{tensor, weights_for};
use crate::tolerance;

/// A value of `channels` channels that is no input of the network, whose kernels may differ, and that nothing can
/// apply to its own input.
fn source(b: &mut GraphBuilder, channels: usize) -> ValueId {
    let x = b.image_input("input", channels);
    b.node("source", Pool2d::average(3, 1).padding(1), &[x])
}

/// Runs the graph with one and with three threads, and asserts which kernel computed `op`.
fn check(graph: &Graph, input: [usize; 4], kernel: &str) {
    let shape = Shape::from(input);
    // Of a size that keeps values near 1, where activations are not flat.
    let weights = Arc::new(Weights::generated(graph, 1.0));
    let inputs = [tensor(&shape, 5)];
    let what = format!(
        "{kernel} {input:?} {:?}",
        graph.nodes().last().map(|n| n.op())
    );
    let mut outputs: Vec<Vec<Tensor>> = Vec::new();
    for threads in [1, 3] {
        let mut session = session(&cpu(threads), graph, &weights, &shape);
        let kernels = session.shaders(std::slice::from_ref(&shape)).unwrap();
        let ran = kernels.iter().find(|(node, _)| node == "op");
        assert_eq!(
            ran.map(|(_, kernel)| kernel.as_str()),
            Some(kernel),
            "{what}"
        );
        // The second run finds whatever the first has left in memory.
        session.run(&inputs).unwrap();
        outputs.push(session.run(&inputs).unwrap());
    }
    let error = error(graph, &weights, &inputs, &outputs[0]);
    println!("{error:.1e} {kernel} {input:?}");
    assert!(error <= tolerance::CPU, "{error} {what}");
    // Whatever the number of threads, to the bit.
    assert_eq!(outputs[0], outputs[1], "{what}");
}

/// Checks one operator on a value.
fn check_op(op: impl Into<Op>, input: [usize; 4], kernel: &str) {
    let mut b = GraphBuilder::new("op");
    let x = source(&mut b, input[1]);
    let x = b.node("op", op, &[x]);
    b.output(x);
    check(&b.build().unwrap(), input, kernel);
}

/// Checks a convolution alone, with all that is fused into it, and where it writes a part of a concatenation.
fn check_conv(op: impl Into<Op>, input: [usize; 4], kernel: &str) {
    let op = op.into();
    check_op(op.clone(), input, kernel);
    let channels = match &op {
        Op::Conv2d(op) => op.out_channels,
        Op::ConvTranspose2d(op) => op.out_channels,
        _ => return,
    };
    for (activation, is_after) in [
        (Activation::Relu, false),
        (Activation::HardSwish, true),
        (Activation::LeakyRelu { slope: 0.1 }, true),
        (Activation::Silu, false),
        (Activation::Mish, false),
        (Activation::Sigmoid, true),
        (Activation::Relu6, false),
    ] {
        let mut b = GraphBuilder::new("fused");
        let x = source(&mut b, input[1]);
        // Of the same shape as the output.
        let other = b.node("other", op.clone(), &[x]);
        let other = b.activation("residual", other, Activation::Tanh);
        let y = b.node("op", op.clone(), &[x]);
        let y = b.node("norm", BatchNorm2d::new(channels), &[y]);
        let y = match is_after {
            true => {
                let y = b.activation("activation", y, activation);
                b.add("sum", y, other)
            }
            false => {
                let y = b.add("sum", y, other);
                b.activation("activation", y, activation)
            }
        };
        b.output(y);
        check(&b.build().unwrap(), input, kernel);
    }
    let mut b = GraphBuilder::new("concatenated");
    let x = source(&mut b, input[1]);
    let parts: Vec<ValueId> = ["before", "op", "after"]
        .map(|name| b.node(name, op.clone(), &[x]))
        .to_vec();
    let y = b.concat("concat", &parts);
    b.output(y);
    check(&b.build().unwrap(), input, kernel);
}

#[test]
fn implicit_gemm() {
    for (conv, input) in [
        (Conv2d::new(5, 7, 1), [3, 5, 3, 5]),
        (Conv2d::new(19, 33, 1).bias(false), [1, 19, 13, 1]),
        (Conv2d::new(64, 130, 1).stride(2), [2, 64, 9, 7]),
        (Conv2d::new(6, 17, 3).stride(2).padding(1), [3, 6, 11, 14]),
        (Conv2d::new(8, 20, 3).dilation(2).padding(2), [1, 8, 9, 10]),
        (Conv2d::new(3, 4, 5).padding(4), [1, 3, 4, 6]),
        (
            Conv2d::new(4, 9, 2).kernel_hw(1, 7).padding([0, 0, 3, 3]),
            [2, 4, 5, 9],
        ),
        // Groups, of whole vectors and of parts of one.
        (Conv2d::new(32, 64, 3).groups(2).padding(1), [1, 32, 6, 5]),
        (Conv2d::new(12, 18, 3).groups(6), [3, 12, 7, 5]),
        (Conv2d::new(8, 4, 1).groups(4), [1, 8, 3, 3]),
        // Long sums, and more rows than a task has.
        (Conv2d::new(1100, 40, 1), [1, 1100, 2, 3]),
        (Conv2d::new(9, 35, 1), [1, 9, 31, 37]),
    ] {
        check_conv(conv, input, "implicit_gemm");
    }
    let mut b = GraphBuilder::new("linear");
    let x = source(&mut b, 37);
    let x = b.flatten("flatten", x);
    let x = b.linear("op", x, Linear::new(37 * 6, 19));
    b.output(x);
    check(&b.build().unwrap(), [3, 37, 2, 3], "implicit_gemm");
}

#[test]
fn transposed() {
    for (conv, input) in [
        (ConvTranspose2d::new(6, 5, 2, 2), [3, 6, 5, 7]),
        (ConvTranspose2d::new(20, 33, 4, 2).padding(1), [1, 20, 4, 3]),
        (ConvTranspose2d::new(4, 8, 3, 3), [1, 4, 3, 2]),
        (ConvTranspose2d::new(8, 6, 5, 1).padding(2), [2, 8, 5, 6]),
    ] {
        check_conv(conv, input, "implicit_gemm");
    }
}

/// Images, whose channels are read together with their padding.
#[test]
fn rows_of_images() {
    for (channels, conv, [n, h, w]) in [
        (3, Conv2d::new(3, 24, 7).stride(2).padding(3), [3, 17, 23]),
        (1, Conv2d::new(1, 5, 3).padding(1), [2, 5, 3]),
        (4, Conv2d::new(4, 40, 3).padding(2), [1, 4, 19]),
        (3, Conv2d::new(3, 16, 2).kernel_hw(1, 5), [1, 3, 9]),
    ] {
        let mut b = GraphBuilder::new("image");
        let x = b.image_input("input", channels);
        let x = b.conv2d("op", x, conv);
        b.output(x);
        check(
            &b.build().unwrap(),
            [n, channels, h, w],
            "implicit_gemm rows",
        );
    }
}

/// A norm and an activation before a convolution, as in DenseNet.
#[test]
fn prologues() {
    for (conv, input) in [
        (Conv2d::new(21, 36, 1), [3, 21, 5, 7]),
        (Conv2d::new(7, 5, 3).padding(1), [1, 7, 6, 4]),
        (Conv2d::new(16, 40, 3).stride(2).padding(1), [2, 16, 9, 9]),
    ] {
        for activation in [Activation::Relu, Activation::Silu] {
            let mut b = GraphBuilder::new("prologue");
            let x = source(&mut b, input[1]);
            // Read twice, so that it cannot be computed before.
            let y = b.node("norm", BatchNorm2d::new(input[1]), &[x]);
            let y = b.activation("activation", y, activation);
            let y = b.conv2d("op", y, conv.clone());
            b.output(y);
            b.output(x);
            check(&b.build().unwrap(), input, "implicit_gemm prologue");
        }
    }
    let mut b = GraphBuilder::new("average");
    let x = source(&mut b, 19);
    let y = b.node("norm", BatchNorm2d::new(19), &[x]);
    let y = b.activation("activation", y, Activation::Relu);
    let y = b.node("op", AdaptiveAvgPool2d::new(1, 1), &[y]);
    b.output(y);
    b.output(x);
    check(&b.build().unwrap(), [3, 19, 5, 6], "pool");
}

#[test]
fn winograd() {
    for (conv, input, kernel) in [
        (
            Conv2d::new(16, 32, 3).padding(1),
            [3, 16, 17, 23],
            "winograd 4x4",
        ),
        (Conv2d::new(33, 37, 3), [1, 33, 30, 26], "winograd 4x4"),
        (
            Conv2d::new(48, 70, 3).padding([0, 1, 2, 0]),
            [2, 48, 13, 19],
            "winograd 4x4",
        ),
        // Few tiles: threads share the channels.
        (
            Conv2d::new(64, 96, 3).padding(1),
            [1, 64, 15, 14],
            "winograd 4x4",
        ),
        (
            Conv2d::new(64, 40, 3).padding(1),
            [1, 64, 6, 6],
            "winograd 2x2",
        ),
        (
            Conv2d::new(65, 33, 3).padding(1),
            [1, 65, 6, 6],
            "winograd 2x2",
        ),
    ] {
        check_conv(conv, input, kernel);
    }
    let transposed = ConvTranspose2d::new(32, 36, 3, 1).padding(1);
    check_conv(transposed, [1, 32, 20, 21], "winograd 4x4");
}

/// Depthwise convolutions: stride, dilation and padding, more rows than are brought at a time, windows further apart than
/// they are long, and windows outside the map.
fn depthwise_convolutions() -> [(Conv2d, [usize; 4]); 8] {
    [
        (Conv2d::depthwise(19, 3).padding(1), [3, 19, 7, 13]),
        (
            Conv2d::depthwise(32, 5).stride(2).padding(2),
            [1, 32, 23, 29],
        ),
        (Conv2d::depthwise(6, 3).dilation(3).padding(3), [2, 6, 8, 9]),
        (Conv2d::depthwise(5, 7).padding(3), [1, 5, 3, 2]),
        (
            Conv2d::depthwise(40, 2)
                .kernel_hw(1, 4)
                .padding([0, 0, 1, 2]),
            [1, 40, 3, 30],
        ),
        (Conv2d::depthwise(35, 3).padding(1), [2, 35, 31, 17]),
        (
            Conv2d::depthwise(8, 2).stride(3).bias(false),
            [1, 8, 26, 14],
        ),
        (Conv2d::depthwise(4, 1).stride(2).padding(2), [1, 4, 5, 40]),
    ]
}

#[test]
fn depthwise() {
    for (conv, input) in depthwise_convolutions() {
        check_conv(conv, input, "depthwise");
    }
}

/// A 1x1 convolution that only a depthwise one reads is computed in its kernel.
#[test]
fn pointwise_depthwise() {
    for (conv, input) in depthwise_convolutions() {
        let channels = input[1];
        for (inputs, activation, is_output) in [
            (channels.div_ceil(3), Some(Activation::Relu6), false),
            (channels + 7, Some(Activation::Silu), false),
            (600, None, false),
            // It is read elsewhere, too.
            (5, None, true),
        ] {
            let mut b = GraphBuilder::new("pair");
            let x = source(&mut b, inputs);
            let mut x = b.conv2d("pointwise", x, Conv2d::new(inputs, channels, 1));
            if let Some(activation) = activation {
                x = b.activation("inner", x, activation);
            }
            let y = b.node("op", conv.clone(), &[x]);
            let z = b.activation("outer", y, Activation::HardSwish);
            if is_output {
                b.output(x);
            }
            b.output(z);
            let kernel = match is_output {
                true => "depthwise",
                false => "pointwise depthwise",
            };
            let [batch, _, height, width] = input;
            check(&b.build().unwrap(), [batch, inputs, height, width], kernel);
        }
    }
}

/// The input of the 1x1 convolution stays in memory until the pair has run, even where it is read no more.
#[test]
fn blocks_of_pointwise_and_depthwise() {
    let mut b = GraphBuilder::new("blocks");
    let mut x = source(&mut b, 20);
    for block in 0..3 {
        let name = |part: &str| format!("{part}{block}");
        let residual = x;
        x = b.conv2d(name("expand"), x, Conv2d::new(20, 70, 1));
        x = b.activation(name("relu"), x, Activation::Relu);
        let depthwise = match block {
            2 => "op".to_owned(),
            _ => name("depthwise"),
        };
        x = b.conv2d(&depthwise, x, Conv2d::depthwise(70, 3).padding(1));
        x = b.conv2d(name("project"), x, Conv2d::new(70, 20, 1));
        if block > 0 {
            x = b.add(name("sum"), x, residual);
        }
    }
    b.output(x);
    check(&b.build().unwrap(), [2, 20, 18, 15], "pointwise depthwise");
}

#[test]
fn pooling() {
    let average = |count_include_pad| PoolKind::Average { count_include_pad };
    for (pool, input) in [
        (Pool2d::max(3, 2).padding(1), [3, 19, 9, 12]),
        (Pool2d::max(2, 2).ceil_mode(true), [1, 5, 7, 5]),
        (
            Pool2d::max(3, 1).dilation_hw(2, 1).padding(1),
            [1, 33, 8, 6],
        ),
        (Pool2d::average(3, 2).padding(1), [2, 17, 7, 9]),
        (Pool2d::new(average(false), 3).padding(1), [1, 6, 7, 8]),
        (
            Pool2d::new(average(true), 3).padding(1).ceil_mode(true),
            [1, 20, 8, 8],
        ),
    ] {
        check_op(pool, input, "pool");
    }
    for (output, input) in [([1, 1], [3, 37, 5, 9]), ([3, 2], [1, 8, 7, 5])] {
        check_op(AdaptiveAvgPool2d::new(output[0], output[1]), input, "pool");
    }
}

#[test]
fn elementwise() {
    for input in [[3, 5, 3, 4], [1, 64, 9, 31], [2, 19, 1, 1]] {
        check_op(BatchNorm2d::new(input[1]), input, "affine");
        for activation in [Activation::Sigmoid, Activation::Mish, Activation::HardSwish] {
            check_op(activation, input, "affine");
        }
        for op in [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div] {
            // Of two values, and of a value and one pixel per image.
            for is_gate in [false, true] {
                let mut b = GraphBuilder::new("two");
                let x = source(&mut b, input[1]);
                let other = match is_gate {
                    true => b.node("gate", AdaptiveAvgPool2d::new(1, 1), &[x]),
                    false => b.activation("other", x, Activation::Sigmoid),
                };
                // Away from zero, to divide by.
                let other = b.activation("sigmoid", other, Activation::Sigmoid);
                let y = b.node("op", op, &[x, other]);
                let y = b.activation("relu", y, Activation::Relu);
                b.output(y);
                b.output(other);
                b.output(x);
                check(&b.build().unwrap(), input, "elementwise");
            }
        }
    }
}

#[test]
fn functions_of_one_value() {
    let hard_sigmoid = Unary::HardSigmoid {
        alpha: 0.2,
        beta: 0.5,
    };
    for op in [Unary::Gelu, hard_sigmoid, Unary::Abs, Unary::Softplus] {
        check_op(op, [3, 19, 4, 5], "elementwise");
    }
}

#[test]
fn layer_norm() {
    for (norm, input) in [
        (GroupNorm::layer(19), [3, 19, 4, 5]),
        (GroupNorm::layer(64).affine(false), [1, 64, 3, 7]),
        (
            GroupNorm::layer(33).centered(false).eps(1e-3),
            [2, 33, 1, 6],
        ),
    ] {
        check_op(norm, input, "layer_norm");
    }
}

#[test]
fn copies() {
    check_op(ChannelShuffle { groups: 3 }, [2, 12, 4, 5], "copy");
    check_op(SliceChannels::from(3..14), [3, 19, 4, 5], "copy");
    check_op(Flatten, [3, 7, 3, 5], "copy");
    let mut b = GraphBuilder::new("concat");
    let x = source(&mut b, 5);
    let y = b.activation("y", x, Activation::Relu);
    let z = b.concat("op", &[x, y, x]);
    b.output(z);
    check(&b.build().unwrap(), [2, 5, 3, 4], "copy");
}

#[test]
fn upsampling() {
    for input in [[3, 19, 5, 4], [1, 64, 3, 7]] {
        check_op(Upsample::nearest(2.0), input, "upsample");
        for align_corners in [false, true] {
            check_op(Upsample::bilinear(2.0, align_corners), input, "upsample");
            let to_size = Upsample::bilinear(1.0, align_corners).to_size(7, 11);
            check_op(to_size, input, "upsample");
        }
    }
}

#[test]
fn sampling_at_positions() {
    for mode in [GridSampleMode::Nearest, GridSampleMode::Bilinear] {
        for padding in [
            GridSamplePadding::Zeros,
            GridSamplePadding::Border,
            GridSamplePadding::Reflection,
        ] {
            for (align_corners, channels) in [(false, 19), (true, 64)] {
                let mut b = GraphBuilder::new("sample");
                let x = source(&mut b, channels);
                // Some positions are outside.
                let positions = b.conv2d("positions", x, Conv2d::new(channels, 2, 1));
                let op = GridSample {
                    mode,
                    padding,
                    align_corners,
                    volume: None,
                };
                let y = b.node("op", op, &[x, positions]);
                b.output(y);
                check(&b.build().unwrap(), [3, channels, 5, 4], "grid_sample");
            }
        }
    }
}

/// NaN and infinity go through every kernel as through the reference backend.
#[test]
fn not_numbers() {
    let ops: Vec<Op> = vec![
        Conv2d::new(20, 18, 1).into(),
        Conv2d::depthwise(20, 3).padding(1).into(),
        Pool2d::max(2, 1).into(),
        Pool2d::average(2, 1).into(),
        BatchNorm2d::new(20).into(),
        Activation::Relu.into(),
        Activation::Relu6.into(),
        Activation::HardSwish.into(),
        Activation::Sigmoid.into(),
        Activation::Silu.into(),
        Activation::Tanh.into(),
        Activation::Mish.into(),
        Activation::LeakyRelu { slope: 0.1 }.into(),
    ];
    let shape = Shape::from([1, 20, 3, 3]);
    for op in ops {
        let mut b = GraphBuilder::new("nan");
        let x = b.image_input("input", 20);
        let y = b.node("op", op.clone(), &[x]);
        b.output(y);
        let graph = b.build().unwrap();
        let weights = Arc::new(weights_for(&graph, 3));
        let mut input = tensor(&shape, 1);
        for (i, value) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 100.0, -100.0]
            .into_iter()
            .enumerate()
        {
            input.data_mut()[i * 17] = value;
        }
        let inputs = [input];
        let outputs = session(&cpu(1), &graph, &weights, &shape)
            .run(&inputs)
            .unwrap();
        let reference: shadernet::reference::Reference =
            shadernet::reference::Reference::new(&graph, &weights).unwrap();
        let expected = reference.run(&inputs).unwrap();
        for (found, expected) in outputs[0].data().iter().zip(expected[0].data()) {
            let is_same = found == expected
                || (found.is_nan() && expected.is_nan())
                || (found - expected).abs() <= 1e-4 * expected.abs().max(1.0);
            assert!(is_same, "{found}, expected {expected}: {op:?}");
        }
    }
}
