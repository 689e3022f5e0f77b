//! Networks in ONNX files.
#![cfg(feature = "onnx")]

#[path = "common/devices.rs"]
mod devices;
#[allow(dead_code)]
#[path = "common/onnx_file.rs"]
mod onnx_file;
#[path = "common/place.rs"]
mod place;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use onnx_file::{
    Entry, FLOAT, Graph, INT64, Initializer, Kind, Model, Node, OnnxFile, Opset, TensorKind, Value,
};
use prost::Message;
use shadernet::device::Device;
use shadernet::onnx::{OnnxDim, OnnxModel, OnnxSupport};
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;

/// The largest difference, as a part of the largest magnitude of an output.
const TOLERANCE: f64 = 1e-4;
/// The difference that is always allowed: ONNX Runtime's sigmoid is off by up to 3e-7, which is 0.7 % of YuNet's
/// largest objectness on noise.
const ALWAYS_ALLOWED: f64 = 1e-6;

fn file(name: &str) -> PathBuf {
    place::repository().join("tests/onnx").join(name)
}

/// Compares a model's outputs on a generated input with those in the expected file, on every device.
fn check(name: &str, dims: &[usize]) {
    let model = OnnxModel::open(file(&format!("{name}.onnx"))).unwrap();
    let label: Vec<String> = dims.iter().map(ToString::to_string).collect();
    let expected = file(&format!("{name}.{}.expected.safetensors", label.join("x")));
    let expected = Weights::open(expected).unwrap();
    let shapes = [Shape::from(dims)];
    let imported = model.import(&shapes).unwrap();
    let weights = Arc::new(imported.weights);
    for (device_name, device) in devices::all_devices() {
        let options = SessionOptions::default();
        let mut session =
            Session::new(&device, &imported.graph, weights.clone(), &options, &shapes).unwrap();
        let outputs = session.run(&[generated_input(dims.to_vec())]).unwrap();
        assert_eq!(outputs.len(), expected.names().len());
        for (output, found) in model.outputs().iter().zip(&outputs) {
            assert_eq!(Some(found.shape()), expected.shape(&output.name));
            let expected = expected.read(&output.name).unwrap();
            let largest = expected
                .iter()
                .fold(0.0_f64, |largest, x| largest.max(f64::from(x.abs())));
            let pairs = found.data().iter().zip(expected.iter());
            let difference = pairs.map(|(a, b)| f64::from((a - b).abs()));
            let difference = difference.fold(0.0, f64::max);
            let allowed = ALWAYS_ALLOWED.max(TOLERANCE * largest);
            assert!(
                difference < allowed,
                "{device_name}, {}: {difference:e}",
                output.name
            );
        }
    }
}

#[test]
fn fastestdet_is_as_in_onnx_runtime() {
    check("FastestDet", &[1, 3, 352, 352]);
}

#[test]
fn ultraface_is_as_in_onnx_runtime() {
    check("RFB-320", &[1, 3, 240, 320]);
}

#[test]
fn yunet_is_as_in_onnx_runtime_for_any_size() {
    check("yunet_n_dynamic", &[1, 3, 160, 192]);
    check("yunet_n_dynamic", &[2, 3, 96, 64]);
}

#[test]
fn a_model_lists_what_it_has() {
    let model = OnnxModel::open(file("yunet_n_dynamic.onnx")).unwrap();
    assert_eq!(model.opset(), 11);
    let [input] = model.inputs() else {
        panic!("{:?}", model.inputs());
    };
    assert_eq!(input.name, "input");
    let dims = input.dims.as_ref().unwrap();
    assert_eq!(dims[1], OnnxDim::Fixed(3));
    assert!(matches!(dims[2], OnnxDim::Free(Some(_))), "{dims:?}");
    let operators = model.operators();
    assert!(operators.iter().all(|operator| operator.support.is_some()));
    let conv = operators
        .iter()
        .find(|operator| operator.name == "Conv")
        .unwrap();
    assert_eq!(
        (conv.nodes.len(), conv.support),
        (59, Some(OnnxSupport::Device))
    );
    assert!(model.parameter_count() > 70_000);
    let error = model
        .import(&[Shape::from([1, 4, 32, 32])])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("input 'input' is [") && error.contains("[1, 4, 32, 32] was given"),
        "{error}"
    );
}

fn value(name: &str) -> Value {
    let tensor = Some(TensorKind {
        element: FLOAT,
        shape: None,
    });
    Value {
        name: name.to_owned(),
        kind: Some(Kind { tensor }),
    }
}

fn node(op_type: &str, input: &[&str], output: &str) -> Node {
    Node {
        input: input.iter().map(ToString::to_string).collect(),
        output: vec![output.to_owned()],
        name: format!("the {op_type}"),
        op_type: op_type.to_owned(),
        ..Node::default()
    }
}

/// `y = x + w`, with a weight of 3 elements.
fn small() -> Model {
    let weight = Initializer {
        dims: vec![3],
        data_type: FLOAT,
        name: "w".to_owned(),
        raw: [1.0_f32, 2.0, 3.0]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect(),
        ..Initializer::default()
    };
    let graph = Graph {
        node: vec![node("Add", &["x", "w"], "y")],
        initializer: vec![weight],
        input: vec![value("x")],
        output: vec![value("y")],
    };
    let opset = Opset {
        domain: String::new(),
        version: 17,
    };
    Model {
        graph: Some(graph),
        opset: vec![opset],
        metadata: Vec::new(),
    }
}

/// The small model with a change.
fn changed(change: impl FnOnce(&mut Model)) -> Vec<u8> {
    let mut proto = small();
    change(&mut proto);
    proto.encode_to_vec()
}

fn graph(proto: &mut Model) -> &mut Graph {
    proto.graph.as_mut().unwrap()
}

/// Opens and imports a model for an input of `[2, 3]`.
fn import(bytes: Vec<u8>) -> Result<Vec<f32>, String> {
    let model = OnnxModel::from_bytes("bad.onnx", bytes).map_err(|error| error.to_string())?;
    let shapes = [Shape::from([2, 3])];
    let imported = model.import(&shapes).map_err(|error| error.to_string())?;
    let options = SessionOptions::default();
    let mut session = Session::new(
        &Device::reference(),
        &imported.graph,
        imported.weights,
        &options,
        &shapes,
    )
    .unwrap();
    let outputs = session.run(&[Tensor::zeros([2, 3])]).unwrap();
    Ok(outputs[0].data().to_vec())
}

#[test]
fn the_small_model_computes() {
    assert_eq!(
        import(changed(|_| {})).unwrap(),
        [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
    );
    // Nodes in any order.
    let swapped = changed(|proto| {
        graph(proto).node = vec![node("Relu", &["sum"], "y"), node("Add", &["x", "w"], "sum")];
    });
    assert_eq!(import(swapped).unwrap(), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
}

/// A scale and a shift are folded into a batch normalization before them, unless something else reads it.
#[test]
fn scales_after_batch_norms_are_folded() {
    let floats = |name: &str, values: &[f32]| Initializer {
        dims: vec![values.len() as i64],
        data_type: FLOAT,
        name: name.to_owned(),
        raw: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ..Initializer::default()
    };
    for is_shared in [false, true] {
        let bytes = changed(|proto| {
            let graph = graph(proto);
            graph.initializer = vec![
                floats("mean", &[0.0, 0.0, 0.0]),
                floats("variance", &[1.0, 1.0, 1.0]),
                floats("weight", &[1.0, 2.0, 3.0]),
                floats("bias", &[1.0, 1.0, 1.0]),
                floats("scale", &[2.0, 2.0, 2.0]),
                floats("shift", &[0.5, 0.25, 0.0]),
                floats("zero", &[0.0, 0.0, 0.0]),
            ];
            let norm = ["x", "weight", "bias", "mean", "variance"];
            graph.node = vec![
                node("BatchNormalization", &norm, "n"),
                node("Mul", &["n", "scale"], "m"),
                node("Add", &["m", "shift"], "sum"),
                node("Sub", &["sum", if is_shared { "n" } else { "zero" }], "y"),
            ];
        });
        let model = OnnxModel::from_bytes("norm.onnx", bytes.clone()).unwrap();
        let nodes = model
            .import(&[Shape::from([2, 3])])
            .unwrap()
            .graph
            .nodes()
            .len();
        // The input, the batch normalization, and where it is shared the scale with the shift, and the difference.
        assert_eq!(nodes, if is_shared { 4 } else { 2 });
        let expected = match is_shared {
            true => [1.5, 1.25, 1.0],
            false => [2.5, 2.25, 2.0],
        };
        for (found, expected) in import(bytes).unwrap().iter().zip(expected.iter().cycle()) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }
}

/// A normalization that is written out, with its scale and shift, is one node.
#[test]
fn written_out_normalizations_are_found() {
    let floats = |name: &str, dims: &[i64], values: &[f32]| Initializer {
        dims: dims.to_vec(),
        data_type: FLOAT,
        name: name.to_owned(),
        raw: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ..Initializer::default()
    };
    // The reduction's axes are an input from opset 18 on.
    let written = |difference: &str, squares: Node| {
        vec![
            node("ReduceMean", &["x", "axes"], "m"),
            node("Sub", &["x", "m"], "d"),
            node("Sub", &["x", "m"], "again"),
            squares,
            node("ReduceMean", &["q", "axes"], "v"),
            node("Add", &["v", "eps"], "a"),
            node("Sqrt", &["a"], "s"),
            node("Div", &[difference, "s"], "n"),
            node("Mul", &["n", "scale"], "w"),
            node("Add", &["w", "shift"], "y"),
        ]
    };
    let power = || node("Pow", &["d", "two"], "q");
    let product = || node("Mul", &["d", "d"], "q");
    let not_square = || node("Mul", &["d", "x"], "q");
    for (nodes, is_norm) in [
        (written("d", power()), true),
        (written("again", power()), true),
        (written("d", product()), true),
        (written("d", not_square()), false),
    ] {
        let bytes = changed(|proto| {
            proto.opset[0].version = 18;
            let graph = graph(proto);
            let axes = Initializer {
                dims: vec![1],
                data_type: INT64,
                name: "axes".to_owned(),
                raw: 1_i64.to_le_bytes().to_vec(),
                ..Initializer::default()
            };
            graph.initializer = vec![
                axes,
                floats("eps", &[], &[0.5]),
                floats("two", &[], &[2.0]),
                floats("scale", &[3], &[1.0, 2.0, 3.0]),
                floats("shift", &[3], &[0.0, 1.0, -1.0]),
            ];
            graph.node = nodes;
        });
        let model = OnnxModel::from_bytes("norm.onnx", bytes).unwrap();
        let shapes = [Shape::from([2, 3])];
        let imported = model.import(&shapes).unwrap();
        let weights = Arc::new(imported.weights);
        let nodes = imported.graph.nodes().iter();
        let kinds: Vec<&str> = nodes.map(|n| n.op().as_operator().kind()).collect();
        assert_eq!(kinds == ["Input", "LayerNorm"], is_norm, "{kinds:?}");
        if !is_norm {
            continue;
        }
        let input = Tensor::new([2, 3], vec![1.0, 2.0, 6.0, -3.0, -3.0, 0.0]).unwrap();
        for (name, device) in devices::all_devices() {
            let options = SessionOptions::default();
            let weights = weights.clone();
            let mut session =
                Session::new(&device, &imported.graph, weights, &options, &shapes).unwrap();
            let found = session.run(std::slice::from_ref(&input)).unwrap();
            // Means 3 and -2, variances 14/3 and 2.
            let (a, b) = ((31.0_f32 / 6.0).sqrt(), 2.5_f32.sqrt());
            let expected = [
                -2.0 / a,
                -2.0 / a + 1.0,
                9.0 / a - 1.0,
                -1.0 / b,
                -2.0 / b + 1.0,
                6.0 / b - 1.0,
            ];
            for (found, expected) in found[0].data().iter().zip(expected) {
                let difference = (found - expected).abs();
                assert!(difference < 1e-5, "{name}: {found} {expected}");
            }
        }
    }
}

/// Activations that are written out in small operators are one node.
#[test]
fn written_out_activations_are_found() {
    let number = |name: &str, value: f32| Initializer {
        data_type: FLOAT,
        name: name.to_owned(),
        raw: value.to_le_bytes().to_vec(),
        ..Initializer::default()
    };
    let gelu = |order: [&str; 2]| {
        vec![
            node("Div", &["x", "root"], "d"),
            node("Erf", &["d"], "e"),
            node("Add", &["e", "one"], "f"),
            node("Mul", &order, "m"),
            node("Mul", &["m", "half"], "y"),
        ]
    };
    let cases = [
        (
            "SiLU",
            vec![node("Sigmoid", &["x"], "s"), node("Mul", &["x", "s"], "y")],
        ),
        (
            "Hardswish",
            vec![
                node("Add", &["x", "three"], "a"),
                node("Clip", &["a", "zero", "six"], "c"),
                node("Mul", &["x", "c"], "m"),
                node("Div", &["m", "six"], "y"),
            ],
        ),
        (
            "Hardswish",
            vec![
                node("Add", &["three", "x"], "a"),
                node("Clip", &["a", "zero", "six"], "c"),
                node("Div", &["c", "six"], "h"),
                node("Mul", &["h", "x"], "y"),
            ],
        ),
        ("GELU", gelu(["x", "f"])),
        ("GELU", gelu(["f", "x"])),
        (
            "GELU",
            vec![
                node("Mul", &["x", "half"], "h"),
                node("Div", &["x", "root"], "d"),
                node("Erf", &["d"], "e"),
                node("Add", &["e", "one"], "f"),
                node("Mul", &["h", "f"], "y"),
            ],
        ),
    ];
    for (kind, nodes) in cases {
        let bytes = changed(|proto| {
            let graph = graph(proto);
            let root = std::f32::consts::SQRT_2;
            let numbers = [
                ("zero", 0.0),
                ("one", 1.0),
                ("three", 3.0),
                ("six", 6.0),
                ("half", 0.5),
                ("root", root),
            ];
            graph.initializer = numbers.map(|(name, value)| number(name, value)).to_vec();
            graph.node = nodes;
        });
        let model = OnnxModel::from_bytes("pattern.onnx", bytes).unwrap();
        let shapes = [Shape::from([4])];
        let imported = model.import(&shapes).unwrap();
        let kinds: Vec<&str> = imported
            .graph
            .nodes()
            .iter()
            .map(|n| n.op().as_operator().kind())
            .collect();
        assert_eq!(kinds[1..], [kind]);
        let input = Tensor::new([4], vec![-4.0, -1.0, 0.5, 4.0]).unwrap();
        let options = SessionOptions::default();
        let session = Session::new(
            &Device::reference(),
            &imported.graph,
            imported.weights,
            &options,
            &shapes,
        );
        let found = session.unwrap().run(std::slice::from_ref(&input)).unwrap();
        let expected: [f32; 4] = match kind {
            "SiLU" => [-0.071_944_84, -0.268_941_43, 0.311_229_66, 3.928_055],
            "Hardswish" => [0.0, -0.333_333_34, 0.291_666_66, 4.0],
            _ => [-0.000_126_684_96, -0.158_655_26, 0.345_731_23, 3.999_873_4],
        };
        for (found, expected) in found[0].data().iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-5,
                "{kind}: {found} {expected}"
            );
        }
    }
}

/// Constants are of the type that they are cast to, before anything is computed of them.
#[test]
fn integers_that_are_cast_are_divided_as_floats() {
    let half = changed(|proto| {
        let mut one = graph(proto).initializer[0].clone();
        one.data_type = 7;
        one.dims = vec![1];
        one.raw = 1_i64.to_le_bytes().to_vec();
        one.name = "one".to_owned();
        graph(proto).initializer.push(one);
        graph(proto).node = vec![
            node("CastLike", &["one", "x"], "float"),
            node("Add", &["float", "float"], "two"),
            node("Div", &["float", "two"], "half"),
            node("Add", &["x", "half"], "y"),
        ];
    });
    assert_eq!(import(half).unwrap(), [0.5; 6]);
}

#[test]
fn bad_files_are_refused() {
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (Vec::new(), &["the file is empty"]),
        (b"not a model".to_vec(), &["an ONNX model was expected"]),
        (changed(|proto| proto.graph = None), &["holds no graph"]),
        (
            changed(|proto| proto.opset.clear()),
            &["which version of ONNX's operators"],
        ),
        (
            changed(|proto| proto.opset[0].version = 3),
            &["opset 3", "7 to "],
        ),
        (
            changed(|proto| proto.opset[0].version = 99),
            &["opset 99", "onnx.version_converter"],
        ),
        (
            changed(|proto| graph(proto).initializer[0].raw.truncate(10)),
            &["initializer 'w'", "12 bytes were expected", "found 10"],
        ),
        (
            changed(|proto| graph(proto).initializer[0].dims = vec![1 << 40, 1 << 40]),
            &["initializer 'w'", "is not possible"],
        ),
        (
            changed(|proto| graph(proto).initializer[0].dims = vec![1 << 40]),
            &["initializer 'w'", "4398046511104 bytes were expected"],
        ),
        (
            changed(|proto| graph(proto).initializer[0].dims = vec![-3]),
            &["initializer 'w'", "is not possible"],
        ),
        (
            changed(|proto| {
                graph(proto).node = vec![
                    node("Add", &["x", "b"], "a"),
                    node("Relu", &["a"], "b"),
                    node("Relu", &["b"], "y"),
                ];
            }),
            &["form a cycle", "'the Add' (Add)", "'the Relu' (Relu)"],
        ),
        (
            changed(|proto| graph(proto).node[0].input[1] = "gone".to_owned()),
            &["node 'the Add' (Add) reads 'gone'"],
        ),
        (
            changed(|proto| graph(proto).node.push(node("Relu", &["x"], "y"))),
            &["produces 'y'", "elsewhere too"],
        ),
        (
            changed(|proto| graph(proto).output.push(value("z"))),
            &["its output 'z'"],
        ),
        (
            changed(|proto| {
                graph(proto).node[0].domain = "my.domain".to_owned();
                graph(proto).node.push(node("Einsum", &["x"], "e"));
                graph(proto).node.push(node("Einsum", &["e"], "f"));
                graph(proto).output.push(value("f"));
                // No output depends on this one.
                graph(proto).node.push(node("Loop", &["x"], "g"));
            }),
            &[
                "operators that are not supported: Einsum (2: the Einsum, the Einsum); my.domain.Add (1: the Add)",
            ],
        ),
        (
            changed(|proto| graph(proto).initializer[0].location = 1),
            &["initializer 'w'", "given in memory"],
        ),
        (
            changed(|proto| graph(proto).initializer[0].data_type = 8),
            &["string"],
        ),
    ];
    for (bytes, parts) in cases {
        let error = import(bytes).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "'{part}' is not in: {error}");
        }
    }
    // Whatever a file ends within.
    let whole = changed(|_| {});
    for len in 0..whole.len() {
        let _ = import(whole[..len].to_vec());
    }
}

/// The small model with its weight in another file, called `location`.
fn with_external(
    folder: &Path,
    location: &str,
    entries: &[(&str, &str)],
) -> Result<OnnxModel, String> {
    let bytes = changed(|proto| {
        let weight = &mut graph(proto).initializer[0];
        weight.raw.clear();
        weight.location = 1;
        let location = [("location", location)];
        let entries = entries.iter().chain(&location);
        weight.external = (entries.map(|(key, value)| Entry {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        }))
        .collect();
    });
    let path = folder.join("model.onnx");
    std::fs::write(&path, bytes).unwrap();
    OnnxModel::open(path).map_err(|error| error.to_string())
}

#[test]
fn weights_in_other_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = [7.0_f32, 1.0, 2.0, 3.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    std::fs::write(folder.path().join("w.bin"), &data).unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("w.bin"), &data[4..]).unwrap();
    let open =
        |location: &str, entries: &[(&str, &str)]| with_external(folder.path(), location, entries);
    assert!(open("w.bin", &[("offset", "4"), ("length", "12")]).is_ok());
    assert!(open("inner/w.bin", &[]).is_ok());
    let fails = |location: &str, entries: &[(&str, &str)], part: &str| {
        let error = open(location, entries).unwrap_err();
        assert!(
            error.contains("initializer 'w'") && error.contains(part),
            "{error}"
        );
    };
    fails("w.bin", &[("offset", "8")], "12 bytes were expected");
    fails(
        "w.bin",
        &[("offset", "8"), ("length", "12")],
        "at 8 to 20 of 'w.bin', which has 16 bytes",
    );
    fails(
        "w.bin",
        &[("offset", "-4")],
        "offset: a whole number was expected",
    );
    fails(
        "w.bin",
        &[("offset", "18446744073709551615"), ("length", "12")],
        "beyond 2^64",
    );
    fails("gone.bin", &[], "'gone.bin', which is missing");
    // Outside the folder of the model in `inner`.
    let fails = |location: &str| {
        let error = with_external(&inner, location, &[]).unwrap_err();
        assert!(error.contains("outside the model's folder"), "{error}");
    };
    fails("../w.bin");
    fails(folder.path().join("w.bin").to_str().unwrap());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("w.bin"), inner.join("link.bin")).unwrap();
        fails("link.bin");
    }
}

/// Some files have no trained weights, but how large they are: these take no memory before they are used.
#[test]
fn large_weights_of_one_number_are_kept_as_such() {
    let model = OnnxFile::new()
        .input("x", &[Some(1), Some(20_000)])
        .ints("shape", &[30_000, 20_000])
        .node("ConstantOfShape", &["shape"], "w")
        .node_with("Gemm", &["x", "w"], "y", &[("transB", 1)])
        .output("y")
        .model();
    let imported = model.import(&[Shape::from([1, 20_000])]).unwrap();
    let shape = imported.weights.shape("y.weight").unwrap();
    assert_eq!(shape.dims(), [30_000, 20_000]);
    // What is computed of them is refused where it would fill the memory.
    let model = OnnxFile::new()
        .input("x", &[Some(1), Some(20_000)])
        .ints("shape", &[30_000, 20_000])
        .node("ConstantOfShape", &["shape"], "v")
        .node("Exp", &["v"], "w")
        .node_with("Gemm", &["x", "w"], "y", &[("transB", 1)])
        .output("y")
        .model();
    let error = model.import(&[Shape::from([1, 20_000])]).unwrap_err();
    assert!(error.to_string().contains("600000000 elements"), "{error}");
}
