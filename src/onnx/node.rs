//! A node of an ONNX graph, with access to its attributes.

use super::element_type::ElementType;
use super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use crate::printable;

/// The domain of nodes that this library adds to a model.
pub(super) const EDIT_DOMAIN: &str = "shadernet";
/// The opset whose operators they are.
const EDIT_OPSET: i64 = 17;

/// A node, and the version of its domain's operators that the file uses.
#[derive(Clone, Copy)]
pub(super) struct OnnxNode<'a> {
    pub proto: &'a NodeProto,
    pub opset: i64,
}

impl<'a> OnnxNode<'a> {
    /// A node of a model of `opset`.
    pub fn new(proto: &'a NodeProto, opset: i64) -> Self {
        let opset = match proto.domain == EDIT_DOMAIN {
            true => EDIT_OPSET,
            false => opset,
        };
        Self { proto, opset }
    }

    /// The operator's name, such as `Conv`.
    pub fn op_type(&self) -> &'a str {
        &self.proto.op_type
    }

    /// The node for a message: its name, or its first output where it has none, and the operator.
    pub fn describe(&self) -> String {
        let name = match self.proto.name.as_str() {
            "" => self.proto.output.first().map_or("", String::as_str),
            name => name,
        };
        format!(
            "node '{}' ({})",
            printable::name(name),
            printable::name(self.op_type())
        )
    }

    /// The name of input `i`; `None` where it is left out.
    pub fn input(&self, i: usize) -> Option<&'a str> {
        let name = self.proto.input.get(i)?.as_str();
        (!name.is_empty()).then_some(name)
    }

    /// The number of inputs, with those that are left out before the last.
    pub fn input_count(&self) -> usize {
        self.proto.input.len()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.proto.attribute.iter().find(|a| a.name == name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|a| a.i)
    }

    pub fn int_or(&self, name: &str, default: i64) -> i64 {
        self.int(name).unwrap_or(default)
    }

    /// Whether an attribute of 0 or 1 is 1.
    pub fn flag(&self, name: &str) -> bool {
        self.int_or(name, 0) != 0
    }

    pub fn float_or(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |a| a.f)
    }

    pub fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|a| a.ints.as_slice())
    }

    pub fn floats(&self, name: &str) -> Option<&'a [f32]> {
        self.attribute(name).map(|a| a.floats.as_slice())
    }

    pub fn string_or(&self, name: &str, default: &'static str) -> &'a str {
        let text = self.attribute(name).map(|a| std::str::from_utf8(&a.s));
        text.map_or(default, |text| text.unwrap_or("?"))
    }

    pub fn tensor(&self, name: &str) -> Option<&'a TensorProto> {
        self.attribute(name).and_then(|a| a.t.as_ref())
    }

    pub fn graph(&self, name: &str) -> Option<&'a GraphProto> {
        self.attribute(name).and_then(|a| a.g.as_ref())
    }

    /// An attribute that is an element type, such as Cast's `to`.
    pub fn element_type(&self, name: &str) -> Option<ElementType> {
        let number = self.int(name)?;
        Some(ElementType(i32::try_from(number).unwrap_or(-1)))
    }
}

/// The axis that `axis` means for a value of `rank`, counted from the end where it is negative.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize, String> {
    let from_end = i64::try_from(rank)
        .ok()
        .and_then(|rank| axis.checked_add(rank));
    let index = if axis < 0 { from_end } else { Some(axis) };
    (index.and_then(|index| usize::try_from(index).ok()))
        .filter(|&index| index < rank)
        .ok_or_else(|| format!("axis {axis} is not one of a value of {rank} dimensions"))
}
