use super::*;
use crate::graph::{CenterCropOrPad, ConvTranspose2d, PoolKind};

#[test]
fn padding_is_fused_into_convolutions() {
    let (graph, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let y = b.node("pad", Pad2d::zeros(1, 2, 0, 1), &[x]);
        let y = b.node("crop", Pad2d::zeros(0, 0, -1, 0), &[y]);
        let y = b.conv2d("conv", y, Conv2d::new(8, 8, 3));
        let y = b.node("crop2", Pad2d::zeros(-1, 0, 0, 0), &[y]);
        let y = b.conv2d("conv2", y, Conv2d::new(8, 8, 3).padding(1));
        let ones = Pad2d {
            value: 1.0,
            ..Pad2d::zeros(1, 1, 1, 1)
        };
        let y = b.node("ones", ones, &[y]);
        let y = b.conv2d("conv3", y, Conv2d::new(8, 8, 3));
        let y = b.node("pad2", Pad2d::zeros(1, 1, 1, 1), &[y]);
        let y = b.adaptive_avg_pool2d("pool", y, AdaptiveAvgPool2d::new(2, 2));
        b.output(y);
    });
    let conv = graph
        .nodes()
        .iter()
        .find(|node| node.name == "conv")
        .unwrap();
    assert_eq!(conv.fused.pad, [1, 2, -1, 1]);
    let found = report(&reports, "padding");
    assert_remarks(
        &found.applied,
        &[("crop", "fused into 'conv'"), ("pad", "fused into 'conv'")],
    );
    let refused = [
        ("pad2", "'pool' (AdaptiveAvgPool2d) reads it"),
        ("ones", "it pads with 1"),
        ("crop2", "'conv2' pads where it crops"),
    ];
    assert_remarks(&found.refused, &refused);
}

#[test]
fn padding_is_fused_into_pooling() {
    let count = |count_include_pad| Pool2d::new(PoolKind::Average { count_include_pad }, 3);
    let filled = |value| Pad2d {
        value,
        ..Pad2d::zeros(1, 1, 0, 1)
    };
    let (zeros, least) = (filled(0.0), filled(f32::NEG_INFINITY));
    let crop = Pad2d::zeros(-1, 0, 0, -1);
    let max = Pool2d::max(3, 2);
    let cases = [
        (zeros, max.clone(), Ok(0.0)),
        (filled(1.5), max.clone(), Ok(1.5)),
        (least, max.clone().padding(1), Ok(f32::NEG_INFINITY)),
        (least, max.clone().ceil_mode(true), Ok(f32::NEG_INFINITY)),
        (zeros, count(true).padding(1), Ok(0.0)),
        (zeros, count(false).ceil_mode(true), Ok(0.0)),
        (crop, max.clone(), Ok(0.0)),
        (crop, count(false), Ok(0.0)),
        (zeros, max.clone().padding(1), Err("with minus infinity")),
        (
            zeros,
            max.clone().ceil_mode(true),
            Err("would read 0 there"),
        ),
        (least, count(true), Err("an average with 0")),
        (
            zeros,
            count(false).padding(1),
            Err("excludes its own padding"),
        ),
        (crop, max.clone().padding(1), Err("pads where it crops")),
        (crop, max.ceil_mode(true), Err("would read cropped pixels")),
    ];
    for (pad, pool, expected) in cases {
        let what = format!("{pad:?} {pool:?}");
        let (graph, reports) = optimized(|b| {
            let x = b.image_input("x", 8);
            let y = b.node("pad", pad, &[x]);
            let y = b.pool2d("pool", y, pool);
            b.output(y);
        });
        let found = report(&reports, "padding");
        match expected {
            Ok(fill) => {
                assert_eq!(names_of(&graph), ["x", "pool"], "{what}");
                let fused = &graph.nodes()[1].fused;
                let sides = [pad.top, pad.bottom, pad.left, pad.right];
                assert_eq!((fused.pad, fused.pad_value), (sides, fill), "{what}");
                assert_remarks(&found.applied, &[("pad", "fused into 'pool'")]);
            }
            Err(reason) => assert_remarks(&found.refused, &[("pad", reason)]),
        }
    }
}

#[test]
fn pooling_fuses_a_second_padding_only_with_the_same_value() {
    let (_, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let y = b.node("first", Pad2d::zeros(1, 0, 0, 0), &[x]);
        let least = Pad2d {
            value: f32::NEG_INFINITY,
            ..Pad2d::zeros(0, 1, 0, 0)
        };
        let y = b.node("second", least, &[y]);
        let y = b.pool2d("pool", y, Pool2d::max(2, 2));
        b.output(y);
    });
    let found = report(&reports, "padding");
    assert_remarks(&found.applied, &[("second", "fused into 'pool'")]);
    assert_remarks(
        &found.refused,
        &[("first", "it pads with 0, 'pool' with -inf")],
    );
}

#[test]
fn transposed_convolutions_skip_cropped_pixels() {
    let (graph, reports) = optimized(|b| {
        let x = b.image_input("x", 8);
        let up =
            |b: &mut GraphBuilder, name: &str| b.node(name, ConvTranspose2d::new(8, 4, 3, 2), &[x]);
        let y = up(b, "up");
        let y = b.node("crop", Pad2d::zeros(0, -1, -2, 0), &[y]);
        let y = b.batch_norm("norm", y, BatchNorm2d::new(4));
        b.output(y);
        let y = up(b, "to size");
        let y = b.node("center", CenterCropOrPad, &[y, x]);
        b.output(y);
        let both = up(b, "read twice");
        let y = b.node("crop2", Pad2d::zeros(0, -1, 0, -1), &[both]);
        b.output(y);
        b.output(both);
        let y = up(b, "smaller");
        let y = b.node("larger", Pad2d::zeros(1, -1, 0, 0), &[y]);
        b.output(y);
    });
    let node = |name: &str| graph.nodes().iter().find(|node| node.name == name).unwrap();
    assert_eq!(node("up").fused.crop, [0, 1, 2, 0]);
    assert!(node("up").fused.norm.is_some());
    assert_eq!(node("to size").fused.crop, [3, 4, 3, 4]);
    let shapes = graph.infer(&[Shape::from([1, 8, 6, 6])]).unwrap();
    let outputs = graph.outputs().iter().map(|v| shapes[v.index()].nchw());
    let sizes: Vec<[usize; 2]> = outputs.map(|[_, _, h, w]| [h, w]).collect();
    assert_eq!(sizes, [[12, 11], [6, 6], [12, 12], [13, 13], [13, 13]]);
    let found = report(&reports, "padding");
    let applied = [
        ("center", "fused into 'to size'"),
        ("crop", "fused into 'up'"),
    ];
    assert_remarks(&found.applied, &applied);
    let refused = [("larger", "an output"), ("crop2", "an output")];
    assert_remarks(&found.refused, &refused);
}
