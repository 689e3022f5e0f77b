//! Whole networks, one of each family, at small and odd sizes.

use std::sync::Arc;

use shadernet::tensor::Shape;
use shadernet::weights::Weights;
use shadernet::zoo::{self, ZooOptions};

use super::{cpu, error, session};
use crate::generate::tensor;
use crate::tolerance;

/// The largest error of a network of generated weights. Its layers' errors add up.
const NETWORK: f64 = tolerance::CPU;

fn check(name: &str, [n, h, w]: [usize; 3]) {
    let graph = zoo::find(name)
        .unwrap()
        .build(&ZooOptions::default())
        .unwrap();
    let weights = Arc::new(Weights::generated(&graph, 1.0));
    let shape = Shape::from([n, 3, h, w]);
    let inputs = [tensor(&shape, 11)];
    let mut session = session(&cpu(2), &graph, &weights, &shape);
    let outputs = session.run(&inputs).unwrap();
    let error = error(&graph, &weights, &inputs, &outputs);
    println!("{name}: {error:.1e}");
    assert!(error <= NETWORK, "{name}: {error:.1e}");
}

#[test]
fn classifiers() {
    for (name, size) in [
        ("resnet18", [3, 65, 49]),
        ("resnet50", [1, 64, 64]),
        ("resnext50_32x4d", [1, 33, 47]),
        ("densenet121", [1, 64, 41]),
        ("mobilenet_v2", [3, 65, 51]),
        ("mobilenet_v3_small", [3, 64, 33]),
        ("efficientnet_lite0", [1, 65, 64]),
        ("efficientnet_b0", [1, 49, 64]),
        ("squeezenet1_1", [3, 65, 63]),
        ("shufflenet_v2_x1_0", [1, 64, 65]),
        ("regnet_y_400mf", [1, 64, 51]),
        ("convnext_tiny", [1, 64, 64]),
    ] {
        check(name, size);
    }
}

#[test]
fn segmenters() {
    check("unet", [1, 48, 64]);
    check("unet_bilinear", [1, 35, 49]);
}
