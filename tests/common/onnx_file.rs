//! Writes small ONNX files.

use prost::Message;
use shadernet::onnx::OnnxModel;

#[derive(Clone, PartialEq, Message)]
pub struct Model {
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset: Vec<Opset>,
    #[prost(message, repeated, tag = "14")]
    pub metadata: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Opset {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Initializer>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, tag = "3")]
    pub i: i64,
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

impl Attribute {
    fn int(name: &str, i: i64) -> Self {
        Self {
            name: name.to_owned(),
            i,
            kind: 2,
            ..Self::default()
        }
    }

    fn list(name: &str, ints: &[i64]) -> Self {
        Self {
            name: name.to_owned(),
            ints: ints.to_vec(),
            kind: 7,
            ..Self::default()
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct Initializer {
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw: Vec<u8>,
    #[prost(message, repeated, tag = "13")]
    pub external: Vec<Entry>,
    #[prost(int32, tag = "14")]
    pub location: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Kind {
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorKind>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorKind {
    #[prost(int32, tag = "1")]
    pub element: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Dims>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dims {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dim {
    #[prost(int64, optional, tag = "1")]
    pub value: Option<i64>,
}

pub const FLOAT: i32 = 1;
pub const INT64: i32 = 7;

/// An ONNX file of opset 17 that is being made.
pub struct OnnxFile {
    graph: Graph,
    metadata: Vec<Entry>,
}

impl OnnxFile {
    pub fn new() -> Self {
        Self {
            graph: Graph::default(),
            metadata: Vec::new(),
        }
    }

    /// An input of floats; `None` is a free extent.
    pub fn input(mut self, name: &str, dims: &[Option<i64>]) -> Self {
        let dim = dims.iter().map(|&value| Dim { value }).collect();
        let tensor = TensorKind {
            element: FLOAT,
            shape: Some(Dims { dim }),
        };
        self.graph.input.push(Value {
            name: name.to_owned(),
            kind: Some(Kind {
                tensor: Some(tensor),
            }),
        });
        self
    }

    /// An output of floats, whose extents the file does not say.
    pub fn output(mut self, name: &str) -> Self {
        let tensor = TensorKind {
            element: FLOAT,
            shape: None,
        };
        self.graph.output.push(Value {
            name: name.to_owned(),
            kind: Some(Kind {
                tensor: Some(tensor),
            }),
        });
        self
    }

    pub fn ints(mut self, name: &str, values: &[i64]) -> Self {
        self.graph.initializer.push(Initializer {
            dims: vec![values.len() as i64],
            data_type: INT64,
            name: name.to_owned(),
            raw: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            ..Initializer::default()
        });
        self
    }

    pub fn floats(mut self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.graph.initializer.push(Initializer {
            dims: dims.to_vec(),
            data_type: FLOAT,
            name: name.to_owned(),
            raw: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            ..Initializer::default()
        });
        self
    }

    pub fn node(self, op_type: &str, inputs: &[&str], output: &str) -> Self {
        self.add(op_type, inputs, output, Vec::new())
    }

    /// A node with attributes that are integers.
    pub fn node_with(
        self,
        op_type: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, i64)],
    ) -> Self {
        self.node_attributes(op_type, inputs, output, attributes, &[])
    }

    /// A node with attributes that are lists of integers.
    pub fn node_lists(
        self,
        op_type: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, &[i64])],
    ) -> Self {
        self.node_attributes(op_type, inputs, output, &[], attributes)
    }

    /// A node with attributes that are integers, and others that are lists of them.
    pub fn node_attributes(
        self,
        op_type: &str,
        inputs: &[&str],
        output: &str,
        ints: &[(&str, i64)],
        lists: &[(&str, &[i64])],
    ) -> Self {
        let ints = ints.iter().map(|&(name, i)| Attribute::int(name, i));
        let lists = lists
            .iter()
            .map(|&(name, list)| Attribute::list(name, list));
        self.add(op_type, inputs, output, ints.chain(lists).collect())
    }

    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        self.metadata.push(Entry {
            key: key.to_owned(),
            value: value.to_owned(),
        });
        self
    }

    fn add(
        mut self,
        op_type: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<Attribute>,
    ) -> Self {
        self.graph.node.push(Node {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.to_owned()],
            op_type: op_type.to_owned(),
            attribute,
            ..Node::default()
        });
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        let model = Model {
            graph: Some(self.graph),
            opset: vec![Opset {
                domain: String::new(),
                version: 17,
            }],
            metadata: self.metadata,
        };
        model.encode_to_vec()
    }

    pub fn model(self) -> OnnxModel {
        OnnxModel::from_bytes("test.onnx", self.bytes()).unwrap()
    }
}

/// The weights of [`conv_net`].
pub fn conv_weights(classes: i64) -> Vec<f32> {
    (0..classes * 27)
        .map(|i| ((i * 37 % 19) as f32 - 9.0) / 20.0)
        .collect()
}

/// A classifier of images of any size: a convolution and an average, with `ending` as its last operator. Its scores
/// are a map of one pixel where it `is_map`.
pub fn conv_net(classes: i64, ending: &str, is_map: bool) -> Vec<u8> {
    let file = OnnxFile::new()
        .input("image", &[None, Some(3), None, None])
        .floats("w", &[classes, 3, 3, 3], &conv_weights(classes))
        .node_lists(
            "Conv",
            &["image", "w"],
            "conv",
            &[("strides", &[2, 2]), ("pads", &[1, 1, 1, 1])],
        )
        .node("Relu", &["conv"], "relu")
        .node("GlobalAveragePool", &["relu"], "pool");
    if is_map {
        return file.output("pool").bytes();
    }
    let file = file.node("Flatten", &["pool"], "scores");
    match ending {
        "" => file.output("scores").bytes(),
        _ => file.node(ending, &["scores"], "y").output("y").bytes(),
    }
}

/// A segmenter of images of any size, with a map of half the size: bright pixels are of the last class, dark ones of
/// the first.
pub fn map_net(classes: i64, ending: &str) -> Vec<u8> {
    let weights: Vec<f32> = (0..classes)
        .flat_map(|class| [if classes == 1 { 1.0 } else { class as f32 }; 3])
        .collect();
    let file = OnnxFile::new()
        .input("image", &[None, Some(3), None, None])
        .floats("w", &[classes, 3, 1, 1], &weights)
        .node_lists("Conv", &["image", "w"], "map", &[("strides", &[2, 2])]);
    match ending {
        "" => file.output("map").bytes(),
        "ArgMax" => file
            .node_with("ArgMax", &["map"], "y", &[("axis", 1), ("keepdims", 0)])
            .output("y")
            .bytes(),
        _ => file.node(ending, &["map"], "y").output("y").bytes(),
    }
}
