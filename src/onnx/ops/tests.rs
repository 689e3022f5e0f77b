//! Operators on computed values, by the reference backend. ONNX's own cases are in `tests/onnx_cases.rs`.

use prost::Message;

use crate::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::onnx::{ImportedModel, OnnxModel};
use crate::reference::Reference;
use crate::tensor::{Shape, Tensor};

const FLOAT: i32 = 1;

fn node(op_type: &str, input: &[&str], output: &[&str], ints: &[(&str, i64)]) -> NodeProto {
    let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let attribute = ints.iter().map(|&(name, i)| AttributeProto {
        name: name.to_owned(),
        i,
        ..AttributeProto::default()
    });
    NodeProto {
        op_type: op_type.to_owned(),
        input: texts(input),
        output: texts(output),
        attribute: attribute.collect(),
        ..NodeProto::default()
    }
}

fn ints(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: 7,
        int64_data: values.to_vec(),
        name: name.to_owned(),
        ..TensorProto::default()
    }
}

fn value(name: &str) -> ValueInfoProto {
    let tensor_type = Some(TensorTypeProto {
        elem_type: FLOAT,
        shape: None,
    });
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { tensor_type }),
    }
}

/// The output `y` of a model with the input `x`.
fn run(
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    x: &Tensor,
) -> Result<(Shape, Vec<f32>), String> {
    let text = |error: crate::Error| error.to_string();
    let imported = import(nodes, constants, x)?;
    let reference = Reference::<f32>::new(&imported.graph, &imported.weights).map_err(text)?;
    let outputs = reference.run(std::slice::from_ref(x)).map_err(text)?;
    Ok((outputs[0].shape().clone(), outputs[0].data().to_vec()))
}

fn import(
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    x: &Tensor,
) -> Result<ImportedModel, String> {
    let proto = ModelProto {
        graph: Some(GraphProto {
            node: nodes,
            initializer: constants,
            input: vec![value("x")],
            output: vec![value("y")],
            ..GraphProto::default()
        }),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: 18,
        }],
        ..ModelProto::default()
    };
    let text = |error: crate::Error| error.to_string();
    let model = OnnxModel::from_bytes("test.onnx", proto.encode_to_vec()).map_err(text)?;
    model.import(&[x.shape().clone()]).map_err(text)
}

fn counting(dims: &[usize]) -> Tensor {
    Tensor::from_fn(Shape::from(dims), |i| i as f32)
}

#[test]
fn products_of_a_value_with_its_transpose() {
    let x = counting(&[2, 3]);
    let nodes = vec![
        node("Transpose", &["x"], &["t"], &[]),
        node("MatMul", &["x", "t"], &["y"], &[]),
    ];
    let expected = (Shape::from([2, 2]), vec![5.0, 14.0, 14.0, 50.0]);
    assert_eq!(run(nodes, Vec::new(), &x), Ok(expected));
    // Each of two rows with each of three, of any rank.
    let nodes = vec![
        node("Unsqueeze", &["x", "first"], &["a"], &[]),
        node("Unsqueeze", &["x", "last"], &["b"], &[]),
        node("MatMul", &["a", "b"], &["y"], &[]),
    ];
    let constants = vec![ints("first", &[2], &[0, 2]), ints("last", &[1], &[2])];
    let (shape, _) = run(nodes, constants, &counting(&[2, 3])).unwrap();
    // [1, 2, 1, 3] and [2, 3, 1].
    assert_eq!(shape, Shape::from([1, 2, 1, 1]));
}

#[test]
fn products_that_do_not_fit_are_refused() {
    let nodes = vec![node("MatMul", &["x", "x"], &["y"], &[])];
    let error = run(nodes, Vec::new(), &counting(&[2, 3])).unwrap_err();
    assert!(error.contains("[2, 3] and [2, 3] do not fit"), "{error}");
}

/// Indices of maxima are integers, and so is their quotient; that of floating-point numbers is not.
#[test]
fn integers_are_divided_as_such() {
    let x = Tensor::new([1, 6], vec![0.0, 0.0, 0.0, 0.0, 0.0, 9.0]).unwrap();
    let divide = |input: &str| {
        vec![
            node("ArgMax", &["x"], &["i"], &[("axis", 1)]),
            node("Cast", &["i"], &["f"], &[("to", i64::from(FLOAT))]),
            node("Identity", &["i"], &["same"], &[]),
            node("Cast", &["two"], &["float"], &[("to", i64::from(FLOAT))]),
            node(
                "Div",
                &[input, if input == "f" { "float" } else { "two" }],
                &["y"],
                &[],
            ),
        ]
    };
    let constants = || vec![ints("two", &[], &[2])];
    let found = |input: &str| run(divide(input), constants(), &x).unwrap().1;
    assert_eq!(found("same"), [2.0]);
    assert_eq!(found("f"), [2.5]);
}

#[test]
fn the_last_of_equal_maxima() {
    let x = Tensor::new([5], vec![1.0, 3.0, 3.0, 0.0, 3.0]).unwrap();
    let index = |last: i64| {
        let settings = [("select_last_index", last), ("keepdims", 0)];
        let nodes = vec![node("ArgMax", &["x"], &["y"], &settings)];
        run(nodes, Vec::new(), &x)
    };
    assert_eq!(index(0), Ok((Shape::from([]), vec![1.0])));
    assert_eq!(index(1), Ok((Shape::from([]), vec![4.0])));
}

/// Any number of indices takes one node, and equally distant ones none.
#[test]
fn gathering_is_one_node() {
    let x = counting(&[2, 100]);
    let list: Vec<i64> = (0..90).map(|i| i * i % 100).collect();
    let nodes = vec![node("Gather", &["x", "list"], &["y"], &[("axis", 1)])];
    let (shape, found) = run(nodes, vec![ints("list", &[9, 10], &list)], &x).unwrap();
    assert_eq!(shape, Shape::from([2, 9, 10]));
    for (i, &index) in list.iter().enumerate() {
        assert_eq!(found[i], index as f32);
        assert_eq!(found[90 + i], 100.0 + index as f32);
    }
    let nodes = vec![node("Gather", &["x", "list"], &["y"], &[("axis", 1)])];
    let error = run(nodes, vec![ints("list", &[1], &[100])], &x).unwrap_err();
    assert!(error.contains("index 100 is not one of 100"), "{error}");
}

/// Of several updates of an element the last one counts; with a reduction, all do.
#[test]
fn scattering_to_the_same_element() {
    let x = counting(&[4]);
    let scatter = || {
        vec![
            node("Slice", &["x", "one", "four"], &["updates"], &[]),
            node("ScatterElements", &["x", "at", "updates"], &["y"], &[]),
        ]
    };
    let constants = || {
        vec![
            ints("one", &[1], &[1]),
            ints("four", &[1], &[4]),
            ints("at", &[3], &[0, -4, 2]),
        ]
    };
    let found = run(scatter(), constants(), &x).unwrap().1;
    assert_eq!(found, [2.0, 1.0, 3.0, 3.0]);
    let mut nodes = scatter();
    nodes[1].attribute.push(AttributeProto {
        name: "reduction".to_owned(),
        s: "add".into(),
        ..AttributeProto::default()
    });
    let found = run(nodes, constants(), &x).unwrap().1;
    assert_eq!(found, [3.0, 1.0, 5.0, 3.0]);
}

/// No empty value reaches the graph.
#[test]
fn empty_parts_are_left_out() {
    let x = counting(&[2, 3]);
    let nodes = vec![
        node("Split", &["x", "sizes"], &["a", "b", "c"], &[("axis", 1)]),
        node("Concat", &["c", "b", "a"], &["y"], &[("axis", 1)]),
    ];
    let found = run(nodes, vec![ints("sizes", &[3], &[1, 0, 2])], &x);
    let expected = vec![1.0, 2.0, 0.0, 4.0, 5.0, 3.0];
    assert_eq!(found, Ok((Shape::from([2, 3]), expected)));
}

/// The sum of exponentials neither overflows nor vanishes.
#[test]
fn logarithms_of_sums_of_exponentials() {
    let x = Tensor::new([2, 2], vec![1000.0, 1000.0, -1000.0, f32::NEG_INFINITY]).unwrap();
    let settings = [("keepdims", 0)];
    let nodes = vec![node("ReduceLogSumExp", &["x", "axis"], &["y"], &settings)];
    let found = run(nodes, vec![ints("axis", &[1], &[1])], &x).unwrap().1;
    assert_eq!(found, [1000.0 + std::f32::consts::LN_2, -1000.0]);
}

/// Quantized and back, of the type of the zero point: bytes with one, signed bytes with the other.
#[test]
fn quantized_and_back() {
    let x = Tensor::new([1, 6], vec![-300.0, -0.75, 0.25, 0.75, 63.0, 300.0]).unwrap();
    let quantize = |inputs: &[&str], back: bool| {
        let mut nodes = vec![node("QuantizeLinear", inputs, &["q"], &[])];
        let mut from = inputs.to_vec();
        from[0] = "q";
        nodes.push(match back {
            true => node("DequantizeLinear", &from, &["y"], &[]),
            false => node("Identity", &["q"], &["y"], &[]),
        });
        nodes
    };
    let byte = |name: &str, data_type: i32, value: i32| TensorProto {
        data_type,
        int32_data: vec![value],
        name: name.to_owned(),
        ..TensorProto::default()
    };
    let scale = |dims: &[i64], values: &[f32]| TensorProto {
        dims: dims.to_vec(),
        data_type: FLOAT,
        float_data: values.to_vec(),
        name: "scale".to_owned(),
        ..TensorProto::default()
    };
    let half = || scale(&[], &[0.5]);
    let found =
        |inputs: &[&str], back, constants| run(quantize(inputs, back), constants, &x).unwrap().1;
    assert_eq!(
        found(&["x", "scale"], false, vec![half()]),
        [0.0, 0.0, 0.0, 2.0, 126.0, 255.0]
    );
    let signed = || vec![half(), byte("zero", 3, -3)];
    assert_eq!(
        found(&["x", "scale", "zero"], false, signed()),
        [-128.0, -5.0, -3.0, -1.0, 123.0, 127.0]
    );
    assert_eq!(
        found(&["x", "scale", "zero"], true, signed()),
        [-62.5, -1.0, 0.0, 1.0, 63.0, 65.0]
    );
    // The two are one function, whose gradient is known.
    let model = import(quantize(&["x", "scale", "zero"], true), signed(), &x).unwrap();
    let kinds: Vec<&str> = (model.graph.nodes().iter())
        .map(|node| node.op().as_operator().kind())
        .collect();
    assert_eq!(kinds, ["Input", "FakeQuantize"]);

    // One scale for each column.
    let scales = vec![scale(&[6], &[1.0, 0.5, 0.5, 0.25, 1.0, 2.0])];
    assert_eq!(
        found(&["x", "scale"], true, scales),
        [0.0, 0.0, 0.0, 0.75, 63.0, 300.0]
    );
    // A constant, on the host.
    let constants = || {
        vec![
            half(),
            byte("zero", 3, -3),
            TensorProto {
                name: "w".to_owned(),
                ..scale(&[1, 6], x.data())
            },
        ]
    };
    let mut nodes = quantize(&["w", "scale", "zero"], true);
    nodes[1].output[0] = "back".to_owned();
    nodes.push(node("Sub", &["x", "back"], &["y"], &[]));
    let found = run(nodes, constants(), &x).unwrap().1;
    assert_eq!(found, [-237.5, 0.25, 0.25, -0.25, 0.0, 235.0]);
    // Of a type that is not whole numbers.
    let error = run(
        quantize(&["x", "scale", "zero"], true),
        vec![half(), byte("zero", 17, 0)],
        &x,
    );
    let error = error.unwrap_err();
    assert!(error.contains("float8e4m3fn is not supported"), "{error}");
}
