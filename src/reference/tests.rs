//! Every operator against values computed by hand, or against a direct implementation of its formula.

use super::*;
use crate::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Binary, Concat, Conv2d, Flatten, GraphBuilder,
    Linear, Padding, Pool2d, PoolKind, Softmax,
};
use crate::weights::generate;

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn tensor<const N: usize>(shape: [usize; N], data: &[f64]) -> Tensor<f64> {
    Tensor::new(shape, data.to_vec()).unwrap()
}

fn counting<const N: usize>(shape: [usize; N]) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| i as f64)
}

/// A node of `op`, called `op`, with these parameters in the operator's order.
fn run(op: impl Into<Op>, parameters: &[&[f32]], inputs: &[&Tensor<f64>]) -> Tensor<f64> {
    let mut b = GraphBuilder::new("one operator");
    let name = |i: usize| format!("input{i}");
    let mut operands = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        operands.push(b.input(name(i), &vec![None; input.shape().rank()]));
    }
    let y = b.node("op", op, &operands);
    b.output(y);
    let graph = b.build().unwrap();
    let tensors = graph.parameters().into_iter().zip(parameters);
    let tensors = tensors.map(|(p, data)| (p.name, Tensor::new(p.shape, data.to_vec()).unwrap()));
    let reference = Reference::new(&graph, &Weights::from_tensors("by hand", tensors)).unwrap();
    let inputs: Vec<Tensor<f64>> = inputs.iter().map(|&x| x.clone()).collect();
    reference.run(&inputs).unwrap().remove(0)
}

/// Equal within 1e-12, relative: a few roundings in float64. NaN equals NaN.
fn assert_close(found: &Tensor<f64>, expected: &[f64]) {
    assert_eq!(found.data().len(), expected.len(), "of {found:?}");
    for (i, (&f, &e)) in found.data().iter().zip(expected).enumerate() {
        let same = f == e || (f.is_nan() && e.is_nan()) || (f - e).abs() <= 1e-12 * e.abs();
        assert!(
            same,
            "element {i}: found {f}, expected {e}: {:?}",
            found.data()
        );
    }
}

#[test]
fn convolution_by_hand() {
    // [[0, 1, 2], [3, 4, 5], [6, 7, 8]] with [[1, 2], [3, 4]].
    let x = counting([1, 1, 3, 3]);
    let kernel: &[f32] = &[1.0, 2.0, 3.0, 4.0];
    let y = run(Conv2d::new(1, 1, 2), &[kernel, &[0.5]], &[&x]);
    assert_close(&y, &[27.5, 37.5, 57.5, 67.5]);
    // One column of zeros on the left, one row below, stride 2: the first column is padding, and so is
    // the second row of the lower windows.
    let conv = Conv2d::new(1, 1, 2)
        .padding([0, 1, 1, 0])
        .stride(2)
        .bias(false);
    assert_close(&run(conv, &[kernel], &[&x]), &[12.0, 37.0, 12.0, 23.0]);
    // TensorFlow's SAME with an even kernel pads after only.
    let conv = Conv2d::new(1, 1, 2).padding(Padding::Same).bias(false);
    let same = [27.0, 37.0, 17.0, 57.0, 67.0, 29.0, 20.0, 23.0, 8.0];
    assert_close(&run(conv, &[kernel], &[&x]), &same);
}

#[test]
fn convolution_propagates_nan_and_infinity() {
    let mut x = counting([1, 2, 3, 3]);
    x.data_mut()[4] = NAN;
    x.data_mut()[9 + 8] = INF;
    let depthwise = Conv2d::depthwise(2, 1).bias(false);
    let y = run(depthwise, &[&[0.0, 1.0]], &[&x]);
    let zeros_and_nan = [0.0, 0.0, 0.0, 0.0, NAN, 0.0, 0.0, 0.0, 0.0];
    let second = [9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, INF];
    assert_close(&y, &[zeros_and_nan, second].concat());
}

/// Convolution by its definition: seven loops.
fn direct_conv(
    op: &Conv2d,
    weight: &[f64],
    bias: &[f64],
    x: &Tensor<f64>,
    out: [usize; 4],
) -> Vec<f64> {
    let [_, in_channels, h, w] = x.shape().nchw();
    let [n, out_channels, out_h, out_w] = out;
    let [top, _, left, _] = op.padding_for([h, w]);
    let (in_group, out_group) = (in_channels / op.groups, out_channels / op.groups);
    let [kh, kw] = op.kernel;
    let mut y = Vec::new();
    for image in 0..n {
        for o in 0..out_channels {
            for (oy, ox) in (0..out_h * out_w).map(|i| (i / out_w, i % out_w)) {
                let mut sum = bias[o];
                for c in 0..in_group {
                    for (ky, kx) in (0..kh * kw).map(|i| (i / kw, i % kw)) {
                        let iy = (oy * op.stride[0] + ky * op.dilation[0]).wrapping_sub(top);
                        let ix = (ox * op.stride[1] + kx * op.dilation[1]).wrapping_sub(left);
                        if iy < h && ix < w {
                            let channel = image * in_channels + o / out_group * in_group + c;
                            sum += x.data()[(channel * h + iy) * w + ix]
                                * weight[((o * in_group + c) * kh + ky) * kw + kx];
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

#[test]
fn convolution_matches_its_definition() {
    let cases = [
        // More channels, pixels and taps than a block has, and odd numbers of them.
        (Conv2d::new(5, 37, 3).padding(1), [2, 5, 17, 19]),
        (
            Conv2d::new(4, 3, 3)
                .stride(2)
                .dilation(2)
                .padding([3, 0, 1, 4]),
            [1, 4, 11, 12],
        ),
        (Conv2d::new(6, 9, 1).groups(3).stride(3), [2, 6, 7, 8]),
        (
            Conv2d::depthwise(7, 5).stride(2).padding(Padding::Same),
            [3, 7, 10, 9],
        ),
        (
            Conv2d::new(3, 4, 1)
                .kernel_hw(1, 4)
                .stride_hw(2, 1)
                .dilation_hw(1, 3),
            [1, 3, 5, 13],
        ),
        // Windows that lie entirely in the padding, wider than the map.
        (Conv2d::new(2, 3, 3).padding(5).stride(3), [1, 2, 1, 2]),
        (Conv2d::new(3, 2, 7).stride(2).padding(3), [1, 3, 33, 1]),
    ];
    for (op, shape) in cases {
        let x = generate::tensor("x.running_mean", shape, 1.0).map(|&x| f64::from(x));
        let [kh, kw] = op.kernel;
        let weight_shape = [op.out_channels, op.in_channels / op.groups, kh, kw];
        let weight = generate::tensor("weight", weight_shape, 1.0);
        let bias = generate::tensor("bias", [op.out_channels], 1.0);
        let y = run(op.clone(), &[weight.data(), bias.data()], &[&x]);
        let wide = |t: &Tensor| t.map(|&x| f64::from(x)).into_data();
        let plain = direct_conv(&op, &wide(&weight), &wide(&bias), &x, y.shape().nchw());
        for (found, expected) in y.data().iter().zip(&plain) {
            assert!(
                (found - expected).abs() < 1e-12,
                "{op:?}: {found} {expected}"
            );
        }
    }
}

#[test]
fn linear_by_hand() {
    let x = tensor([2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, NAN]);
    let y = run(
        Linear::new(3, 2),
        &[&[1.0, 0.0, -1.0, 2.0, 2.0, 2.0], &[0.5, 0.0]],
        &[&x],
    );
    assert_close(&y, &[-1.5, 12.0, NAN, NAN]);
    // Longer than the eight partial sums.
    let x = counting([1, 19]);
    let y = run(Linear::new(19, 1).bias(false), &[&[1.0; 19]], &[&x]);
    assert_close(&y, &[171.0]);
}

#[test]
fn batch_norm_by_hand() {
    let x = tensor([1, 2, 1, 2], &[3.0, 5.0, NAN, -1.0]);
    let parameters: [&[f32]; 4] = [&[2.0, 1.0], &[0.5, -1.0], &[1.0, 0.0], &[3.0, 0.0]];
    let y = run(BatchNorm2d::new(2).eps(1.0), &parameters, &[&x]);
    assert_close(&y, &[2.5, 4.5, NAN, -2.0]);
}

#[test]
fn activations_by_hand() {
    let x = tensor([1, 6], &[-INF, -2.0, 0.5, 8.0, INF, NAN]);
    let check = |op: Activation, expected: [f64; 6]| {
        assert_close(&run(op, &[], &[&x]), &expected);
    };
    check(Activation::Relu, [0.0, 0.0, 0.5, 8.0, INF, NAN]);
    check(Activation::Relu6, [0.0, 0.0, 0.5, 6.0, 6.0, NAN]);
    let leaky = Activation::LeakyRelu { slope: 0.25 };
    check(leaky, [-INF, -0.5, 0.5, 8.0, INF, NAN]);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    check(
        Activation::Sigmoid,
        [0.0, sigmoid(-2.0), sigmoid(0.5), sigmoid(8.0), 1.0, NAN],
    );
    check(
        Activation::Tanh,
        [
            -1.0,
            -(2.0_f64.tanh()),
            0.5_f64.tanh(),
            8.0_f64.tanh(),
            1.0,
            NAN,
        ],
    );
    // Minus infinity times 0 is NaN, as in PyTorch.
    check(
        Activation::HardSwish,
        [NAN, -2.0 / 6.0, 0.5 * 3.5 / 6.0, 8.0, INF, NAN],
    );
    check(
        Activation::Silu,
        [
            NAN,
            -2.0 * sigmoid(-2.0),
            0.5 * sigmoid(0.5),
            8.0 * sigmoid(8.0),
            INF,
            NAN,
        ],
    );
    let mish = |x: f64| x * x.exp().ln_1p().tanh();
    check(
        Activation::Mish,
        [NAN, mish(-2.0), mish(0.5), mish(8.0), INF, NAN],
    );
}

#[test]
fn activations_in_f32_do_not_overflow() {
    let x = Tensor::new([1, 4], vec![-1e4_f32, -100.0, 100.0, 1e4]).unwrap();
    assert_eq!(
        activation::activation(Activation::Sigmoid, &x),
        [0.0, 0.0, 1.0, 1.0]
    );
    assert_eq!(
        activation::activation(Activation::Tanh, &x),
        [-1.0, -1.0, 1.0, 1.0]
    );
    let silu = activation::activation(Activation::Silu, &x);
    assert_eq!(silu, [0.0, 0.0, 100.0, 1e4]);
}

#[test]
fn max_pooling_by_hand() {
    let mut x = counting([1, 1, 4, 4]);
    let y = run(Pool2d::max(2, 2), &[], &[&x]);
    assert_close(&y, &[5.0, 7.0, 13.0, 15.0]);
    let y = run(Pool2d::max(3, 2).ceil_mode(true), &[], &[&x]);
    assert_close(&y, &[10.0, 11.0, 14.0, 15.0]);
    // Padding is minus infinity, not 0.
    let negative = x.map(|x| x - 20.0);
    let y = run(Pool2d::max(3, 2).padding(1), &[], &[&negative]);
    assert_close(&y, &[-15.0, -13.0, -7.0, -5.0]);
    let y = run(Pool2d::max(2, 1).dilation_hw(2, 2).padding(1), &[], &[&x]);
    assert_close(
        &y,
        &[
            5.0, 6.0, 7.0, 6.0, 9.0, 10.0, 11.0, 10.0, 13.0, 14.0, 15.0, 14.0, 9.0, 10.0, 11.0,
            10.0,
        ],
    );
    // NaN propagates from any position of a window.
    x.data_mut()[5] = NAN;
    let y = run(Pool2d::max(2, 1), &[], &[&x]);
    assert_close(&y, &[NAN, NAN, 7.0, NAN, NAN, 11.0, 13.0, 14.0, 15.0]);
}

#[test]
fn average_pooling_by_hand() {
    let x = counting([1, 1, 3, 3]);
    let average = |count_include_pad| Pool2d::new(PoolKind::Average { count_include_pad }, 2);
    let padded = |include| average(include).padding(1);
    assert_close(&run(padded(true), &[], &[&x]), &[0.0, 0.75, 2.25, 6.0]);
    assert_close(&run(padded(false), &[], &[&x]), &[0.0, 1.5, 4.5, 6.0]);
    // Pixels past the end in ceil mode count in neither divisor.
    for include in [true, false] {
        let y = run(average(include).ceil_mode(true), &[], &[&x]);
        assert_close(&y, &[2.0, 3.5, 6.5, 8.0]);
    }
    // The padding that such a window covers does count: the last window covers 1 row of the map, 1 of the
    // padding and 1 past the end, so that the divisor has 2 rows.
    let pool = Pool2d::average(3, 2).padding(1).ceil_mode(true);
    let y = run(pool, &[], &[&Tensor::from_fn([1, 1, 4, 4], |_| 1.0)]);
    let shares = [2.0 / 3.0, 1.0, 1.0 / 2.0];
    let expected: Vec<f64> = (0..9).map(|i| shares[i / 3] * shares[i % 3]).collect();
    assert_close(&y, &expected);
    let mut x = x;
    x.data_mut()[0] = NAN;
    assert_close(
        &run(average(true).stride_hw(1, 1), &[], &[&x]),
        &[NAN, 3.0, 5.0, 6.0],
    );
}

#[test]
fn adaptive_pooling_by_hand() {
    // Three bins over five: 0..2, 1..4, 3..5.
    let x = tensor([1, 1, 1, 5], &[0.0, 1.0, 2.0, 3.0, 4.0]);
    let y = run(AdaptiveAvgPool2d::new(1, 3), &[], &[&x]);
    assert_close(&y, &[0.5, 2.0, 3.5]);
    // More bins than pixels.
    let y = run(
        AdaptiveAvgPool2d::new(2, 2),
        &[],
        &[&tensor([1, 1, 1, 1], &[3.0])],
    );
    assert_close(&y, &[3.0; 4]);
    let y = run(
        AdaptiveAvgPool2d::new(1, 1),
        &[],
        &[&tensor([1, 2, 1, 2], &[1.0, 2.0, NAN, 1.0])],
    );
    assert_close(&y, &[1.5, NAN]);
}

#[test]
fn softmax_by_hand() {
    let ln = f64::ln;
    // Two pixels with the ratios 1:3 and 1:1; large values do not overflow.
    let x = tensor([1, 2, 1, 2], &[ln(1.0), 1e4, ln(3.0), 1e4]);
    assert_close(&run(Softmax, &[], &[&x]), &[0.25, 0.5, 0.75, 0.5]);
    let x = tensor([3, 2], &[NAN, 1.0, 2.0, NAN, -INF, 0.0]);
    assert_close(&run(Softmax, &[], &[&x]), &[NAN, NAN, NAN, NAN, 0.0, 1.0]);
}

#[test]
fn binary_operators_by_hand() {
    let a = counting([2, 2, 1, 2]);
    let y = run(Binary::Add, &[], &[&a, &a]);
    assert_close(&y, &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]);
    let scale = tensor([2, 2, 1, 1], &[1.0, 10.0, 100.0, NAN]);
    let y = run(Binary::Mul, &[], &[&a, &scale]);
    assert_close(&y, &[0.0, 1.0, 20.0, 30.0, 400.0, 500.0, NAN, NAN]);
    let image = tensor([1, 2, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
    let y = run(Binary::Mul, &[], &[&a, &image]);
    assert_close(&y, &[0.0, 2.0, 6.0, 12.0, 4.0, 10.0, 18.0, 28.0]);
    let row = tensor([1, 2, 1, 1], &[1.0, -1.0]);
    let y = run(Binary::Add, &[], &[&a, &row]);
    assert_close(&y, &[1.0, 2.0, 1.0, 2.0, 5.0, 6.0, 5.0, 6.0]);
}

#[test]
fn concat_and_flatten_keep_the_order() {
    let a = counting([2, 1, 1, 2]);
    let b = tensor(
        [2, 2, 1, 2],
        &[10.0, 11.0, 12.0, 13.0, 14.0, NAN, 16.0, 17.0],
    );
    let y = run(Concat, &[], &[&a, &b]);
    let joined = [
        0.0, 1.0, 10.0, 11.0, 12.0, 13.0, 2.0, 3.0, 14.0, NAN, 16.0, 17.0,
    ];
    assert_close(&y, &joined);
    let y = run(Flatten, &[], &[&y]);
    assert_eq!(y.shape(), &Shape::from([2, 6]));
    assert_close(&y, &joined);
    assert_close(&run(Op::Dropout, &[], &[&y]), &joined);
}

#[test]
fn values_are_kept_until_their_last_use() {
    let mut b = GraphBuilder::new("g");
    let x = b.input("x", &[None, Some(2)]);
    let early = b.activation("early", x, Activation::Relu);
    let unread = b.activation("unread", x, Activation::Tanh);
    let late = b.add("late", early, x);
    for output in [early, x, late, early] {
        b.output(output);
    }
    let graph = b.build().unwrap();
    let reference = Reference::new(&graph, &Weights::from_tensors("none", [])).unwrap();
    let inputs = [tensor([1, 2], &[-1.0, 2.0])];
    let outputs: Vec<Vec<f64>> = reference
        .run(&inputs)
        .unwrap()
        .into_iter()
        .map(Tensor::into_data)
        .collect();
    assert_eq!(outputs, [[0.0, 2.0], [-1.0, 2.0], [-1.0, 4.0], [0.0, 2.0]]);
    let values = reference.run_all(&inputs).unwrap();
    assert_eq!(values.len(), 4);
    assert_eq!(values[unread.index()].data()[1], 2.0_f64.tanh());
    assert!(reference.run(&[]).is_err());
    assert!(reference.run(&[tensor([1, 3], &[0.0; 3])]).is_err());
}

/// A thousand values of 14 GB that are all outputs, and so alive at once.
#[test]
fn networks_that_need_more_memory_than_there_is_are_refused() {
    let mut b = GraphBuilder::new("large");
    let x = b.image_input("x", 1);
    for i in 0..1000 {
        let y = b.activation(format!("relu{i}"), x, Activation::Relu);
        b.output(y);
    }
    let graph = b.build().unwrap();
    let weights = Weights::from_tensors("none", []);
    let shapes = [Shape::from([1, 1, 60_000, 60_000])];
    let device = crate::Device::reference();
    let session = crate::Session::new(&device, &graph, weights, &Default::default(), &shapes);
    let error = session.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::OutOfMemory);
    let text = error.to_string();
    for part in [
        "the CPU: large for [1, 1, 60000, 60000], with ",
        "it needs 14414.4 GB in all",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
