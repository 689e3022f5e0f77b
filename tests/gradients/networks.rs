//! Gradients of whole networks with respect to their input.

use std::sync::{Arc, Mutex, PoisonError};

use shadernet::graph::{GradientRule, Graph, Seed};
use shadernet::reference::Reference;
use shadernet::session::Session;
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::zoo::{self, ZooOptions};

use crate::common::tolerance::gradient as tolerance;
use crate::devices::devices_and_cpu;
use crate::generate::tensor;

/// Half the distance between the two points of a difference, in units of the inputs' deviation.
const STEP: f64 = 1e-7;

/// Networks with more parameters are not run on OpenGL.
const MOST_ON_GL: u64 = 6_000_000;

/// Compares the reference backend's gradient of one class in float64 with central finite differences along a random
/// direction, and every device's gradient with the reference backend's. `gain` is as in the golden cases.
fn check(name: &str, size: usize, gain: f64) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let graph = zoo::build(name, &ZooOptions::default()).unwrap();
    let shape = Shape::from([1, 3, size, size]);
    let input = generated_input([1, 3, size, size]);
    let weights = Arc::new(Weights::generated(&graph, gain));
    let scores = graph.scores();
    let with = gradient_of(&graph, &shape);
    let mut seed = Tensor::zeros([1, 1000]);
    seed.data_mut()[281] = 1.0;

    let wide = |x: &Tensor| x.map(|v| f64::from(*v));
    let reference = Reference::<f64>::new(&with, &weights).unwrap();
    let outputs = reference.run(&[wide(&input), wide(&seed)]).unwrap();
    let (score, gradient) = (&outputs[0], &outputs[1]);
    let forward = Reference::<f64>::new(&graph, &weights).unwrap();
    assert_eq!(graph.outputs(), [scores]);
    assert_eq!(
        forward.run(&[wide(&input)]).unwrap()[0].data(),
        score.data()
    );
    let norm = norm(gradient.data());
    assert!(
        norm > tolerance::SMALLEST_NORM,
        "{name}: the gradient vanishes"
    );
    // Half along the gradient, so that the difference does not vanish.
    let random = wide(&tensor(&shape, 0));
    let length = self::norm(random.data());
    let pairs = gradient.data().iter().zip(random.data());
    let direction: Vec<f64> = pairs.map(|(g, r)| g / norm + r / length).collect();
    let at = |step: f64| {
        let moved = input.data().iter().zip(&direction);
        let moved = moved.map(|(x, d)| f64::from(*x) + step * d).collect();
        let moved = Tensor::new(shape.clone(), moved).unwrap();
        forward.run(&[moved]).unwrap()[0].data()[281]
    };
    let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
    let expected: f64 = gradient
        .data()
        .iter()
        .zip(&direction)
        .map(|(g, d)| g * d)
        .sum();
    let error = (difference - expected).abs() / difference.abs();
    println!("{name}: {expected:.9e} along a direction, differences {difference:.9e}: {error:.1e}");
    assert!(
        error < tolerance::NETWORK_DIFFERENCES,
        "{name}: {expected}, expected {difference}"
    );

    // OpenGL's software driver takes minutes for a large network.
    let is_large = graph.parameter_count() > MOST_ON_GL;
    for (device_name, device) in (devices_and_cpu().iter())
        .filter(|(name, _)| !(name.ends_with(" checked") || is_large && name.starts_with("gl")))
    {
        let shapes = [shape.clone(), seed.shape().clone()];
        let options = Default::default();
        let mut session = Session::new(device, &with, weights.clone(), &options, &shapes).unwrap();
        let outputs = session.run(&[input.clone(), seed.clone()]).unwrap();
        let found = outputs[1].data().iter().zip(gradient.data());
        let off: Vec<f64> = found
            .map(|(found, expected)| f64::from(*found) - expected)
            .collect();
        let error = self::norm(&off) / norm;
        println!("{name} on {device_name}: {error:.1e}");
        assert!(
            error < tolerance::NETWORK,
            "{name} on {device_name}: {error:.1e}"
        );
    }
}

fn gradient_of(graph: &Graph, shape: &Shape) -> Graph {
    let (scores, input) = (graph.scores(), graph.inputs()[0]);
    let shapes = std::slice::from_ref(shape);
    (graph.with_gradients(
        shapes,
        scores,
        Seed::Input,
        &[input],
        GradientRule::Gradient,
    ))
    .unwrap()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[test]
fn alexnet() {
    check("alexnet", 96, 2.0_f64.sqrt());
}

#[test]
fn resnet50() {
    check("resnet50", 65, 1.0);
}

#[test]
fn densenet121() {
    check("densenet121", 64, 1.0);
}

#[test]
fn mobilenet_v2() {
    check("mobilenet_v2", 97, 1.0);
}

#[test]
fn efficientnet_lite0() {
    check("efficientnet_lite0", 96, 1.0);
}

/// Every classifier of the zoo has a gradient with respect to its image, of the image's shape.
#[test]
fn every_classifier_has_gradients() {
    let mut count = 0;
    for architecture in zoo::architectures() {
        if architecture.task != zoo::Task::Classification {
            continue;
        }
        let options = ZooOptions::default();
        let graph = architecture.build(&options).unwrap();
        let mut shapes = architecture.input_shapes(2, &options);
        let (scores, input) = (graph.scores(), graph.inputs()[0]);
        let rule = GradientRule::Gradient;
        let with = graph
            .with_gradients(&shapes, scores, Seed::Input, &[input], rule)
            .unwrap();
        shapes.push(graph.infer(&shapes).unwrap()[scores.index()].clone());
        let inferred = with.infer(&shapes).unwrap();
        let gradient = *with.outputs().last().unwrap();
        assert_eq!(
            inferred[gradient.index()],
            shapes[0],
            "{}",
            architecture.name
        );
        assert_eq!(
            with.parameter_count(),
            graph.parameter_count(),
            "{}",
            architecture.name
        );
        count += 1;
    }
    assert!(count >= 30, "{count}");
}
