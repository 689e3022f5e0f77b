use super::*;
use crate::graph::{Activation, Node};
use crate::reference::Reference;
use crate::tensor::{Shape, Tensor};
use crate::weights::Weights;
use crate::weights::generate::generated_input;
use crate::zoo;

/// The first output of `name` with generated weights, which depend on the tensors' names and shapes only.
fn run(name: &str, options: &ZooOptions, size: usize) -> Tensor {
    let graph = zoo::build(name, options).unwrap();
    let weights = Weights::generated(&graph, 1.0);
    let reference: Reference = Reference::new(&graph, &weights).unwrap();
    let input = generated_input(Shape::from([1, 3, size, size]));
    reference.run(&[input]).unwrap().swap_remove(0)
}

fn refusal(name: &str, options: &ZooOptions) -> String {
    zoo::build(name, options).unwrap_err().to_string()
}

fn with_pool(pool: &str, classes: usize) -> ZooOptions {
    ZooOptions {
        global_pool: Some(pool.parse().unwrap()),
        ..ZooOptions::classes(classes)
    }
}

#[track_caller]
fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-5 * e.abs().max(1.0), "{f} {e}");
    }
}

/// Without classes, the output is what timm's `forward_head(…, pre_logits=True)` returns.
#[test]
fn global_pooling_pools_the_feature_map() {
    for name in [
        "resnet18",
        "mobilenet_v2",
        "efficientnet_lite0",
        "seresnet18",
        "regnety_002",
        "tf_efficientnetv2_b0",
    ] {
        let map = run(name, &with_pool("", 0), 64);
        let [_, channels, height, width] = map.shape().nchw();
        assert_eq!([height, width], [2, 2], "{name}");
        let planes = || map.data().chunks(4);
        let mean: Vec<f32> = planes().map(|p| p.iter().sum::<f32>() / 4.0).collect();
        let max: Vec<f32> = planes()
            .map(|p| p.iter().copied().fold(f32::MIN, f32::max))
            .collect();
        let half: Vec<f32> = mean.iter().zip(&max).map(|(a, b)| 0.5 * (a + b)).collect();
        let both = [&mean[..], &max].concat();
        for (pool, expected) in [
            ("avg", mean),
            ("max", max),
            ("avgmax", half),
            ("catavgmax", both),
        ] {
            let found = run(name, &with_pool(pool, 0), 64);
            assert_eq!(found.shape().len(), expected.len(), "{name} {pool}");
            assert_near(found.data(), &expected);
        }
        // The classifier reads the pooled features.
        let graph = zoo::build(name, &with_pool("catavgmax", 10)).unwrap();
        let last = graph.node(graph.outputs()[0]);
        assert_eq!(last.parameters()[0].shape, Shape::from([10, 2 * channels]));
        let averaged = run(name, &ZooOptions::classes(10), 64);
        let maximum = run(name, &with_pool("fastmax", 10), 64);
        assert_eq!(averaged.shape(), maximum.shape());
        assert_ne!(averaged.data(), maximum.data());
    }
}

#[test]
fn without_classes_there_is_no_classifier() {
    let features = [
        ("resnet50", 2048),
        ("densenet121", 1024),
        ("vgg11", 4096),
        ("alexnet", 4096),
        ("mobilenet_v1", 1024),
        ("mobilenetv2_100", 1280),
        ("timm_efficientnet_lite0", 1280),
        ("mobilenetv3_small_100", 1024),
        ("efficientnet_b0", 1280),
        ("mnasnet_100", 1280),
        ("ghostnet_050", 1280),
        ("resnet26d", 2048),
        ("seresnet18", 512),
        ("regnety_002", 368),
        ("repvgg_a0", 1280),
        ("inception_v3", 2048),
        ("convnext_atto", 320),
    ];
    for (name, count) in features {
        let whole = zoo::build(name, &ZooOptions::default()).unwrap();
        let graph = zoo::build(name, &ZooOptions::classes(0)).unwrap();
        let shapes = graph.infer(&[Shape::from([2, 3, 224, 224])]).unwrap();
        assert_eq!(
            shapes[graph.outputs()[0].index()],
            Shape::from([2, count]),
            "{name}"
        );
        // What is missing is one fully connected layer.
        let missing = whole.parameter_count() - graph.parameter_count();
        assert_eq!(missing, 1000 * (count as u64 + 1), "{name}");
    }
    for name in ["squeezenet1_0", "small_cnn", "darknet19"] {
        let text = refusal(name, &ZooOptions::classes(0));
        assert!(text.contains("no fully connected layer"), "{text}");
        assert!(text.contains("0 classes"), "{text}");
    }
}

/// Every other row and column of the dilated network's map are the strided network's (Chen et al. 2017).
#[test]
fn strides_become_dilations() {
    let symmetric = Some(ConvPadding::Symmetric);
    // Each network with its size, that of its map and those with other strides.
    for (name, padding, size, last, sides) in [
        ("resnet18", None, 64, 2, &[(16, 4), (8, 8)][..]),
        ("regnetx_002", None, 64, 2, &[(16, 4), (8, 8)]),
        // With a second such layer in a row, timm's pooling is not dilated, and its windows without a center are
        // padded on both sides.
        ("resnet18d", None, 64, 2, &[(16, 4)]),
        ("convnext_atto", None, 64, 2, &[(16, 4)]),
        // TensorFlow's padding depends on the size, and is the same for odd ones only.
        ("efficientnet_lite0", symmetric, 65, 3, &[(16, 5), (8, 9)]),
    ] {
        let options = ZooOptions {
            padding,
            ..with_pool("", 0)
        };
        let strided = run(name, &options, size);
        let [_, channels, height, width] = strided.shape().nchw();
        assert_eq!([height, width], [last; 2]);
        for &(stride, side) in sides {
            let options = ZooOptions {
                output_stride: Some(stride),
                ..options
            };
            let dilated = run(name, &options, size);
            let shape = dilated.shape().nchw();
            assert_eq!(shape, [1, channels, side, side], "{name} {stride}");
            let step = 32 / stride;
            let kept: Vec<f32> = (0..channels * last * last)
                .map(|i| {
                    let (plane, y, x) = (i / (last * last), i / last % last, i % last);
                    dilated.data()[(plane * side + y * step) * side + x * step]
                })
                .collect();
            assert_near(&kept, strided.data());
        }
    }
    // As in timm's `make_blocks`: the first block's first convolution has the dilation of the layer before.
    let options = ZooOptions {
        output_stride: Some(16),
        ..ZooOptions::default()
    };
    let graph = zoo::build("resnet18", &options).unwrap();
    for (name, dilation) in [
        ("layer3.1.conv2", 1),
        ("layer4.0.conv1", 1),
        ("layer4.0.conv2", 2),
        ("layer4.1.conv1", 2),
    ] {
        let node = graph.node(graph.find(name).unwrap());
        let Op::Conv2d(conv) = node.op() else {
            panic!("{name}");
        };
        assert_eq!((conv.stride, conv.dilation), ([1; 2], [dilation; 2]));
        assert_eq!(conv.padding, Padding::all(dilation), "{name}");
    }
}

/// The two kinds of EfficientNet-Lite differ in padding and epsilon alone.
#[test]
fn padding_and_epsilon_lead_from_one_kind_to_the_other() {
    let options = |padding, eps| ZooOptions {
        padding: Some(padding),
        bn_eps: Some(eps),
        ..ZooOptions::default()
    };
    for (name, options, same) in [
        (
            "tf_efficientnet_lite0",
            options(ConvPadding::Symmetric, 1e-5),
            "timm_efficientnet_lite0",
        ),
        (
            "timm_efficientnet_lite0",
            options(ConvPadding::Same, 1e-3),
            "tf_efficientnet_lite0",
        ),
    ] {
        let ops =
            |graph: &Graph| -> Vec<Op> { graph.nodes().iter().map(Node::op).cloned().collect() };
        let plain = zoo::build(name, &ZooOptions::default()).unwrap();
        let other = zoo::build(same, &ZooOptions::default()).unwrap();
        let changed = zoo::build(name, &options).unwrap();
        assert_ne!(ops(&plain), ops(&other));
        assert_eq!(ops(&changed), ops(&other), "{name}");
    }
}

#[test]
fn every_activation_is_replaced() {
    let options = ZooOptions {
        activation: Some(Activation::Silu),
        ..ZooOptions::default()
    };
    for name in ["resnet18", "densenet121", "mobilenet_v2", "vgg11_bn"] {
        let count = |graph: &Graph, is: fn(&Activation) -> bool| {
            let ops = graph.nodes().iter().map(Node::op);
            ops.filter(|op| matches!(op, Op::Activation(a) if is(a)))
                .count()
        };
        let plain = zoo::build(name, &ZooOptions::default()).unwrap();
        let changed = zoo::build(name, &options).unwrap();
        assert_eq!(count(&plain, |a| *a == Activation::Silu), 0);
        assert_eq!(count(&changed, |a| *a != Activation::Silu), 0);
        assert_eq!(count(&changed, |_| true), count(&plain, |_| true));
    }
}

/// As in timm: `act_layer` is that of squeeze-and-excitations in RegNet only, and never their gate.
#[test]
fn gates_are_not_replaced() {
    let options = ZooOptions {
        activation: Some(Activation::Silu),
        ..ZooOptions::default()
    };
    let of = |network: &str, node: &str| {
        let graph = zoo::build(network, &options).unwrap();
        graph.node(graph.find(node).unwrap()).op().clone()
    };
    for (network, node, expected) in [
        ("seresnet18", "layer1.0.se.act", Activation::Relu),
        ("seresnet18", "layer1.0.se.gate", Activation::Sigmoid),
        ("seresnet18", "layer1.0.relu", Activation::Silu),
        ("regnety_002", "s1.b1.se.act", Activation::Silu),
        ("regnety_002", "s1.b1.se.gate", Activation::Sigmoid),
        // A GELU otherwise.
        (
            "convnext_atto",
            "stages.0.blocks.0.mlp.act",
            Activation::Silu,
        ),
    ] {
        assert_eq!(of(network, node), Op::from(expected), "{node} of {network}");
    }
}

/// ConvNeXt's norm follows the pooling. Without a pooling, it is applied to every pixel, as in timm.
#[test]
fn a_norm_after_the_pooling_is_kept() {
    let map = run("convnext_atto", &with_pool("", 0), 64);
    let [_, channels, height, width] = map.shape().nchw();
    assert_eq!([channels, height, width], [320, 2, 2]);
    let graph = zoo::build("convnext_atto", &with_pool("", 0)).unwrap();
    let last = graph.node(graph.outputs()[0]);
    assert_eq!(
        (last.name(), last.op().as_operator().kind()),
        ("head.norm", "LayerNorm")
    );
    let graph = zoo::build("convnext_atto", &with_pool("max", 0)).unwrap();
    assert!(graph.find("head.norm").is_ok());
}

#[test]
fn what_a_network_does_not_have_is_refused_by_name() {
    let stride = |stride| ZooOptions {
        output_stride: Some(stride),
        ..ZooOptions::default()
    };
    let padding = ZooOptions {
        padding: Some(ConvPadding::Same),
        ..ZooOptions::default()
    };
    for (name, options, parts) in [
        (
            "vgg16",
            with_pool("max", 10),
            ["global pooling 'max'", "no global average pooling"],
        ),
        (
            "resnet18",
            with_pool("", 10),
            ["global pooling ''", "0 classes"],
        ),
        (
            "squeezenet1_1",
            with_pool("catavgmax", 10),
            ["'catavgmax'", "not read by the classifier alone"],
        ),
        (
            "vgg16",
            stride(16),
            ["output stride 16", "'features.30' (MaxPool2d)"],
        ),
        ("densenet121", stride(8), ["output stride 8", "(AvgPool2d)"]),
        (
            "resnet18",
            stride(2),
            ["output stride 2", "'maxpool' (MaxPool2d)"],
        ),
        (
            "resnet18",
            padding,
            ["Same padding", "'maxpool' is a padded pooling"],
        ),
        (
            "inception_v3",
            padding,
            [
                "Same padding",
                "'Conv2d_1a_3x3.conv' has a padding of its own",
            ],
        ),
        (
            "convnext_atto",
            padding,
            ["Same padding", "'stem.0' has a padding of its own"],
        ),
        (
            "convnext_atto",
            with_pool("catavgmax", 10),
            ["'catavgmax'", "not read by the classifier alone"],
        ),
        (
            "inception_v3",
            stride(16),
            ["output stride 16", "(MaxPool2d)"],
        ),
    ] {
        let text = refusal(name, &options);
        for part in parts.into_iter().chain([name]) {
            assert!(text.contains(part), "{text}");
        }
    }
    // A stride that the network does not exceed changes nothing.
    assert!(zoo::build("vgg16", &stride(32)).is_ok());
    assert!("maximum".parse::<GlobalPool>().is_err());
}
