//! Explanations of classifiers that are ONNX files.
#![cfg(feature = "onnx")]

#[allow(dead_code)]
#[path = "common/devices.rs"]
mod devices;
#[allow(dead_code)]
#[path = "common/onnx_file.rs"]
mod onnx_file;
#[path = "common/place.rs"]
mod place;

use std::fs;

use onnx_file::{OnnxFile, conv_net};
use shadernet::device::Device;
use shadernet::explain::{Completeness, ExplainMethod, ExplainOptions, Explainer};
use shadernet::model_folder::{ModelFolder, ModelOptions};
use shadernet::vision::{RgbImage, decode};

fn image(name: &str) -> RgbImage {
    decode(place::repository().join("tests/images").join(name)).unwrap()
}

/// A model folder of the bytes of an ONNX file that takes images of `size`, and the file.
fn model(bytes: Vec<u8>, size: [usize; 2]) -> (ModelFolder, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.onnx");
    fs::write(&path, bytes).unwrap();
    let options = ModelOptions {
        input_size: Some(size),
        ..ModelOptions::default()
    };
    (ModelFolder::open_with(&path, &options).unwrap(), folder)
}

/// Numbers in -0.5..0.5 without a pattern.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let number = |i: u64| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / (1 << 24) as f32;
    (0..count as u64)
        .map(|i| number(i * 2 + 1 + seed * 1_000) - 0.5)
        .collect()
}

/// A network of what newer classifiers consist of: a block of ConvNeXt (Liu et al. 2022), a focus of YOLOv5 (slices
/// with steps), squeeze-and-excite, attention between pixels, a group norm written as instance norm of a reshape, and
/// powers and norms of windows.
fn newer_layers() -> Vec<u8> {
    const C: i64 = 8;
    let list = |name: &'static str, values: &'static [i64]| [(name, values)];
    let mut file = OnnxFile::new()
        .input("image", &[None, Some(3), None, None])
        // Every second row and column.
        .ints("ends", &[1 << 40, 1 << 40])
        .ints("axes", &[2, 3])
        .ints("steps", &[2, 2])
        .ints("first", &[0, 0])
        .ints("second", &[1, 0])
        .node(
            "Slice",
            &["image", "first", "ends", "axes", "steps"],
            "even",
        )
        .node(
            "Slice",
            &["image", "second", "ends", "axes", "steps"],
            "odd",
        )
        .node_with("Concat", &["even", "odd"], "focus", &[("axis", 1)]);
    let weights: [(&str, &[i64]); 14] = [
        ("stem", &[C, 6, 3, 3]),
        ("depthwise", &[C, 1, 3, 3]),
        ("norm_scale", &[C]),
        ("norm_shift", &[C]),
        ("expand", &[C, 2 * C]),
        ("expand_bias", &[2 * C]),
        ("project", &[2 * C, C]),
        ("gamma", &[C, 1, 1]),
        ("squeeze", &[C, C, 1, 1]),
        ("groups_scale", &[C]),
        ("groups_shift", &[C]),
        ("query", &[C, C]),
        ("key", &[C, C]),
        ("classes", &[C, 5]),
    ];
    for (seed, (name, dims)) in (0..).zip(weights) {
        let count = dims.iter().product::<i64>() as usize;
        file = file.floats(name, dims, &values(count, seed));
    }
    file.node_lists("Conv", &["focus", "stem"], "x", &list("strides", &[2, 2]))
        // ConvNeXt.
        .node_attributes(
            "Conv",
            &["x", "depthwise"],
            "dw",
            &[("group", C)],
            &list("pads", &[1; 4]),
        )
        .node_lists("Transpose", &["dw"], "last", &list("perm", &[0, 2, 3, 1]))
        .node(
            "LayerNormalization",
            &["last", "norm_scale", "norm_shift"],
            "normal",
        )
        .node("MatMul", &["normal", "expand"], "wide")
        .node("Add", &["wide", "expand_bias"], "biased")
        .floats("root", &[], &[std::f32::consts::SQRT_2])
        .floats("half", &[], &[0.5])
        .floats("one", &[], &[1.0])
        .node("Div", &["biased", "root"], "scaled")
        .node("Erf", &["scaled"], "erf")
        .node("Add", &["erf", "one"], "above")
        .node("Mul", &["biased", "above"], "double")
        .node("Mul", &["double", "half"], "gelu")
        .node("MatMul", &["gelu", "project"], "narrow")
        .node_lists(
            "Transpose",
            &["narrow"],
            "back",
            &list("perm", &[0, 3, 1, 2]),
        )
        .node("Mul", &["back", "gamma"], "layer_scale")
        .node("Add", &["x", "layer_scale"], "block")
        // Squeeze-and-excite.
        .node("GlobalAveragePool", &["block"], "pooled")
        .node("Conv", &["pooled", "squeeze"], "squeezed")
        .node("HardSigmoid", &["squeezed"], "gate")
        .node("Mul", &["block", "gate"], "excited")
        // A group norm as PyTorch's exporter writes it.
        .ints("grouped_shape", &[0, 2, -1])
        .node("Reshape", &["excited", "grouped_shape"], "grouped")
        .floats("ones", &[2], &[1.0; 2])
        .floats("zeros", &[2], &[0.0; 2])
        .node(
            "InstanceNormalization",
            &["grouped", "ones", "zeros"],
            "standard",
        )
        .node("Shape", &["excited"], "shape")
        .node("Reshape", &["standard", "shape"], "ungrouped")
        .node("Add", &["ungrouped", "excited"], "both")
        .node("Elu", &["both"], "features")
        // Attention between pixels.
        .ints("rows_shape", &[0, C, -1])
        .node("Reshape", &["features", "rows_shape"], "columns")
        .node_lists("Transpose", &["columns"], "rows", &list("perm", &[0, 2, 1]))
        .node("MatMul", &["rows", "query"], "queries")
        .node("MatMul", &["rows", "key"], "keys")
        .node_lists("Transpose", &["keys"], "keys_t", &list("perm", &[0, 2, 1]))
        .node("MatMul", &["queries", "keys_t"], "logits")
        .node_with("Softmax", &["logits"], "attention", &[("axis", -1)])
        .node("MatMul", &["attention", "rows"], "attended")
        .node("Sin", &["attended"], "waves")
        .node("Add", &["rows", "waves"], "mixed")
        // Generalized mean and maximum over the pixels.
        .floats("three", &[], &[3.0])
        .node("Softplus", &["mixed"], "positive")
        .node("Pow", &["positive", "three"], "cubes")
        .node_attributes(
            "ReduceMean",
            &["cubes"],
            "mean",
            &[("keepdims", 0)],
            &list("axes", &[1]),
        )
        .node_attributes(
            "ReduceMax",
            &["mixed"],
            "most",
            &[("keepdims", 0)],
            &list("axes", &[1]),
        )
        .node("Sub", &["mean", "most"], "difference")
        .node("MatMul", &["difference", "classes"], "scores")
        .node("Softmax", &["scores"], "y")
        .output("y")
        .bytes()
}

#[test]
fn every_method_explains_an_onnx_classifier() {
    let (model, _folder) = model(conv_net(3, "Softmax", false), [40, 48]);
    let mut explainer = Explainer::new(&Device::cpu(), &model, &Default::default()).unwrap();
    for method in ExplainMethod::ALL {
        let options = ExplainOptions::new(method);
        let heat = explainer.explain(&image("chelsea.png"), &options).unwrap();
        assert!(!heat.is_empty(), "{method:?}");
    }
}

/// Gradients pass through all of them, on every backend. Those of integrated gradients add up to the difference of
/// scores that they explain, which they would not if one were wrong.
#[test]
fn newer_layers_are_explained() {
    let (model, _folder) = model(newer_layers(), [32, 48]);
    let picture = image("chelsea.png");
    let mut expected = Vec::new();
    for (name, device) in devices::all_devices().into_iter().rev() {
        let mut explainer = Explainer::new(&device, &model, &Default::default()).unwrap();
        let mut found = Vec::new();
        for options in [
            ExplainOptions::new(ExplainMethod::GradCam).layer("features"),
            ExplainOptions::new(ExplainMethod::IntegratedGradients { steps: None }),
        ] {
            let method = options.method;
            let explanations = explainer.explain(&picture, &options).unwrap();
            let explanation = &explanations[0];
            if let Some(completeness) = explanation.completeness {
                let error = completeness.error();
                assert!(error < Completeness::TOLERANCE, "{name}: {completeness:?}");
                assert!(
                    completeness.difference.abs() > 0.1,
                    "{name}: {completeness:?}"
                );
            }
            let heat = explanation.heat.values().to_vec();
            let most = heat.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(
                most > 0.0 && heat.iter().all(|x| x.is_finite()),
                "{name} {method:?}"
            );
            found.push(heat);
        }
        if expected.is_empty() {
            expected = found;
            continue;
        }
        for (found, expected) in found.iter().zip(&expected) {
            let most = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() < 1e-3 * most, "{name}: {a}, expected {b}");
            }
        }
    }
}
