//! Layers whose weights exceed the device's largest binding.

use std::sync::Arc;

use shadernet::gpu::Precision;
use shadernet::graph::{
    Activation, BatchNorm2d, Conv2d, ConvTranspose2d, GraphBuilder, Linear, LinearBackward, Op,
    ValueId,
};
use shadernet::reference::Reference;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::Shape;

use crate::compare::assert_close;
use crate::generate::{graph_of, tensor, weights_for};
use crate::ran::Shaders::{self, Only, Team};
use crate::ran::{DENSE, assert_ran};
use crate::{devices, tolerance};

/// A layer whose weights exceed the device's largest binding runs in several dispatches; here the limit is set
/// low.
#[test]
fn weights_larger_than_a_binding() {
    for (name, device) in devices::with_binding_limit(1 << 16) {
        let cases: [(Op, Shape, Shaders); 7] = [
            (
                Linear::new(300, 221).into(),
                Shape::from([3, 300]),
                Team("linear"),
            ),
            // Each dispatch adds to the sums that earlier ones have stored.
            (
                LinearBackward(Linear::new(300, 221)).into(),
                Shape::from([3, 221]),
                Team("linear_backward"),
            ),
            (
                LinearBackward(Linear::new(300, 221)).into(),
                Shape::from([5, 221]),
                DENSE,
            ),
            (
                Conv2d::new(40, 70, 5).padding(2).into(),
                Shape::from([1, 40, 6, 5]),
                DENSE,
            ),
            (
                ConvTranspose2d::new(40, 70, 5, 2).into(),
                Shape::from([1, 40, 4, 5]),
                DENSE,
            ),
            // Smaller weights would need one dispatch for all phases of the stride.
            (
                ConvTranspose2d::new(80, 140, 2, 2).into(),
                Shape::from([1, 80, 3, 2]),
                DENSE,
            ),
            (
                Conv2d::new(63, 303, 3).groups(3).into(),
                Shape::from([1, 63, 4, 3]),
                Only("conv2d_grouped"),
            ),
        ];
        for (op, shape, shaders) in cases {
            let graph = graph_of(op, std::slice::from_ref(&shape));
            let weights = Arc::new(weights_for(&graph, 7));
            let input = tensor(&shape, 8);
            let reference = Reference::<f64>::new(&graph, &weights).unwrap();
            let expected = reference.run(&[input.map(|v| f64::from(*v))]).unwrap();
            let options = SessionOptions::default();
            let shapes = [shape];
            let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
            let output = session.run(&[input]).unwrap();
            let ran = [("op", shaders)];
            assert_ran(&device, Precision::F32, &session, &shapes, &ran, &name);
            let dispatches = session.shaders(&shapes).unwrap();
            let parts = dispatches.iter().filter(|(node, _)| node == "op").count();
            assert!(parts > 1, "{name}: {dispatches:?}");
            let tolerance = tolerance::operator(Precision::F32);
            assert_close(&output[0], &expected[0], tolerance, &name);
        }
    }
}

/// Each dispatch of a layer in several applies what is fused into the layer, including a sum in the memory of
/// its residual.
#[test]
fn fused_layers_in_several_dispatches() {
    let mut b = GraphBuilder::new("block");
    let x = b.image_input("input", 40);
    let layer = |b: &mut GraphBuilder, i: usize, x: ValueId| {
        let conv = Conv2d::new(40, 40, 5).padding(2).bias(false);
        let y = b.conv2d(format!("conv{i}"), x, conv);
        b.batch_norm(format!("norm{i}"), y, BatchNorm2d::new(40))
    };
    let first = layer(&mut b, 1, x);
    let first = b.activation("relu1", first, Activation::Relu);
    let second = layer(&mut b, 2, first);
    let third = layer(&mut b, 3, second);
    let sum = b.add("add", third, first);
    let last = b.activation("relu2", sum, Activation::Relu);
    b.output(last);
    let graph = b.build().unwrap();
    let shape = Shape::from([1, 40, 6, 5]);
    let weights = Arc::new(weights_for(&graph, 7));
    let input = tensor(&shape, 8);
    let reference = Reference::<f64>::new(&graph, &weights).unwrap();
    let expected = reference.run(&[input.map(|v| f64::from(*v))]).unwrap();
    for (name, device) in devices::with_binding_limit(1 << 16) {
        let options = SessionOptions::default();
        let shapes = [shape.clone()];
        let weights = weights.clone();
        let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
        let output = session.run(std::slice::from_ref(&input)).unwrap();
        let ran = [("conv1", DENSE), ("conv2", DENSE), ("conv3", DENSE)];
        assert_ran(&device, Precision::F32, &session, &shapes, &ran, &name);
        let tolerance = tolerance::operator(Precision::F32);
        assert_close(&output[0], &expected[0], tolerance, &name);
    }
}
