//! Values are those of the ONNX specification; they have been compared with ONNX Runtime.

mod arranging;
mod hostile;
mod making;
mod numbers;
mod reducing;

use super::super::host::{HostData, HostTensor};
use super::super::node::OnnxNode;
use super::super::proto::{AttributeProto, NodeProto, TensorProto};
use super::{can_evaluate, evaluate};

/// A node of one version, with its attributes.
struct Case {
    proto: NodeProto,
    opset: i64,
}

fn node(op_type: &str, opset: i64) -> Case {
    let proto = NodeProto {
        op_type: op_type.to_owned(),
        output: vec!["y".to_owned()],
        ..NodeProto::default()
    };
    Case { proto, opset }
}

impl Case {
    fn with(mut self, name: &str, set: impl FnOnce(&mut AttributeProto)) -> Self {
        let mut attribute = AttributeProto {
            name: name.to_owned(),
            ..AttributeProto::default()
        };
        set(&mut attribute);
        self.proto.attribute.push(attribute);
        self
    }

    fn int(self, name: &str, value: i64) -> Self {
        self.with(name, |a| a.i = value)
    }

    fn ints(self, name: &str, values: &[i64]) -> Self {
        self.with(name, |a| a.ints = values.to_vec())
    }

    fn float(self, name: &str, value: f32) -> Self {
        self.with(name, |a| a.f = value)
    }

    fn tensor(self, name: &str, value: TensorProto) -> Self {
        self.with(name, |a| a.t = Some(value))
    }

    fn outputs(mut self, count: usize) -> Self {
        self.proto.output = vec!["y".to_owned(); count];
        self
    }

    fn all(&self, inputs: &[Option<&HostTensor>]) -> Result<Vec<HostTensor>, String> {
        let node = OnnxNode {
            proto: &self.proto,
            opset: self.opset,
        };
        evaluate(node, inputs)
    }

    /// The only output.
    fn of(&self, inputs: &[&HostTensor]) -> HostTensor {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        let mut outputs = self.all(&inputs).unwrap();
        assert_eq!(outputs.len(), 1);
        outputs.remove(0)
    }

    fn error(&self, inputs: &[&HostTensor]) -> String {
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        self.all(&inputs).unwrap_err()
    }
}

fn ints(dims: &[usize], values: &[i64]) -> HostTensor {
    HostTensor::new(dims, HostData::Int(values.to_vec())).unwrap()
}

fn floats(dims: &[usize], values: &[f32]) -> HostTensor {
    HostTensor::new(dims, HostData::Float(values.to_vec())).unwrap()
}

fn bools(dims: &[usize], values: &[bool]) -> HostTensor {
    HostTensor::new(dims, HostData::Bool(values.to_vec())).unwrap()
}

fn list(values: &[i64]) -> HostTensor {
    HostTensor::ints(values)
}

fn scalar(value: i64) -> HostTensor {
    ints(&[], &[value])
}

/// 0, 1, 2 and so on.
fn counted(dims: &[usize]) -> HostTensor {
    let len = dims.iter().product::<usize>();
    ints(dims, &(0..len as i64).collect::<Vec<_>>())
}

#[track_caller]
fn assert_mentions(text: &str, part: &str) {
    assert!(text.contains(part), "{text}");
}

#[test]
fn inputs_and_outputs_are_counted() {
    assert!(can_evaluate("Add") && !can_evaluate("Conv"));
    let one = scalar(1);
    assert_mentions(&node("Conv", 13).error(&[]), "Conv is not evaluated");
    assert_mentions(&node("Add", 13).error(&[&one]), "input 'B' is missing");
    let text = node("Add", 13).error(&[&one, &one, &one]);
    assert_mentions(&text, "it has 3 inputs, and Add has at most 2");
    let text = node("Add", 13).outputs(2).error(&[&one, &one]);
    assert_mentions(&text, "it has 2 outputs, and Add computes 1");
    // Inputs that are left out at the end do not count.
    let clip = node("Clip", 13).all(&[Some(&one), None, None, None]);
    assert_eq!(clip.unwrap(), [one]);
}

/// What an exporter writes for `x.view(x.size(0), -1, x.size(2) // 2)`.
#[test]
fn shape_arithmetic() {
    let shape = list(&[2, 3, 8]);
    let size = |i| node("Gather", 13).of(&[&shape, &scalar(i)]);
    let half = node("Div", 13).of(&[&size(2), &scalar(2)]);
    let parts =
        [size(0), scalar(-1), half].map(|size| node("Unsqueeze", 13).of(&[&size, &list(&[0])]));
    let [a, b, c] = &parts;
    let joined = node("Concat", 13).int("axis", 0).of(&[a, b, c]);
    assert_eq!(joined, list(&[2, -1, 4]));
    let reshaped = node("Reshape", 13).of(&[&counted(&[2, 3, 8]), &joined]);
    assert_eq!(reshaped.dims(), [2, 6, 4]);
}
