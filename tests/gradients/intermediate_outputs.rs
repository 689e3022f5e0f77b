//! Any named value as an output: the same, whatever is fused around it.

use std::sync::Arc;

use shadernet::graph::Graph;
use shadernet::passes::PassOptions;
use shadernet::reference::Reference;
use shadernet::session::Session;
use shadernet::tensor::Tensor;
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::zoo::{self, ZooOptions};

use crate::common::relative_error;
use crate::devices::devices;

/// Every value of a network, one at a time (so that all else is fused as it would be) or `at_once`.
fn check(name: &str, size: usize, at_once: bool) {
    let graph = zoo::build(name, &ZooOptions::default()).unwrap();
    let weights = Arc::new(Weights::generated(&graph, 1.0));
    let input = generated_input([2, 3, size, size]);
    let twin: Reference = Reference::new(&graph, &weights).unwrap();
    let values = twin.run_all(std::slice::from_ref(&input)).unwrap();
    let names: Vec<&str> = graph.nodes().iter().map(|node| node.name()).collect();
    let outputs = graph.outputs().len();
    let groups: Vec<&[&str]> = match at_once {
        true => vec![&names],
        false => names.chunks(1).collect(),
    };
    for (device_name, device) in devices()
        .iter()
        .filter(|(name, _)| name.ends_with(" unchecked"))
    {
        let mut position = 0;
        for group in &groups {
            let tapped = graph.with_intermediate_outputs(group).unwrap();
            let shapes = [input.shape().clone()];
            let mut session = Session::new(
                device,
                &tapped,
                weights.clone(),
                &Default::default(),
                &shapes,
            )
            .unwrap();
            let answers: Vec<Tensor> = session.run(std::slice::from_ref(&input)).unwrap();
            for (name, answer) in group.iter().zip(&answers[outputs..]) {
                let error = relative_error(answer, &values[position]);
                assert!(error < 2e-4, "'{name}' on {device_name}: {error:.1e}");
                position += 1;
            }
            let last = graph.outputs()[0].index();
            assert!(
                relative_error(&answers[0], &values[last]) < 2e-4,
                "{device_name}"
            );
        }
    }
}

#[test]
fn one_at_a_time() {
    check("small_cnn_separable", 128, false);
}

#[test]
fn all_at_once() {
    // Residuals, and concatenations in place.
    check("resnet18", 33, true);
    check("densenet121", 32, true);
}

/// A network keeps its fusions around a tap that none of them is about.
#[test]
fn the_rest_is_fused() {
    let graph = zoo::build("resnet18", &ZooOptions::default()).unwrap();
    let shapes = [shadernet::tensor::Shape::from([1, 3, 64, 64])];
    let count = |graph: &Graph| {
        let (graph, _) =
            shadernet::passes::optimize(graph, &shapes, &PassOptions::default()).unwrap();
        graph.nodes().len()
    };
    let plain = count(&graph);
    // What a block ends with is there to be read anyway.
    assert_eq!(
        count(&graph.with_intermediate_outputs(&["layer2.1.relu"]).unwrap()),
        plain
    );
    // A convolution before its norm is not: but then who reads the norm and the activation applies both.
    let graph = graph
        .with_intermediate_outputs(&["layer2.1.conv1"])
        .unwrap();
    assert_eq!(count(&graph), plain);
}
