use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use super::*;
use crate::graph::{Activation, Conv2d, GraphBuilder, Linear, Softmax, ValueId};
use crate::onnx::OnnxModel;
use crate::plan::PlanReport;
use crate::reference::Reference;
use crate::session::SessionOptions;
use crate::tensor::Tensor;
use crate::weights::generate::generated_inputs;
use crate::zoo::{self, ZooOptions};

mod operators;

/// Writes the file of `export` without the weights' elements, which are zeros that take no space.
fn write_sparse(export: &OnnxExport, path: &Path) {
    let written = export.graph().unwrap();
    let layout =
        file::OnnxLayout::new(&export.model(), &written.graph, &written.parameters).unwrap();
    let mut out = File::create(path).unwrap();
    layout
        .write_to(
            &mut out,
            &written.parameters,
            |error| panic!("{error}"),
            |out, parameter| {
                let bytes = file::elements_bytes(parameter).try_into().unwrap();
                out.seek(SeekFrom::Current(bytes)).unwrap();
                Ok(())
            },
        )
        .unwrap();
    let end = out.stream_position().unwrap();
    assert_eq!(end, layout.bytes());
    out.set_len(end).unwrap();
    out.flush().unwrap();
}

fn dispatches(graph: &Graph, shapes: &[Shape]) -> Vec<String> {
    let report = PlanReport::assumed(
        wgpu::Limits::default(),
        graph,
        shapes,
        &SessionOptions::default(),
    );
    let steps = report.unwrap().steps;
    let steps = steps.iter();
    steps
        .map(|step| format!("{} ({})", step.name, step.shader))
        .collect()
}

#[test]
fn networks_of_the_zoo_read_back_to_the_same_number_of_dispatches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    for architecture in zoo::architectures() {
        let options = ZooOptions::default();
        let graph = architecture.build(&options).unwrap();
        let shapes = architecture.input_shapes(1, &options);
        let weights = Weights::generated(&graph, 1.0);
        write_sparse(&OnnxExport::new(&graph, &weights, &shapes), &path);
        // SAFETY: nothing else changes the file while the model exists.
        let model = unsafe { OnnxModel::open_mmap(&path) }.unwrap();
        let imported = model.import(&shapes).unwrap();
        let (expected, found) = (
            dispatches(&graph, &shapes),
            dispatches(&imported.graph, &shapes),
        );
        assert_eq!(
            found.len(),
            expected.len(),
            "{}: {found:#?}, {expected:#?}",
            architecture.name
        );
        // A factor for each channel reads back as a batch norm, which has a bias too.
        let biases = graph.nodes().iter().map(|node| match node.op() {
            Op::LayerScale(op) => op.channels as u64,
            _ => 0,
        });
        assert_eq!(
            imported.graph.parameter_count(),
            graph.parameter_count() + biases.sum::<u64>(),
            "{}",
            architecture.name
        );
    }
}

/// The model that `export` writes.
fn exported(export: OnnxExport) -> OnnxModel {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    export.write(&path).unwrap();
    OnnxModel::open(path).unwrap()
}

fn outputs(graph: &Graph, weights: &Weights, inputs: &[Tensor]) -> Vec<Tensor> {
    let reference: Reference = Reference::new(graph, weights).unwrap();
    reference.run(inputs).unwrap()
}

/// Checks that `model` returns the same as `graph` with generated weights.
#[track_caller]
fn assert_same(name: &str, model: &OnnxModel, graph: &Graph, inputs: &[Tensor]) {
    let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape().clone()).collect();
    let expected = outputs(graph, &Weights::generated(graph, 1.0), inputs);
    let imported = model.import(&shapes);
    let imported = imported.unwrap_or_else(|error| panic!("{name}: {}", error.report()));
    let found = outputs(&imported.graph, &imported.weights, inputs);
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found.shape(), expected.shape(), "{name}");
        let magnitudes = expected.data().iter().filter(|x| x.is_finite());
        let largest = magnitudes.fold(1e-3_f32, |largest, x| largest.max(x.abs()));
        for (i, (a, b)) in found.data().iter().zip(expected.data()).enumerate() {
            let is_same = a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-5 * largest;
            assert!(is_same, "{name}: element {i} is {a}, {b} was expected");
        }
    }
}

#[test]
fn small_networks_compute_the_same() {
    for name in ["mlp", "small_cnn", "small_cnn_separable"] {
        let architecture = zoo::find(name).unwrap();
        let options = ZooOptions::default();
        let graph = architecture.build(&options).unwrap();
        let shapes = architecture.input_shapes(1, &options);
        let weights = Weights::generated(&graph, 1.0);
        let model = exported(OnnxExport::new(&graph, &weights, &shapes));
        assert_same(name, &model, &graph, &generated_inputs(&shapes));
    }
}

/// A graph of `layers` over an image with 3 channels, of any size.
fn image_graph(layers: impl FnOnce(&mut GraphBuilder, ValueId) -> Vec<ValueId>) -> Graph {
    let mut b = GraphBuilder::new("g");
    let x = b.image_input("input", 3);
    for output in layers(&mut b, x) {
        b.output(output);
    }
    b.build().unwrap()
}

fn dims(value: &crate::onnx::OnnxValue) -> String {
    let dims = value.dims.as_ref().unwrap().iter();
    dims.map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn extents_are_free_where_the_graph_takes_any() {
    let conv = |b: &mut GraphBuilder, x| b.conv2d("conv", x, Conv2d::new(3, 4, 3).padding(1));
    let free = image_graph(|b, x| {
        let x = conv(b, x);
        let pooled = b.adaptive_avg_pool2d("pool", x, crate::graph::AdaptiveAvgPool2d::new(1, 1));
        vec![x, b.flatten("flatten", pooled)]
    });
    let fixed = image_graph(|b, x| {
        let x = conv(b, x);
        let x = b.flatten("flatten", x);
        vec![b.linear("fc", x, Linear::new(4 * 6 * 8, 5))]
    });
    let one = image_graph(|b, x| {
        let shape = Shape::from([1, 3, 6, 8]);
        let op = crate::graph::Rearrange::transpose(&shape, &[0, 1, 3, 2]).unwrap();
        vec![b.node("transpose", op, &[x])]
    });
    let shapes = [Shape::from([1, 3, 6, 8])];
    let check = |graph: &Graph, input: &str, outputs: &[&str]| {
        let weights = Weights::generated(graph, 1.0);
        let model = exported(OnnxExport::new(graph, &weights, &shapes));
        assert_eq!(dims(&model.inputs()[0]), input);
        assert_eq!(
            model.outputs().iter().map(dims).collect::<Vec<_>>(),
            outputs
        );
        model
    };
    let model = check(&free, "batch 3 height width", &["batch 4 ? ?", "batch 4"]);
    let larger = [Shape::from([2, 3, 9, 5])];
    assert_same("free", &model, &free, &generated_inputs(&larger));
    check(&fixed, "batch 3 6 8", &["batch 5"]);
    check(&one, "1 3 6 8", &["1 3 8 6"]);
}

#[test]
fn outputs_have_nodes_of_their_own() {
    let graph = image_graph(|b, x| {
        let a = b.activation("relu", x, Activation::Relu);
        let dropped = b.dropout("drop", a);
        let again = b.dropout("again", x);
        let softmax = b.node("softmax", Softmax, &[a]);
        vec![a, a, dropped, again, x, softmax]
    });
    let shapes = [Shape::from([1, 3, 2, 2])];
    let weights = Weights::generated(&graph, 1.0);
    let model = exported(OnnxExport::new(&graph, &weights, &shapes));
    let names: Vec<&str> = model.outputs().iter().map(|output| &*output.name).collect();
    assert_eq!(
        names,
        [
            "relu",
            "relu/Identity",
            "drop",
            "again",
            "input/Identity",
            "softmax"
        ]
    );
    assert_eq!(model.metadata("task"), None);
}

#[test]
fn weights_are_stored_as_float16_where_asked() {
    let graph = image_graph(|b, x| vec![b.conv2d("conv", x, Conv2d::new(3, 4, 3))]);
    let shapes = [Shape::from([1, 3, 5, 5])];
    let weights = Weights::generated(&graph, 1.0);
    let model = exported(
        OnnxExport::new(&graph, &weights, &shapes)
            .matrices(Dtype::F16)
            .metadata("task", "classification"),
    );
    assert_eq!(model.metadata("task"), Some("classification"));
    let rounded = weights
        .read("conv.weight")
        .unwrap()
        .iter()
        .map(|x| half::f16::from_f32(*x).to_f32())
        .collect();
    let tensors = [
        (
            "conv.weight".to_owned(),
            Tensor::new([4, 3, 3, 3], rounded).unwrap(),
        ),
        (
            "conv.bias".to_owned(),
            Tensor::new([4], weights.read("conv.bias").unwrap().into_owned()).unwrap(),
        ),
    ];
    let input = generated_inputs(&shapes);
    let expected = outputs(&graph, &Weights::from_tensors("rounded", tensors), &input);
    let imported = model.import(&shapes).unwrap();
    assert_eq!(
        outputs(&imported.graph, &imported.weights, &input),
        expected
    );
    let export = OnnxExport::new(&graph, &weights, &shapes).matrices(Dtype::Bf16);
    let error = export.write("never.onnx").unwrap_err();
    assert!(error.to_string().contains("bfloat16 was given"), "{error}");
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let graph = image_graph(|b, x| {
        let op = crate::graph::ActivationBackward(Activation::Relu);
        vec![b.node("back", op, &[x, x])]
    });
    let shapes = [Shape::from([1, 3, 5, 5])];
    let weights = Weights::generated(&graph, 1.0);
    let error = OnnxExport::new(&graph, &weights, &shapes)
        .write("never.onnx")
        .unwrap_err();
    assert!(error.to_string().contains("back"), "{error}");
    assert!(error.to_string().contains("gradient"), "{error}");

    let layer = |b: &mut GraphBuilder, x| {
        let x = b.flatten("flatten", x);
        vec![b.linear("fc", x, Linear::new(3 * 200 * 200, 5_000))]
    };
    let graph = image_graph(layer);
    let shapes = [Shape::from([1, 3, 200, 200])];
    let weights = Weights::generated(&graph, 1.0);
    let error = OnnxExport::new(&graph, &weights, &shapes)
        .write("never.onnx")
        .unwrap_err();
    assert!(error.to_string().contains("2147483647"), "{error}");
    assert!(!Path::new("never.onnx").exists());
}
