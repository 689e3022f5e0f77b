//! A graph that is being written.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::super::element_type::ElementType;
use super::super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use super::attribute::{int, to_ints};
use super::value_info::{Free, inputs_and_outputs};
use crate::error::Result;
use crate::graph::{Graph, Node, ValueId};
use crate::tensor::Shape;
use crate::weights::Dtype;

/// A weight in the file.
pub(super) struct Parameter {
    /// The name of the initializer.
    pub initializer: String,
    /// The name among the weights.
    pub name: String,
    /// Its extents in the file: as many elements as the parameter has.
    pub dims: Vec<usize>,
    /// Of the parameter, not of the initializer.
    pub rank: usize,
    /// What the file has.
    pub dtype: Dtype,
}

impl Parameter {
    pub fn is_matrix(&self) -> bool {
        self.rank > 1
    }
}

/// A graph without its weights, and which these are.
pub(super) struct WrittenGraph {
    pub graph: GraphProto,
    pub parameters: Vec<Parameter>,
    pub free: Free,
}

pub(super) struct GraphWriter<'g> {
    graph: &'g Graph,
    inputs: &'g [Shape],
    /// Of all values, for `inputs`.
    shapes: Vec<Shape>,
    free: Free,
    matrices: Dtype,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    parameters: Vec<Parameter>,
    /// The values that are parameters, by their names and extents.
    known: HashMap<(String, Vec<usize>), String>,
    /// The names of all values in the file.
    names: HashSet<String>,
    /// The names of the graph's values.
    values: Vec<String>,
    /// The value whose node is written.
    current: ValueId,
}

impl<'g> GraphWriter<'g> {
    pub fn new(graph: &'g Graph, inputs: &'g [Shape], free: Free, matrices: Dtype) -> Result<Self> {
        let values: Vec<String> = (graph.nodes().iter())
            .map(|node| node.name().to_owned())
            .collect();
        Ok(Self {
            graph,
            inputs,
            shapes: graph.infer(inputs)?,
            free,
            matrices,
            nodes: Vec::new(),
            constants: Vec::new(),
            parameters: Vec::new(),
            known: HashMap::new(),
            names: values.iter().cloned().collect(),
            values,
            current: ValueId::new(0),
        })
    }

    /// Begins with the node that computes `value`.
    pub fn begin(&mut self, value: ValueId) {
        self.current = value;
    }

    fn node(&self) -> &'g Node {
        self.graph.node(self.current)
    }

    /// What is free in the file: less than at first where a node asked for known extents.
    pub fn free(&self) -> Free {
        self.free
    }

    /// Makes height and width those of [`Self::shape`].
    pub fn fix_size(&mut self) {
        self.free.space = false;
    }

    /// Makes all extents those of [`Self::shape`].
    pub fn fix(&mut self) {
        self.free.space = false;
        self.free.batch = false;
    }

    /// The name of input `i` of the current node, which has one.
    pub fn input(&self, i: usize) -> String {
        let value = self.node().inputs().get(i);
        let name = value.and_then(|value| self.values.get(value.index()));
        name.cloned().unwrap_or_default()
    }

    /// The number of inputs of the current node.
    pub fn input_count(&self) -> usize {
        self.node().inputs().len()
    }

    /// The shape of input `i` of the current node, which has one.
    pub fn shape(&self, i: usize) -> Shape {
        let value = self.node().inputs().get(i);
        let shape = value.and_then(|value| self.shapes.get(value.index()));
        shape.cloned().unwrap_or_default()
    }

    /// The shape of the output of the current node.
    pub fn output(&self) -> Shape {
        let shape = self.shapes.get(self.current.index());
        shape.cloned().unwrap_or_default()
    }

    /// A name for a value of the current node that no other value has.
    fn unique(&mut self, what: &str) -> String {
        let base = format!("{}/{what}", self.node().name());
        self.unique_like(base)
    }

    fn unique_like(&mut self, base: String) -> String {
        let mut name = base.clone();
        let mut number = 1_usize;
        while !self.names.insert(name.clone()) {
            number = number.saturating_add(1);
            name = format!("{base}.{number}");
        }
        name
    }

    /// Adds a node of ONNX, and returns the name of its output.
    pub fn op(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let output = self.unique(op_type);
        self.push(op_type, inputs, vec![output.clone()], attributes);
        output
    }

    /// As [`Self::op`], for a node with two outputs.
    pub fn op_of_two(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> [String; 2] {
        let outputs = [self.unique(op_type), self.unique(op_type)];
        self.push(op_type, inputs, outputs.to_vec(), attributes);
        outputs
    }

    fn push(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            name: output.first().cloned().unwrap_or_default(),
            output,
            op_type: op_type.to_owned(),
            attribute,
            domain: String::new(),
        });
    }

    /// A list of integers.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.ints_of(&[values.len()], values)
    }

    /// Integers of this shape.
    pub fn ints_of(&mut self, dims: &[usize], values: &[i64]) -> String {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(ElementType::INT64, dims, bytes)
    }

    /// A number, without dimensions.
    pub fn number(&mut self, value: f32) -> String {
        self.floats(&[], &[value])
    }

    /// Numbers of this shape.
    pub fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(ElementType::FLOAT, dims, bytes)
    }

    fn constant(&mut self, element_type: ElementType, dims: &[usize], bytes: Vec<u8>) -> String {
        let name = self.unique("constant");
        self.constants.push(TensorProto {
            dims: to_ints(dims),
            data_type: element_type.0,
            name: name.clone(),
            raw_data: Bytes::from(bytes),
            ..TensorProto::default()
        });
        name
    }

    /// A parameter of the current node.
    pub fn parameter(&mut self, suffix: &str) -> String {
        self.parameter_shaped(suffix, None)
    }

    /// A parameter of the current node with one element for each channel, as `[C, 1, 1]`, which is broadcast to maps,
    /// or as `[C]` for a value of two dimensions.
    pub fn channel_parameter(&mut self, suffix: &str, rank: usize) -> String {
        let ones = rank.saturating_sub(2);
        self.parameter_shaped(suffix, Some(ones))
    }

    /// A parameter with as many more dimensions, of 1.
    fn parameter_shaped(&mut self, suffix: &str, ones: Option<usize>) -> String {
        let node = self.node();
        let name = node.parameter_name(suffix);
        let parameters = node.parameters();
        let Some(parameter) = parameters.iter().find(|parameter| parameter.name == name) else {
            // An operator asks for its own parameters; a file without one does not load.
            return name;
        };
        let mut dims = parameter.shape.dims().to_vec();
        let rank = dims.len();
        dims.extend(vec![1; ones.unwrap_or(0)]);
        if let Some(known) = self.known.get(&(name.clone(), dims.clone())) {
            return known.clone();
        }
        let initializer = self.unique_like(name.clone());
        let dtype = match rank {
            0 | 1 => Dtype::F32,
            _ => self.matrices,
        };
        self.parameters.push(Parameter {
            initializer: initializer.clone(),
            name: name.clone(),
            dims: dims.clone(),
            rank,
            dtype,
        });
        let value = match dtype {
            Dtype::F32 => initializer,
            _ => {
                let output = self.unique_like(format!("{name}/float32"));
                let to = int("to", i64::from(ElementType::FLOAT.0));
                self.push("Cast", &[&initializer], vec![output.clone()], vec![to]);
                output
            }
        };
        self.known.insert((name, dims), value.clone());
        value
    }

    /// Names a value of the graph after what its node returned: the output of the last node of ONNX takes the graph's
    /// name.
    pub fn set_value(&mut self, value: ValueId, output: String) {
        let own = self.graph.node(value).name();
        let last = self.nodes.last_mut();
        let made = last.and_then(|node| {
            let at = node.output.iter().position(|name| *name == output)?;
            Some((node, at))
        });
        let name = match made {
            Some((node, at)) if !self.values.contains(&output) => {
                own.clone_into(&mut node.name);
                if let Some(output) = node.output.get_mut(at) {
                    own.clone_into(output);
                }
                own.to_owned()
            }
            _ => output,
        };
        if let Some(known) = self.values.get_mut(value.index()) {
            *known = name;
        }
    }

    /// The graph. Outputs that have no node of their own, or that there are twice, get one.
    pub fn finish(mut self) -> Result<WrittenGraph> {
        let mut outputs: Vec<String> = Vec::new();
        for &value in self.graph.outputs() {
            self.begin(value);
            let name = self.values.get(value.index()).cloned().unwrap_or_default();
            let own = self.node().name().to_owned();
            let is_made = self.nodes.iter().any(|node| node.output.contains(&own));
            outputs.push(match () {
                () if name == own && is_made && !outputs.contains(&own) => own,
                () if !is_made && name != own => {
                    self.push("Identity", &[&name], vec![own.clone()], Vec::new());
                    own
                }
                () => self.op("Identity", &[&name], Vec::new()),
            });
        }
        let [input, output] = inputs_and_outputs(self.graph, self.inputs, self.free, &outputs)?;
        Ok(WrittenGraph {
            graph: GraphProto {
                node: self.nodes,
                name: self.graph.name().to_owned(),
                initializer: self.constants,
                input,
                output,
                sparse_initializer: Vec::new(),
            },
            parameters: self.parameters,
            free: self.free,
        })
    }
}
