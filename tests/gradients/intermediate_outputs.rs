//! Intermediate outputs: the same values, whatever is fused around them.

use std::sync::Arc;

use shadernet::gpu::Precision;
use shadernet::graph::Graph;
use shadernet::passes::PassOptions;
use shadernet::reference::Reference;
use shadernet::session::Session;
use shadernet::tensor::Tensor;
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::zoo::{self, ZooOptions};

use crate::common::relative_error;
use crate::common::tolerance::network;
use crate::devices::devices_and_cpu;

/// Every value of a network, one at a time (so that all else is fused as it would be) or `at_once`.
fn check(name: &str, size: usize, at_once: bool) {
    let graph = zoo::build(name, &ZooOptions::default()).unwrap();
    let weights = Arc::new(Weights::generated(&graph, 1.0));
    let input = generated_input([2, 3, size, size]);
    let reference: Reference = Reference::new(&graph, &weights).unwrap();
    let values = reference.run_all(std::slice::from_ref(&input)).unwrap();
    let names: Vec<&str> = graph.nodes().iter().map(|node| node.name()).collect();
    let outputs = graph.outputs().len();
    let groups: Vec<&[&str]> = match at_once {
        true => vec![&names],
        false => names.chunks(1).collect(),
    };
    for (device_name, device) in devices_and_cpu()
        .iter()
        .filter(|(name, _)| !name.ends_with(" checked"))
    {
        let mut position = 0;
        for group in &groups {
            let extended = graph.with_intermediate_outputs(group).unwrap();
            let shapes = [input.shape().clone()];
            let mut session = Session::new(
                device,
                &extended,
                weights.clone(),
                &Default::default(),
                &shapes,
            )
            .unwrap();
            let results: Vec<Tensor> = session.run(std::slice::from_ref(&input)).unwrap();
            for (name, found) in group.iter().zip(&results[outputs..]) {
                let error = relative_error(found, &values[position]);
                assert!(
                    error < network(Precision::F32),
                    "'{name}' on {device_name}: {error:.1e}"
                );
                position += 1;
            }
            let last = graph.outputs()[0].index();
            assert!(
                relative_error(&results[0], &values[last]) < network(Precision::F32),
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

/// A network keeps the fusions that an intermediate output does not affect.
#[test]
fn the_rest_stays_fused() {
    let graph = zoo::build("resnet18", &ZooOptions::default()).unwrap();
    let shapes = [shadernet::tensor::Shape::from([1, 3, 64, 64])];
    let count = |graph: &Graph| {
        let (graph, _) =
            shadernet::passes::optimize(graph, &shapes, &PassOptions::default()).unwrap();
        graph.nodes().len()
    };
    let plain = count(&graph);
    // The output of a block is stored in any case.
    assert_eq!(
        count(&graph.with_intermediate_outputs(&["layer2.1.relu"]).unwrap()),
        plain
    );
    // The output of a convolution before its norm is not: then the reader of the norm and activation applies both.
    let graph = graph
        .with_intermediate_outputs(&["layer2.1.conv1"])
        .unwrap();
    assert_eq!(count(&graph), plain);
}
