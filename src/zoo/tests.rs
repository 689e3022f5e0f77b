use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::graph::Parameter;
use crate::util::fnv::fnv1a64;

/// Compares the numbers of parameters of a family's table, row by row.
pub(super) fn assert_parameter_counts(architectures: &[Architecture], published: &[u64]) {
    assert_eq!(architectures.len(), published.len());
    for (architecture, count) in architectures.iter().zip(published) {
        let graph = architecture.build(&ZooOptions::default()).unwrap();
        assert_eq!(graph.parameter_count(), *count, "{}", architecture.name);
    }
}

#[test]
fn options_of_any_size_give_a_network_or_an_error() {
    for architecture in architectures() {
        for count in [0, 1 << 20, i32::MAX as usize, 1 << 40, usize::MAX] {
            // None of them panics.
            let _ = architecture.build(&ZooOptions::classes(count));
            let _ = architecture.build(&ZooOptions::default().with_channels(count));
        }
        let error = architecture.build(&ZooOptions::classes(usize::MAX));
        let text = error.unwrap_err().to_string();
        assert!(text.contains("at most 2147483647 classes"), "{text}");
    }
}

#[test]
fn every_architecture_builds_under_every_name() {
    let mut seen = HashSet::new();
    let options = ZooOptions::classes(7).with_channels(1);
    for architecture in architectures() {
        for name in architecture.names() {
            assert!(seen.insert(name), "two architectures are called {name}");
        }
        let graph = architecture.build(&options).unwrap();
        let inputs = architecture.input_shapes(2, &options);
        let shapes = graph.infer(&inputs).unwrap();
        for output in graph.outputs() {
            let [n, c, h, w] = shapes[output.index()].nchw();
            assert_eq!(n, 2, "{}", architecture.name);
            match architecture.task {
                Task::Classification => assert_eq!([c, h, w], [7, 1, 1]),
                Task::Segmentation => assert!(c == 7 && h > 1 && w > 1),
                Task::Detection => {}
            }
        }
    }
}

#[test]
fn parameter_counts_are_the_published_ones() {
    let published = [
        ("mlp", 235_146),
        ("small_cnn", 14_136_648),
        ("small_cnn_separable", 13_158_600),
        ("alexnet", 61_100_840),
        ("alexnet_paper", 60_965_224),
        ("vgg16", 138_357_544),
        ("resnet50", 25_557_032),
        ("densenet121", 7_978_856),
        ("mobilenet_v1", 4_231_976),
        ("mobilenet_v2", 3_504_872),
        ("unet", 31_037_698),
        ("unet_bilinear", 17_263_042),
        ("darknet19", 20_842_376),
        ("darknet53", 41_609_928),
        ("yolov2", 50_962_889),
        ("yolov3", 61_949_149),
        ("yolov3_tiny", 8_852_366),
    ];
    for (name, count) in published {
        let graph = build(name, &ZooOptions::default()).unwrap();
        assert_eq!(graph.parameter_count(), count, "{name}");
    }
}

/// The numbers of parameters and the hashes of all tensors' names and shapes in timm and torchvision, which
/// `families.py` wrote. `timm:` and a name: timm's names of the zoo's network.
#[test]
fn parameters_are_those_of_timm_and_torchvision() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/families.tensors.json"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let listed: BTreeMap<String, (u64, String)> = serde_json::from_str(&text).unwrap();
    for (listed, expected) in listed {
        let name = listed.trim_start_matches("timm:");
        let architecture = find(name).unwrap();
        let graph = architecture.build(&ZooOptions::default()).unwrap();
        let mut dialects = architecture.definition.dialects(&graph);
        dialects.retain(|dialect| listed != name && dialect.library() == "timm");
        assert_eq!(dialects.len(), usize::from(listed != name), "{listed}");
        let line = |parameter: Parameter| {
            let theirs = dialects.iter().map(|d| d.name(&parameter.name)).next();
            let name = theirs.unwrap_or(parameter.name.as_str().into());
            format!("{name} {:?}\n", parameter.shape.dims())
        };
        let mut lines: Vec<String> = graph.parameters().into_iter().map(line).collect();
        lines.sort();
        let hash = format!("{:016x}", fnv1a64(lines.concat()));
        assert_eq!((graph.parameter_count(), hash), expected, "{listed}");
    }
}

/// All but the networks that end in a classifier for one image size, and detectors, which join
/// feature maps again after halving them.
#[test]
fn networks_take_sizes_that_their_strides_do_not_divide() {
    const ONE_SIZE: [&str; 4] = ["mlp", "small_cnn", "small_cnn_separable", "alexnet_paper"];
    for architecture in architectures().filter(|a| a.task != Task::Detection) {
        let graph = architecture.build(&ZooOptions::default()).unwrap();
        let channels = architecture.input_size[0];
        let tokens = architecture
            .tokens
            .map(|length| Shape::from([3, length - 1]));
        let image = Shape::from([3, channels, 201, 251]);
        let inputs: Vec<Shape> = [image].into_iter().chain(tokens).collect();
        match graph.infer(&inputs) {
            Ok(_) => assert!(!ONE_SIZE.contains(&architecture.name)),
            Err(error) => {
                assert!(ONE_SIZE.contains(&architecture.name), "{error}");
                let text = error.to_string();
                assert!(text.contains("one image size only"), "{text}");
            }
        }
    }
}

#[test]
fn unknown_names_find_the_nearest() {
    let suggestion = |name| match find(name) {
        Err(crate::Error::UnknownName(unknown)) => unknown.nearest.first().cloned(),
        _ => panic!("{name} should be unknown"),
    };
    for (wrong, right) in [
        ("resnet81", "resnet18"),
        ("ResNet-34", "resnet34"),
        ("tf_efficientnet_lite0_", "tf_efficientnet_lite0"),
    ] {
        assert_eq!(suggestion(wrong).as_deref(), Some(right));
    }
    assert_eq!(suggestion("vit_base_patch16_224"), None);
    assert_eq!(find("resnet34.tv_in1k").unwrap().name, "resnet34");
}

#[test]
fn options_of_zero_are_refused() {
    let refused = |name, options: ZooOptions| build(name, &options).unwrap_err().to_string();
    let text = refused("resnet18", ZooOptions::default().with_channels(0));
    assert!(text.contains("'conv1' (Conv2d)"), "{text}");
    let text = refused("unet", ZooOptions::classes(0));
    assert!(text.contains("(Conv2d)"), "{text}");
}

/// Grad-CAM's default: what the classifier's pooling reads, or the last map of several pixels.
#[test]
fn the_last_feature_map_is_behind_the_last_block() {
    for (name, layer) in [
        ("resnet18", "layer4.1.relu"),
        ("seresnet18", "layer4.1.relu"),
        ("regnety_002", "s4.b7.act3"),
        ("convnext_atto", "stages.3.blocks.1.add"),
        ("repvgg_a0", "stages.3.0.act"),
        ("inception_v3", "Mixed_7c.concat"),
        ("shufflenet_v2_x0_5", "conv5.2"),
        ("mobilenetv3_small_100", "blocks.5.0.act1"),
        ("efficientnet_b0", "features.8.2"),
        ("ghostnet_050", "blocks.9.0.act1"),
    ] {
        let architecture = find(name).unwrap();
        let graph = architecture.build(&ZooOptions::default()).unwrap();
        let shapes = architecture.input_shapes(1, &ZooOptions::default());
        let last = graph.last_feature_map(&shapes).unwrap().unwrap();
        assert_eq!(graph.node(last).name(), layer, "{name}");
    }
}
