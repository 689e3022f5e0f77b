use super::*;
use crate::graph::ValueId;
use crate::zoo::{self, ZooOptions};

/// Adds the node that is added to a convolution, of the same input.
type Other = fn(&mut GraphBuilder, ValueId) -> ValueId;

/// The sum of a convolution `conv` of 8 channels with `other`, both of the input.
fn sum_of(conv: Conv2d, other: Other) -> PassReport {
    let (_, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let y = b.conv2d("conv", x, conv);
        let other = other(b, x);
        let sum = b.add("sum", y, other);
        b.output(sum);
    });
    report(&reports, "branches").clone()
}

fn point() -> Conv2d {
    Conv2d::new(8, 8, 1)
}

#[test]
fn branches_become_one_convolution() {
    let (graph, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let y = b.conv2d("point", x, point().bias(false));
        let y = b.batch_norm("point.norm", y, BatchNorm2d::new(8));
        let z = b.conv2d("conv", x, Conv2d::new(8, 8, 3).padding(1).bias(false));
        let z = b.batch_norm("norm", z, BatchNorm2d::new(8));
        let y = b.add("sum1", y, z);
        let z = b.batch_norm("identity", x, BatchNorm2d::new(8));
        let y = b.add("sum2", y, z);
        let y = b.activation("relu", y, Activation::Relu);
        b.output(y);
    });
    assert_eq!(names_of(&graph), ["x", "conv"]);
    let conv = &graph.nodes()[1];
    assert_eq!(conv.fused.activation, Some(Activation::Relu));
    let names: Vec<String> = conv.fused.branches.iter().map(|b| b.names()).collect();
    assert_eq!(names, ["point and point.norm", "identity"]);
    // Two weights, and four vectors of each norm.
    assert_eq!(conv.parameters().len(), 2 + 3 * 4);
    let expected = [
        ("sum1", "'point' is part of 'conv'"),
        ("sum2", "'identity' is part of 'conv'"),
    ];
    assert_remarks(&report(&reports, "branches").applied, &expected);
}

#[test]
fn what_a_tap_at_the_center_does_not_compute_is_kept() {
    let padded = Conv2d::new(8, 8, 3).padding(1);
    let cases: [(Conv2d, Other, &str); 4] = [
        (
            padded.clone(),
            |b, x| b.conv2d("other", x, point().groups(2)),
            "number of groups",
        ),
        (
            padded.clone().padding([2, 0, 2, 0]),
            |b, x| b.conv2d("other", x, point()),
            "tap at the center",
        ),
        (
            Conv2d::new(8, 8, 2).padding([0, 1, 0, 1]),
            |b, x| b.conv2d("other", x, point()),
            "tap at the center",
        ),
        (
            padded.clone(),
            |b, x| {
                let y = b.conv2d("other", x, point());
                b.output(y);
                y
            },
            "'other' is an output",
        ),
    ];
    for (conv, other, reason) in cases {
        let found = sum_of(conv, other);
        assert_remarks(&found.applied, &[]);
        assert_remarks(&found.refused, &[("sum", reason)]);
    }
    // An ordinary residual is no candidate.
    let found = sum_of(padded, |_, x| x);
    assert!(found.applied.is_empty() && found.refused.is_empty());
}

/// The form in which RepVGG is meant to run: a chain of convolutions.
#[test]
fn repvgg_has_one_convolution_for_each_block() {
    let architecture = zoo::find("repvgg_a0").unwrap();
    let graph = architecture.build(&ZooOptions::default()).unwrap();
    let shapes = architecture.input_shapes(1, &ZooOptions::default());
    let (graph, _) = optimize(&graph, &shapes, &PassOptions::default()).unwrap();
    // The input, 22 blocks, a pooling, a flatten and the classifier.
    assert_eq!(graph.nodes().len(), 26);
}
