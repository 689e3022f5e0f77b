//! Explanations of what trained and made-up networks answer.

#[path = "common/devices.rs"]
mod devices;

use std::sync::Arc;

use devices::devices_and_cpu;
use shadernet::device::Device;
use shadernet::error::Error;
use shadernet::explain::{ExplainMethod, ExplainOptions, Explainer, Explanation, FeatureMaps};
use shadernet::graph::{Activation, Conv2d, GraphBuilder, Linear};
use shadernet::model_folder::default_model;
use shadernet::session::Session;
use shadernet::vision::{HeatMap, Labels, Preprocessing, RgbImage, decode};
use shadernet::weights::Weights;
use shadernet::zoo::{self, ZooOptions};

/// The first GPU.
fn gpu() -> Device {
    devices::devices()[0].1.clone()
}

fn trained(device: &Device) -> Explainer {
    let folder = default_model().unwrap().open().unwrap();
    Explainer::new(device, &folder, &Default::default()).unwrap()
}

fn with(method: ExplainMethod, classes: &[usize]) -> ExplainOptions {
    ExplainOptions::new(method).classes(classes.iter().copied())
}

/// Class activation mapping (Zhou et al. 2016): of networks that end in global average pooling and one
/// fully connected layer, whose weights say what each channel counts for.
#[test]
fn grad_cam_is_class_activation_mapping() {
    let picture = decode("tests/images/chelsea.png").unwrap();
    let root2 = 2.0_f64.sqrt();
    for (name, last, classifier, gain) in [
        ("resnet18", "layer4.1.relu", "fc", 1.0),
        ("mobilenet_v2", "features.18.2", "classifier.1", root2),
    ] {
        let graph = zoo::build(name, &ZooOptions::default()).unwrap();
        // As the goldens'.
        let weights = Arc::new(Weights::generated(&graph, gain));
        let preprocessing = Preprocessing::default();
        let weight = weights.read(&format!("{classifier}.weight")).unwrap();
        for (device_name, device) in devices_and_cpu() {
            let tapped = graph.with_intermediate_outputs(&[last]).unwrap();
            let input = preprocessing.apply(&picture).unwrap();
            let shapes = [input.shape().clone()];
            let options = Default::default();
            let mut session =
                Session::new(&device, &tapped, weights.clone(), &options, &shapes).unwrap();
            let map = session.run(&[input]).unwrap().swap_remove(1);
            let [_, channels, height, width] = map.shape().nchw();

            let labels = Labels::unnamed(1000);
            let mut explainer = Explainer::from_graph(
                &device,
                &graph,
                weights.clone(),
                &preprocessing,
                labels,
                &options,
            )
            .unwrap();
            let classes = [281, 7, 999];
            let found = explainer
                .explain(&picture, &with(ExplainMethod::GradCam, &classes))
                .unwrap();
            let mut seen = 0;
            for (class, found) in classes.into_iter().zip(&found) {
                assert_eq!((found.class, found.layer.as_deref()), (class, Some(last)));
                let cam = |pixel: usize| -> f64 {
                    let weights = &weight[class * channels..][..channels];
                    let values = map.data()[pixel..].iter().step_by(height * width);
                    let parts = weights.iter().zip(values);
                    parts.map(|(w, v)| f64::from(*w) * f64::from(*v)).sum()
                };
                let cam: Vec<f64> = (0..height * width)
                    .map(|pixel| cam(pixel).max(0.0))
                    .collect();
                let largest = cam.iter().fold(0.0_f64, |most, x| most.max(*x));
                // Up to the constant: the mean's divisor.
                let constant = (height * width) as f64;
                let pairs = found.heat.values().iter().zip(&cam);
                let error = pairs.fold(0.0_f64, |most, (heat, cam)| {
                    most.max((f64::from(*heat) * constant - cam).abs())
                });
                if largest > 0.0 {
                    seen += 1;
                    println!(
                        "{name} on {device_name}, class {class}: {:.1e}",
                        error / largest
                    );
                    assert!(
                        error / largest < 1e-4,
                        "{name} on {device_name}: {}",
                        error / largest
                    );
                }
            }
            assert!(seen > 0, "{name}: no class has evidence");
        }
    }
}

/// The heat over the photograph.
fn on(picture: &RgbImage, explainer: &Explainer, found: &Explanation) -> HeatMap {
    let (width, height) = picture.dimensions();
    (found
        .heat
        .on_image(explainer.preprocessing(), width, height))
    .unwrap()
}

fn is_within([x, y]: [usize; 2], [left, top, right, bottom]: [f32; 4]) -> bool {
    (left..right).contains(&(x as f32)) && (top..bottom).contains(&(y as f32))
}

/// Where the cat lies in `chelsea.png`, 451 by 300 pixels: all but the left and what is above her back; and
/// her head.
const CAT: [f32; 4] = [100.0, 0.0, 451.0, 300.0];
const CAT_HEAD: [f32; 4] = [110.0, 10.0, 320.0, 260.0];
/// The cup and its saucer in `coffee.png`, 600 by 400 pixels.
const CUP: [f32; 4] = [165.0, 35.0, 440.0, 355.0];
const TABBY: usize = 281;
const ESPRESSO: usize = 967;

#[test]
fn the_cat_is_why_it_is_a_cat() {
    let picture = decode("tests/images/chelsea.png").unwrap();
    for (name, device) in devices_and_cpu() {
        let mut explainer = trained(&device);
        let found = explainer
            .explain(&picture, &with(ExplainMethod::GradCam, &[TABBY]))
            .unwrap();
        assert!(found[0].label.contains("tabby"), "{}", found[0].label);
        let heat = on(&picture, &explainer, &found[0]);
        let (share, peak) = (heat.share_inside(CAT), heat.statistics().peak);
        println!(
            "{name}: {:.1} % of the heat on the cat, peak at {peak:?}",
            100.0 * share
        );
        assert!(share >= 0.8, "{name}: {share}");
        assert!(is_within(peak, CAT_HEAD), "{name}: {peak:?}");
    }
}

#[test]
fn the_cup_is_why_it_is_espresso() {
    let picture = decode("tests/images/coffee.png").unwrap();
    for (name, device) in devices_and_cpu() {
        let mut explainer = trained(&device);
        let found = explainer
            .explain(&picture, &with(ExplainMethod::GradCam, &[]))
            .unwrap();
        assert_eq!(
            (found[0].class, &found[0].label[..]),
            (ESPRESSO, "espresso")
        );
        let peak = on(&picture, &explainer, &found[0]).statistics().peak;
        println!("{name}: peak at {peak:?}");
        assert!(is_within(peak, CUP), "{name}: {peak:?}");
    }
}

/// The methods know nothing of each other, and point to the same thing.
#[test]
fn methods_agree_on_the_cup() {
    let picture = decode("tests/images/coffee.png").unwrap();
    let mut explainer = trained(&gpu());
    for method in ExplainMethod::ALL {
        let method = match method {
            ExplainMethod::SmoothGrad { noise, .. } => {
                ExplainMethod::SmoothGrad { samples: 3, noise }
            }
            ExplainMethod::IntegratedGradients { .. } => {
                ExplainMethod::IntegratedGradients { steps: Some(8) }
            }
            ExplainMethod::Occlusion { .. } => ExplainMethod::Occlusion {
                window: 56,
                stride: 28,
            },
            method => method,
        };
        let found = explainer.explain(&picture, &with(method, &[])).unwrap();
        assert_eq!(found[0].class, ESPRESSO, "{method}");
        let heat = on(&picture, &explainer, &found[0]);
        // The box is 37 % of what the network sees.
        let (share, peak) = (heat.share_inside(CUP), heat.statistics().peak);
        println!(
            "{method}: {:.0} % of the heat on the cup, peak at {peak:?}",
            100.0 * share
        );
        assert!(share > 0.5, "{method}: {share}");
        assert!(is_within(peak, CUP), "{method}: {peak:?}");
    }
}

#[test]
fn integrated_gradients_add_up() {
    for (file, class) in [("chelsea", TABBY), ("coffee", ESPRESSO)] {
        let picture = decode(format!("tests/images/{file}.png")).unwrap();
        let mut explainer = trained(&gpu());
        let method = ExplainMethod::IntegratedGradients { steps: None };
        let found = explainer
            .explain(&picture, &with(method, &[class]))
            .unwrap();
        let completeness = found[0].completeness.unwrap();
        println!(
            "{file}: {completeness:?}, off by {:.2} %",
            100.0 * completeness.error()
        );
        assert!(completeness.error() <= 0.01, "{file}: {completeness:?}");
        assert!(
            completeness.difference.abs() > 1.0,
            "{file}: {completeness:?}"
        );
    }
}

/// Classes that are asked for together get what they get alone, more of them than one batch holds too.
#[test]
fn classes_together_are_classes_alone() {
    let picture = decode("tests/images/coffee.png").unwrap();
    let mut explainer = trained(&gpu());
    let classes: Vec<usize> = (0..10).map(|i| (i * 97 + 967) % 1000).collect();
    for method in [
        ExplainMethod::GradCam,
        ExplainMethod::GuidedGradCam,
        ExplainMethod::Saliency,
    ] {
        let together = explainer
            .explain(&picture, &with(method, &classes))
            .unwrap();
        for (&class, together) in classes.iter().zip(&together) {
            let alone = explainer
                .explain(&picture, &with(method, &[class]))
                .unwrap()
                .swap_remove(0);
            assert_eq!((together.class, alone.class), (class, class));
            assert!((together.score - alone.score).abs() < 1e-3, "{method}");
            let largest = alone.heat.statistics().max;
            let pairs = together.heat.values().iter().zip(alone.heat.values());
            let error = pairs.fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(
                error <= 1e-3 * largest,
                "{method}, class {class}: {error} of {largest}"
            );
        }
    }
}

#[test]
fn what_cannot_be_explained_is_said() {
    let picture = decode("tests/images/coffee.png").unwrap();
    let mut explainer = trained(&Device::cpu());
    let mut fail = |options: &ExplainOptions| explainer.explain(&picture, options).unwrap_err();
    let layer = |layer: &str| ExplainOptions::default().layer(layer);
    let error = fail(&layer("blocks.5.2.conv_pwx"));
    assert!(
        matches!(&error, Error::UnknownName(unknown) if unknown.nearest.len() == 3),
        "{error}"
    );
    assert!(error.to_string().contains("blocks.5.2.conv_pw"), "{error}");
    let error = fail(&layer("classifier")).to_string();
    assert!(error.contains("not a map of several pixels"), "{error}");
    let error = fail(&with(ExplainMethod::GradCam, &[1000])).to_string();
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
        let error = fail(&with(method, &[])).to_string();
        assert!(error.contains(expected), "{error}");
    }

    // Fully connected from the pixels on.
    let mut b = GraphBuilder::new("flat");
    let x = b.image_input("input", 3);
    let x = b.flatten("flatten", x);
    let x = b.linear("fc", x, Linear::new(3 * 8 * 8, 5));
    b.output(x);
    let graph = b.build().unwrap();
    let mut explainer = small(&graph, Weights::generated(&graph, 1.0));
    let error = explainer
        .explain(&picture, &Default::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no spatial maps"), "{error}");
    // Its pixels can be asked for.
    assert_eq!(
        explainer
            .explain(&picture, &with(ExplainMethod::Saliency, &[3]))
            .unwrap()[0]
            .class,
        3
    );

    // And as one comes.
    let graph = zoo::build("mlp", &ZooOptions::default()).unwrap();
    let preprocessing = Preprocessing {
        input_size: [1, 28, 28],
        mean: vec![0.5],
        std: vec![0.5],
        ..Default::default()
    };
    let (weights, labels) = (Weights::generated(&graph, 1.0), Labels::unnamed(10));
    let (device, options) = (Device::cpu(), Default::default());
    let mut explainer =
        Explainer::from_graph(&device, &graph, weights, &preprocessing, labels, &options).unwrap();
    let error = explainer
        .explain(&picture, &Default::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("mlp has no spatial maps"), "{error}");

    // What is no number is no evidence.
    let mut b = GraphBuilder::new("broken");
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
        let tensor = shadernet::tensor::Tensor::new(p.shape, values).unwrap();
        let broken = p.name == "conv.weight";
        (p.name, tensor.map(|x| if broken { f32::NAN } else { *x }))
    });
    let mut explainer = small(&graph, Weights::from_tensors("broken", tensors));
    let error = explainer
        .explain(&picture, &with(ExplainMethod::GradCam, &[0]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("finite values"), "{error}");
}

fn small(graph: &shadernet::graph::Graph, weights: Weights) -> Explainer {
    let preprocessing = Preprocessing {
        input_size: [3, 8, 8],
        ..Default::default()
    };
    let labels = Labels::unnamed(5);
    let options = Default::default();
    Explainer::from_graph(
        &Device::cpu(),
        graph,
        weights,
        &preprocessing,
        labels,
        &options,
    )
    .unwrap()
}

#[test]
fn features_are_ranked_and_go_back_to_pixels() {
    let picture = decode("tests/images/coffee.png").unwrap();
    let folder = default_model().unwrap().open().unwrap();
    let mut maps = FeatureMaps::new(&gpu(), &folder, &Default::default()).unwrap();
    let stages = maps.stages().unwrap();
    assert_eq!(stages.len(), 5, "{stages:?}");
    let features = maps.channels(&picture, &stages[2]).unwrap();
    let [_, count, height, width] = features.activation.shape().nchw();
    assert_eq!(features.channels.len(), count);
    let strongest = &features.channels[0];
    let [x, y] = strongest.peak;
    let at = (strongest.index * height + y) * width + x;
    assert_eq!(features.activation.data()[at], strongest.largest);
    assert!(
        features
            .channels
            .is_sorted_by(|a, b| a.largest >= b.largest)
    );

    let channels: Vec<usize> = features.channels.iter().take(9).map(|c| c.index).collect();
    let pictures = maps.projections(&picture, &features, &channels).unwrap();
    assert_eq!(pictures.len(), 9);
    let [_, input_height, input_width] = maps.preprocessing().input_size;
    for (picture, channel) in pictures.iter().zip(&features.channels) {
        // What comes back comes back near where it was strongest: a channel sees a part of the input.
        let mut far = 0;
        let mut near = 0;
        for (px, py, pixel) in picture.enumerate_pixels() {
            let colored = pixel.0.iter().any(|level| level.abs_diff(128) > 20);
            let to = |at: u32, peak: usize, len: usize, input: usize| {
                (at as f64 - (peak as f64 + 0.5) * (input / len) as f64).abs()
            };
            let away = to(px, channel.peak[0], width, input_width).max(to(
                py,
                channel.peak[1],
                height,
                input_height,
            ));
            match away < 80.0 {
                true => near += usize::from(colored),
                false => far += usize::from(colored),
            }
        }
        assert!(
            near > 0 && far == 0,
            "channel {}: {near} near, {far} far",
            channel.index
        );
    }
    let error = maps
        .projections(&picture, &features, &[count])
        .unwrap_err()
        .to_string();
    assert!(error.contains("no channel"), "{error}");
}
