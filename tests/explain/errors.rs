//! Errors for explanations that cannot be computed.

use shadernet::device::Device;
use shadernet::error::Error;
use shadernet::explain::{ExplainMethod, ExplainOptions, Explainer};
use shadernet::graph::{Activation, Conv2d, Graph, GraphBuilder, Linear};
use shadernet::tensor::Tensor;
use shadernet::vision::{Labels, Preprocessing, decode};
use shadernet::weights::Weights;
use shadernet::zoo::{self, ZooOptions};

use crate::{bundled, options};

#[test]
fn invalid_options_are_refused() {
    let image = decode("tests/images/coffee.png").unwrap();
    let mut explainer = bundled(&Device::cpu());
    let mut fail = |options: &ExplainOptions| explainer.explain(&image, options).unwrap_err();
    let layer = |layer: &str| ExplainOptions::default().layer(layer);
    let error = fail(&layer("blocks.5.2.conv_pwx"));
    assert!(
        matches!(&error, Error::UnknownName(unknown) if unknown.nearest.len() == 3),
        "{error}"
    );
    assert!(error.to_string().contains("blocks.5.2.conv_pw"), "{error}");
    let error = fail(&layer("classifier")).to_string();
    assert!(error.contains("not a map of several pixels"), "{error}");
    let error = fail(&options(ExplainMethod::GradCam, &[1000])).to_string();
    assert!(
        error.contains("no class 1000") && error.contains("has 1000"),
        "{error}"
    );
    for (method, expected) in [
        (
            ExplainMethod::SmoothGrad {
                samples: 0,
                noise: 0.1,
            },
            "0 samples",
        ),
        (
            ExplainMethod::SmoothGrad {
                samples: 1,
                noise: f32::NAN,
            },
            "noise",
        ),
        (
            ExplainMethod::IntegratedGradients { steps: Some(0) },
            "0 steps",
        ),
        (
            ExplainMethod::Occlusion {
                window: 0,
                stride: 1,
            },
            "window",
        ),
        (
            ExplainMethod::Occlusion {
                window: 1000,
                stride: 1,
            },
            "1000 pixels is larger",
        ),
    ] {
        let error = fail(&options(method, &[])).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// A network whose first layer is fully connected has pixel explanations only.
#[test]
fn networks_without_maps_are_explained_by_pixels_only() {
    let image = decode("tests/images/coffee.png").unwrap();
    let mut b = GraphBuilder::new("flat");
    let x = b.image_input("input", 3);
    let x = b.flatten("flatten", x);
    let x = b.linear("fc", x, Linear::new(3 * 8 * 8, 5));
    b.output(x);
    let graph = b.build().unwrap();
    let mut explainer = small(&graph, Weights::generated(&graph, 1.0));
    let error = explainer
        .explain(&image, &Default::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no spatial maps"), "{error}");
    assert_eq!(
        explainer
            .explain(&image, &options(ExplainMethod::Saliency, &[3]))
            .unwrap()[0]
            .class,
        3
    );
}

#[test]
fn the_mlp_of_the_zoo_has_no_maps() {
    let image = decode("tests/images/coffee.png").unwrap();
    let graph = zoo::build("mlp", &ZooOptions::default()).unwrap();
    let preprocessing = Preprocessing {
        input_size: [1, 28, 28],
        mean: vec![0.5],
        std: vec![0.5],
        ..Default::default()
    };
    let (weights, labels) = (Weights::generated(&graph, 1.0), Labels::unnamed(10));
    let (device, session_options) = (Device::cpu(), Default::default());
    let mut explainer = Explainer::from_graph(
        &device,
        &graph,
        weights,
        &preprocessing,
        labels,
        &session_options,
    )
    .unwrap();
    let error = explainer
        .explain(&image, &Default::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("mlp has no spatial maps"), "{error}");
}

#[test]
fn heat_of_nan_is_refused() {
    let image = decode("tests/images/coffee.png").unwrap();
    let mut b = GraphBuilder::new("nan");
    let x = b.image_input("input", 3);
    let x = b.conv2d("conv", x, Conv2d::new(3, 4, 3).bias(false));
    let x = b.activation("relu", x, Activation::Relu);
    let x = b.flatten("flatten", x);
    let x = b.linear("fc", x, Linear::new(4 * 6 * 6, 5));
    b.output(x);
    let graph = b.build().unwrap();
    let generated = Weights::generated(&graph, 1.0);
    let tensors = graph.parameters().into_iter().map(|p| {
        let values = generated.read(&p.name).unwrap().into_owned();
        let tensor = Tensor::new(p.shape, values).unwrap();
        let is_nan = p.name == "conv.weight";
        (p.name, tensor.map(|x| if is_nan { f32::NAN } else { *x }))
    });
    let mut explainer = small(&graph, Weights::from_tensors("nan", tensors));
    let error = explainer
        .explain(&image, &options(ExplainMethod::GradCam, &[0]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the network's outputs are not numbers"),
        "{error}"
    );
    assert!(error.contains("'conv' (Conv2d)"), "{error}");
}

/// An explainer of a network of 5 classes for images of 8 x 8 pixels.
fn small(graph: &Graph, weights: Weights) -> Explainer {
    let preprocessing = Preprocessing {
        input_size: [3, 8, 8],
        ..Default::default()
    };
    let labels = Labels::unnamed(5);
    let session_options = Default::default();
    Explainer::from_graph(
        &Device::cpu(),
        graph,
        weights,
        &preprocessing,
        labels,
        &session_options,
    )
    .unwrap()
}
