use super::blocks::{inverted, single};
use super::*;
use crate::graph::{Node, Op};
use crate::weights::Weights;
use crate::zoo::{self, ConvPadding, GlobalPool};

/// From table 4 of the paper of MobileNetV2 and timm's tables, in units of 10 000.
#[test]
fn parameter_counts_are_the_published_ones() {
    for (name, published) in [
        ("mobilenetv2_100", 350),
        ("mobilenetv2_050", 197),
        ("mobilenetv2_140", 611),
        ("tf_efficientnet_lite0", 465),
        ("tf_efficientnet_lite1", 542),
        ("tf_efficientnet_lite2", 609),
        ("tf_efficientnet_lite3", 820),
        ("tf_efficientnet_lite4", 1301),
        ("mobilenetv3_large_100", 548),
        ("efficientnet_b0", 529),
        ("efficientnet_v2_s", 2146),
        ("mnasnet1_0", 438),
        ("ghostnet_100", 518),
    ] {
        let graph = zoo::build(name, &ZooOptions::default()).unwrap();
        assert_eq!(
            (graph.parameter_count() + 5000) / 10_000,
            published,
            "{name}"
        );
    }
}

/// As `decode_arch_def` of timm's `mobilenetv3_large_150d`: four blocks in three rows become five.
#[test]
fn depth_is_distributed_to_the_rows_of_a_stage() {
    const ROWS: &[Blocks] = &[
        inverted(1, 3, 2, 6.0, 80),
        inverted(1, 3, 1, 2.5, 80),
        inverted(2, 3, 1, 2.3, 80),
    ];
    let network = Network::new(16, &[ROWS], Head::Pooled(8), Activation::Relu);
    let blocks = |depth| network.scale(1.0, depth).blocks();
    let wide = |depth| -> Vec<usize> {
        let inner = |block: &blocks::Block| match &block.layers()[0] {
            Layer::Conv { conv, .. } => conv.out_channels,
            Layer::Squeeze(_) => 0,
        };
        blocks(depth).iter().map(inner).collect()
    };
    assert_eq!(wide(&[1.0]), [96, 200, 184, 184]);
    assert_eq!(wide(&[1.2]), [96, 200, 200, 184, 184]);
}

/// Two convolutions end `mobilenetv3_large_150d`, and V2 has some of equal shape at its beginning.
#[test]
fn single_convolutions_have_shortcuts_in_v2_only() {
    for (name, block, expected) in [
        ("mobilenetv3_large_150d", "blocks.6.1", false),
        ("efficientnetv2_s", "blocks.0.0", true),
    ] {
        let graph = zoo::build(name, &ZooOptions::default()).unwrap();
        assert!(graph.find(&format!("{block}.conv")).is_ok());
        let shortcut = graph.find(&format!("{block}.add"));
        assert_eq!(shortcut.is_ok(), expected, "{name}");
    }
}

#[test]
fn dilations_replace_strides_beyond_the_output_stride() {
    const ROWS: &[Blocks] = &[inverted(2, 5, 2, 2.0, 16), single(1, 1, 32)];
    let network = Network {
        output_stride: 4,
        ..Network::new(16, &[ROWS, ROWS], Head::Pooled(8), Activation::Relu)
    };
    let geometry = |name: &str| {
        let mut b = GraphBuilder::new("dilated");
        let image = b.image_input("input", 3);
        let settings = Settings {
            classes: 2,
            channels: 3,
            size: [32, 32],
        };
        let outputs = network.layers(&mut b, image, &settings).unwrap();
        b.output(outputs[0]);
        let graph = b.build().unwrap();
        match graph.node(graph.find(name).unwrap()).op() {
            Op::Conv2d(conv) => (conv.stride[0], conv.dilation[0], conv.padding),
            _ => panic!("{name}"),
        }
    };
    assert_eq!(geometry("blocks.0.0.conv_dw"), (2, 1, Padding::all(2)));
    assert_eq!(geometry("blocks.0.1.conv_dw"), (1, 1, Padding::all(2)));
    assert_eq!(geometry("blocks.1.0.conv_dw"), (1, 2, Padding::all(4)));
    assert_eq!(geometry("blocks.1.1.conv_dw"), (1, 2, Padding::all(4)));
    assert_eq!(geometry("blocks.1.2.conv"), (1, 1, Padding::all(0)));
}

fn ops(name: &str, options: &ZooOptions) -> Vec<(String, Op)> {
    let graph = zoo::build(name, options).unwrap();
    let named = |node: &Node| (node.name().to_owned(), node.op().clone());
    graph.nodes().iter().map(named).collect()
}

/// The operators, with one of the two kinds of paddings for the kernels that need none.
fn operators(name: &str, options: &ZooOptions) -> Vec<Op> {
    let mut ops: Vec<Op> = ops(name, options).into_iter().map(|(_, op)| op).collect();
    ops.retain(|op| !matches!(op, Op::Dropout));
    for op in &mut ops {
        match op {
            Op::Conv2d(conv) if conv.kernel == [1; 2] => conv.padding = Padding::Same,
            _ => {}
        }
    }
    ops
}

/// timm's `tf_` networks are its others with another padding and epsilon.
#[test]
fn tensorflows_networks_are_variants() {
    let options = ZooOptions {
        padding: Some(ConvPadding::Same),
        bn_eps: Some(1e-3),
        ..ZooOptions::default()
    };
    for (name, tensorflow) in [
        ("mobilenetv3_small_100", "tf_mobilenetv3_small_100"),
        ("efficientnetv2_s", "tf_efficientnetv2_s"),
        ("timm_efficientnet_b5", "tf_efficientnet_b5"),
    ] {
        let plain = ZooOptions::default();
        let expected = operators(tensorflow, &plain);
        assert!(operators(name, &plain) != expected, "{name}");
        assert!(operators(name, &options) == expected, "{name}");
    }
    // torchvision's differ from timm's in the epsilon alone.
    let eps = ZooOptions {
        bn_eps: Some(1e-3),
        ..ZooOptions::default()
    };
    for (timm, torchvision) in [
        ("timm_efficientnet_b5", "efficientnet_b5"),
        ("efficientnetv2_m", "efficientnet_v2_m"),
    ] {
        let theirs = operators(torchvision, &ZooOptions::default());
        assert!(operators(timm, &eps) == theirs, "{timm}");
    }
}

/// The names of the tensors tell whether torchvision's epsilon is meant, or timm's.
#[test]
fn weights_decide_between_networks_of_one_name() {
    let options = ZooOptions::classes(7);
    for name in ["efficientnet_b5", "timm_efficientnet_b5"] {
        let graph = zoo::build(name, &options).unwrap();
        let weights = Weights::generated(&graph, 1.0);
        let found = zoo::find_in_timm_for("efficientnet_b5", || Some(weights), &options);
        assert_eq!(found.unwrap().name, name);
    }
    // Names that both have are timm's.
    let graph = zoo::build("efficientnet_lite0", &options).unwrap();
    let weights = Weights::generated(&graph, 1.0);
    let found = zoo::find_in_timm_for("efficientnet_lite0", || Some(weights), &options);
    assert_eq!(found.unwrap().name, "timm_efficientnet_lite0");
    let found = zoo::find_in_timm_for("efficientnet_b5", || None, &options);
    assert_eq!(found.unwrap().name, "timm_efficientnet_b5");
}

/// `act_layer` is the default of timm's blocks: gates, and functions that blocks name, stay.
#[test]
fn another_activation_leaves_gates() {
    let options = ZooOptions {
        activation: Some(Activation::Mish),
        ..ZooOptions::default()
    };
    let changed = |name: &str| -> Vec<String> {
        let functions = ops(name, &options).into_iter();
        let functions = functions.filter(|(_, op)| *op == Op::Activation(Activation::Mish));
        functions.map(|(name, _)| name).collect()
    };
    let small = changed("mobilenetv3_small_100");
    for (name, is_changed) in [
        ("act1", true),
        ("blocks.0.0.act1", false),
        ("blocks.2.0.act1", true),
        ("blocks.2.0.se.act1", false),
        ("act2", true),
    ] {
        assert_eq!(small.contains(&name.to_owned()), is_changed, "{name}");
    }
    let large = changed("tf_efficientnet_b0");
    for (name, is_changed) in [("blocks.2.0.se.act1", true), ("blocks.2.0.se.gate", false)] {
        assert_eq!(large.contains(&name.to_owned()), is_changed, "{name}");
    }
}

#[test]
fn what_timm_cannot_build_is_refused() {
    let plain = ZooOptions::default();
    let stride = ZooOptions {
        output_stride: Some(16),
        ..plain
    };
    let pool = ZooOptions {
        global_pool: Some(GlobalPool::ConcatAverageMax),
        ..plain
    };
    let activation = ZooOptions {
        activation: Some(Activation::Silu),
        ..plain
    };
    let headless = ZooOptions {
        global_pool: Some(GlobalPool::None),
        ..ZooOptions::classes(0)
    };
    for (name, options, part) in [
        ("mobilenetv3_small_100", stride, "output stride 16"),
        ("ghostnet_050", stride, "output stride 16"),
        ("ghostnet_050", pool, "'catavgmax'"),
        ("ghostnet_050", activation, "another activation"),
        ("mobilenet_v3_small", headless, "'classifier.0' (Linear)"),
        (
            "lraspp_mobilenet_v3_large",
            activation,
            "numbers of classes",
        ),
    ] {
        let text = zoo::build(name, &options).unwrap_err().to_string();
        assert!(text.contains(part) && text.contains(name), "{text}");
    }
    // MobileNetV3's head is after the pooling, and stays.
    for name in ["mobilenetv3_small_100", "ghostnet_050"] {
        let graph = zoo::build(name, &headless).unwrap();
        let shapes = graph.infer(&[[1, 3, 64, 64].into()]).unwrap();
        let output = shapes[graph.outputs()[0].index()].dims();
        let features = if name == "ghostnet_050" { 1280 } else { 1024 };
        assert_eq!(output, [1, features, 2, 2], "{name}");
    }
    let graph = zoo::build("mobilenetv3_small_100", &pool).unwrap();
    let head = graph.node(graph.find("conv_head").unwrap());
    assert_eq!(head.parameters()[0].shape, [1024, 1152, 1, 1].into());
}
