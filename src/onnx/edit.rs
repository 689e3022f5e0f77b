//! Adds nodes to a model, and selects other outputs.

use super::element_type::ElementType;
use super::model::{OnnxModel, OnnxValue};
use super::node::EDIT_DOMAIN;
use super::order;
use super::proto::{AttributeProto, NodeProto, TensorProto, ValueInfoProto};

/// The names that begin with this are those of added values; a file has no such names.
const PREFIX: &str = "shadernet:";

/// A setting of an added node.
pub(crate) enum Setting<'a> {
    Int(i64),
    Ints(&'a [i64]),
}

impl OnnxModel {
    /// Adds a node of `op_type`, as ONNX defines it in opset 17, and returns the name of its output. It may read
    /// what nodes and inputs before it return.
    pub(crate) fn add_node(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        settings: &[(&str, Setting)],
    ) -> String {
        let output = format!("{PREFIX}{op_type} {}", self.added);
        self.added = self.added.saturating_add(1);
        let attribute = settings.iter().map(|(name, setting)| {
            let attribute = AttributeProto {
                name: (*name).to_owned(),
                ..AttributeProto::default()
            };
            match setting {
                Setting::Int(i) => AttributeProto { i: *i, ..attribute },
                Setting::Ints(ints) => AttributeProto {
                    ints: ints.to_vec(),
                    ..attribute
                },
            }
        });
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.clone()],
            name: String::new(),
            op_type: op_type.to_owned(),
            attribute: attribute.collect(),
            domain: EDIT_DOMAIN.to_owned(),
        });
        output
    }

    /// Adds a constant without dimensions, and returns its name.
    pub(crate) fn add_number(&mut self, value: f32) -> String {
        self.add_constant(TensorProto {
            data_type: ElementType::FLOAT.0,
            float_data: vec![value],
            ..TensorProto::default()
        })
    }

    /// Adds a constant of one dimension, and returns its name.
    pub(crate) fn add_ints<const N: usize>(&mut self, values: [i64; N]) -> String {
        self.add_constant(TensorProto {
            // A list in this program is far shorter than 2^63.
            dims: vec![i64::try_from(N).unwrap_or(i64::MAX)],
            data_type: ElementType::INT64.0,
            int64_data: values.to_vec(),
            ..TensorProto::default()
        })
    }

    fn add_constant(&mut self, tensor: TensorProto) -> String {
        let index = self.graph.initializer.len();
        let name = format!("{PREFIX}constant {index}");
        self.initializers.insert(name.clone(), index);
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            ..tensor
        });
        name
    }

    /// Makes these values the outputs. Nodes that they do not depend on are removed.
    pub(crate) fn set_outputs(&mut self, names: &[&str]) {
        let known = |name: &str| self.outputs.iter().find(|output| output.name == name);
        self.outputs = (names.iter())
            .map(|&name| {
                known(name).cloned().unwrap_or_else(|| OnnxValue {
                    name: name.to_owned(),
                    element_type: ElementType::FLOAT,
                    dims: None,
                })
            })
            .collect();
        let output = |&name: &&str| ValueInfoProto {
            name: name.to_owned(),
            r#type: None,
        };
        self.graph.output = names.iter().map(output).collect();
        order::remove_unused(&mut self.graph);
    }

    /// Reads images with channels first where the model's one input has them last: gives the input channels first,
    /// and the nodes its transpose.
    pub(crate) fn put_channels_first(&mut self) {
        let Some(input) = self
            .graph
            .input
            .iter()
            .find(|input| !self.initializers.contains_key(&input.name))
        else {
            return;
        };
        let name = input.name.clone();
        let transposed = self.add_node(
            "Transpose",
            &[&name],
            &[("perm", Setting::Ints(&[0, 2, 3, 1]))],
        );
        // Before the nodes that read it.
        self.graph.node.rotate_right(1);
        for read in self
            .graph
            .node
            .iter_mut()
            .skip(1)
            .flat_map(|node| &mut node.input)
        {
            if *read == name {
                read.clone_from(&transposed);
            }
        }
        let dims = self
            .inputs
            .first_mut()
            .and_then(|input| input.dims.as_mut());
        if let Some([_, spatial @ ..]) = dims.map(Vec::as_mut_slice) {
            spatial.rotate_right(1);
        }
    }

    /// The operator that returns the value `name`, its inputs, and its attribute `axis`.
    pub(crate) fn producer_of(&self, name: &str) -> Option<(&str, &[String], Option<i64>)> {
        let node = (self.graph.node.iter())
            .find(|node| node.output.first().is_some_and(|output| output == name))?;
        let axis = node.attribute.iter().find(|a| a.name == "axis");
        Some((&node.op_type, &node.input, axis.map(|a| a.i)))
    }
}
