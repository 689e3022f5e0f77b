use super::*;
use crate::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Concat, Conv2d, GraphBuilder, Pad2d, Pool2d,
    Residual, SliceChannels, Storage,
};

mod branches;
mod padding;

/// The result of all passes on a graph with an image input of 8 channels, 6x6.
fn optimized(build: impl FnOnce(&mut GraphBuilder)) -> (Graph, Vec<PassReport>) {
    let mut b = GraphBuilder::new("g");
    build(&mut b);
    let graph = b.build().unwrap();
    optimize(
        &graph,
        &[Shape::from([1, 8, 6, 6])],
        &PassOptions::default(),
    )
    .unwrap()
}

fn report<'a>(reports: &'a [PassReport], pass: &str) -> &'a PassReport {
    reports.iter().find(|report| report.pass == pass).unwrap()
}

/// Asserts that `remarks` are about these nodes, in order, with texts that contain these words.
fn assert_remarks(remarks: &[Remark], expected: &[(&str, &str)]) {
    let fits = remarks.len() == expected.len()
        && (remarks.iter().zip(expected))
            .all(|(remark, (node, words))| remark.node == *node && remark.text.contains(words));
    assert!(fits, "{remarks:#?}\n{expected:#?}");
}

fn names_of(graph: &Graph) -> Vec<&str> {
    graph
        .nodes()
        .iter()
        .map(|node| node.name.as_str())
        .collect()
}

#[test]
fn identities_and_dead_nodes_are_removed() {
    let (graph, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let y = b.dropout("drop", x);
        let y = b.node("pad", Pad2d::zeros(0, 0, 0, 0), &[y]);
        let y = b.node("slice", SliceChannels::from(0..8), &[y]);
        let y = b.node("pool", Pool2d::max(2, 2), &[y]);
        b.activation("dead", y, Activation::Relu);
        let y = b.concat("concat", &[y]);
        b.output(y);
    });
    assert_eq!(names_of(&graph), ["x", "pool"]);
    let found = report(&reports, "identities");
    let applied = ["drop", "pad", "slice", "concat"].map(|name| (name, "removed"));
    assert_remarks(&found.applied, &applied);
    assert_remarks(
        &report(&reports, "dead-nodes").applied,
        &[("dead", "no output")],
    );
}

#[test]
fn norms_and_activations_are_fused_into_convolutions() {
    let (graph, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let y = b.conv2d("conv", x, Conv2d::new(8, 8, 1));
        let y = b.batch_norm("norm", y, BatchNorm2d::new(8));
        let y = b.activation("relu", y, Activation::Relu);
        let y = b.batch_norm("norm2", y, BatchNorm2d::new(8));
        let z = b.pool2d("pool", y, Pool2d::max(2, 2));
        let z = b.activation("relu2", z, Activation::Relu);
        b.output(y);
        b.output(z);
    });
    assert_eq!(names_of(&graph), ["x", "conv", "norm2", "pool", "relu2"]);
    let conv = &graph.nodes()[1];
    assert_eq!(conv.fused.norm.as_ref().unwrap().name, "norm");
    assert_eq!(conv.fused.activation, Some(Activation::Relu));
    assert_eq!(conv.parameters().len(), 6);
    let norms = report(&reports, "norms");
    assert_remarks(&norms.applied, &[("norm", "folded into 'conv'")]);
    assert_remarks(&norms.refused, &[("norm2", "'relu' (ReLU) has no weights")]);
    let activations = report(&reports, "activations");
    assert_remarks(&activations.applied, &[("relu", "applied by 'conv'")]);
    assert_remarks(
        &activations.refused,
        &[("relu2", "'pool' (MaxPool2d) has no epilogue")],
    );
    let prologues = report(&reports, "prologues");
    let refused = [
        ("norm2", "'norm2' is an output"),
        ("relu2", "'relu2' is an output"),
    ];
    assert_remarks(&prologues.refused, &refused);
}

#[test]
fn a_norm_of_a_value_with_other_readers_is_kept() {
    let (_, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let y = b.conv2d("conv", x, Conv2d::new(8, 8, 1));
        let z = b.batch_norm("norm", y, BatchNorm2d::new(8));
        let z = b.mul("mul", y, z);
        b.output(z);
    });
    assert_remarks(
        &report(&reports, "norms").refused,
        &[("norm", "'conv' is read 2 times")],
    );
}

#[test]
fn residuals_keep_their_order_with_activations() {
    let (graph, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let leaky = Activation::LeakyRelu { slope: 0.1 };
        // As in Darknet, as in ResNet, and one with activations before and after the sum.
        let y = b.conv2d("conv1", x, Conv2d::new(8, 8, 1));
        let y = b.activation("act1", y, leaky);
        let after = b.add("add1", x, y);
        let y = b.conv2d("conv2", after, Conv2d::new(8, 8, 1));
        let y = b.add("add2", y, after);
        let before = b.activation("act2", y, Activation::Relu);
        let y = b.conv2d("conv3", before, Conv2d::new(8, 8, 1));
        let y = b.activation("act3", y, leaky);
        let y = b.add("add3", y, before);
        let y = b.activation("act4", y, leaky);
        // A broadcast operand.
        let mean = b.adaptive_avg_pool2d("mean", y, AdaptiveAvgPool2d::new(1, 1));
        let z = b.conv2d("conv4", y, Conv2d::new(8, 8, 1));
        let z = b.add("add4", z, mean);
        b.output(z);
    });
    let node = |name: &str| graph.nodes().iter().find(|node| node.name == name).unwrap();
    let residual = |name: &str| (node(name).fused.residual, node(name).fused.activation);
    let leaky = Some(Activation::LeakyRelu { slope: 0.1 });
    assert_eq!(residual("conv1"), (Some(Residual::AfterActivation), leaky));
    let relu = Some(Activation::Relu);
    assert_eq!(residual("conv2"), (Some(Residual::BeforeActivation), relu));
    assert_eq!(residual("conv3"), (None, leaky));
    assert_eq!(node("add3").fused.activation, leaky);
    let found = report(&reports, "residuals");
    let applied = [("add1", "added by 'conv1'"), ("add2", "added by 'conv2'")];
    assert_remarks(&found.applied, &applied);
    let refused = [
        ("add3", "'conv3' has an activation, and so has the sum"),
        ("add4", "the residual is [1, 8, 1, 1]"),
    ];
    assert_remarks(&found.refused, &refused);
}

#[test]
fn norms_before_convolutions_are_applied_on_load() {
    let (graph, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let y = b.pool2d("pool", x, Pool2d::max(2, 2));
        let y = b.batch_norm("norm", y, BatchNorm2d::new(8));
        let y = b.activation("relu", y, Activation::Relu);
        let y = b.conv2d("conv", y, Conv2d::new(8, 8, 3).padding(1));
        let y = b.pool2d("pool2", y, Pool2d::max(1, 2));
        let y = b.activation("relu2", y, Activation::Relu);
        let y = b.conv2d("grouped", y, Conv2d::new(8, 8, 1).groups(2));
        b.output(y);
    });
    assert_eq!(
        names_of(&graph),
        ["x", "pool", "conv", "pool2", "relu2", "grouped"]
    );
    let prologue = graph.nodes()[2].fused.prologue.as_ref().unwrap();
    assert_eq!(prologue.norm.as_ref().unwrap().name, "norm");
    assert_eq!(prologue.activation, Some(Activation::Relu));
    let found = report(&reports, "prologues");
    assert_remarks(&found.applied, &[("norm", "applied by 'conv' on load")]);
    assert_remarks(&found.refused, &[("relu2", "'grouped' has groups")]);
}

#[test]
fn parts_are_written_into_their_concatenation() {
    let (graph, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let one = b.conv2d("one", x, Conv2d::new(8, 8, 1));
        let two = b.conv2d("two", one, Conv2d::new(8, 4, 1));
        let first = b.concat("first", &[one, two]);
        let three = b.conv2d("three", x, Conv2d::new(8, 4, 1));
        // As in DenseNet, whose layers concatenate all earlier features.
        let second = b.concat("second", &[one, two, three]);
        let six = b.conv2d("six", x, Conv2d::new(8, 6, 1));
        let third = b.concat("third", &[six, three, three, second]);
        b.output(first);
        b.output(third);
    });
    let node = |name: &str| graph.nodes().iter().find(|node| node.name == name).unwrap();
    let slot = |name: &str| match node(name).fused.storage {
        Storage::ConcatSlice { of, channel } => Some((graph.node(of).name.as_str(), channel)),
        _ => None,
    };
    assert_eq!(slot("one"), Some(("first", 0)));
    assert_eq!(slot("first"), Some(("second", 0)));
    assert_eq!(slot("three"), Some(("second", 12)));
    assert_eq!(slot("two"), None);
    let found = report(&reports, "concatenations");
    let applied = [
        ("second", "begins with 'first'"),
        ("one", "channels 0..8 of 'first'"),
        ("first", "channels 0..12 of 'second'"),
        ("three", "channels 12..16 of 'second'"),
    ];
    assert_remarks(&found.applied, &applied);
    let refused = [
        ("two", "'two' would read and write the same memory"),
        ("six", "its number of channels, 6, is not a multiple of 4"),
        ("three", "it is stored in 'second'"),
        ("three", "it is stored in 'second'"),
        (
            "second",
            "its first channel there, 14, is not a multiple of 4",
        ),
    ];
    assert_remarks(&found.refused, &refused);
}

#[test]
fn slices_are_read_in_place() {
    let (graph, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let slice = |b: &mut GraphBuilder, name: &str, start: usize, end: usize| {
            let y = b.node(name, SliceChannels { start, end }, &[x]);
            let y = b.node(format!("{name}.pool"), Pool2d::max(2, 2), &[y]);
            b.output(y);
        };
        slice(b, "whole elements", 4, 8);
        slice(b, "odd start", 3, 8);
        slice(b, "odd end", 0, 7);
        let copied = b.node("copied", SliceChannels { start: 0, end: 4 }, &[x]);
        let y = b.conv2d("conv", x, Conv2d::new(8, 8, 1));
        let y = b.node("joined", Concat, &[y, copied]);
        b.output(y);
    });
    assert_eq!(graph.nodes()[1].fused.storage, Storage::View);
    let found = report(&reports, "slices");
    assert_remarks(
        &found.applied,
        &[("whole elements", "read in place, in 'x'")],
    );
    let refused = [
        ("odd start", "its first channel, 3"),
        ("odd end", "its end, channel 7"),
        ("copied", "copied into 'joined'"),
    ];
    assert_remarks(&found.refused, &refused);
}

#[test]
fn each_pass_can_be_disabled() {
    let architecture = crate::zoo::find("densenet121").unwrap();
    let graph = architecture.build(&Default::default()).unwrap();
    let shapes = architecture.input_shapes(1, &Default::default());
    for name in names() {
        let options = PassOptions::default().without(name).unwrap();
        let (_, reports) = optimize(&graph, &shapes, &options).unwrap();
        assert_eq!(reports.len(), names().count() - 1);
        assert!(reports.iter().all(|report| report.pass != name));
    }
    let (same, reports) = optimize(&graph, &shapes, &PassOptions::none()).unwrap();
    assert!(reports.is_empty() && same.nodes().len() == graph.nodes().len());
    assert!(same.nodes().iter().all(|node| node.fused.is_empty()));
}

#[test]
fn unknown_passes_suggest_the_nearest() {
    let error = PassOptions::none()
        .without("concatenation")
        .unwrap_err()
        .to_string();
    assert!(error.contains("did you mean 'concatenations'"), "{error}");
    assert!(error.contains("norms"), "{error}");
}
