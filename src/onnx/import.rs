//! From a model and the shapes of its inputs to a graph of the engine.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::decode::host_tensor;
use super::element_type::ElementType;
use super::evaluate::{can_evaluate, evaluate, filled, filled_tensor};
use super::host::{HostKind, HostTensor};
use super::model::OnnxModel;
use super::node::OnnxNode;
use super::ops::patterns::Formula;
use super::ops::{self, Handler};
use super::proto::{GraphProto, NodeProto};
use super::value::Value;
use super::view::View;
use super::weight::StoredWeight;
use crate::error::Result;
use crate::graph::{Constant, Graph, GraphBuilder, Input, Op, Operator, ValueId};
use crate::printable;
use crate::tensor::Shape;
use crate::weights::Weights;

/// A model for inputs of certain shapes.
#[derive(Debug)]
pub struct ImportedModel {
    /// What computes it. Its inputs and outputs are in the model's order.
    pub graph: Graph,
    /// The weights, under the graph's names. Those that are used as they are in the file are not copied.
    pub weights: Weights,
}

/// The state of an import.
pub(super) struct Importer<'m> {
    pub model: &'m OnnxModel,
    builder: GraphBuilder,
    values: HashMap<&'m str, Value<'m>>,
    pub(super) weights: BTreeMap<String, StoredWeight>,
    names: HashSet<String>,
    /// The nodes that were added, by what they return.
    pub(super) producers: HashMap<&'m str, &'m NodeProto>,
    /// How often each value is read, by nodes or as an output.
    pub(super) reads: HashMap<&'m str, usize>,
    /// Batch normalizations by the values that they return, with the names of their weights.
    pub(super) norms: HashMap<ValueId, String>,
    /// What is computed of one other value, element by element; see [`ops::patterns`].
    pub(super) formulas: HashMap<ValueId, (ValueId, Formula)>,
    /// How many elements the results of nodes that are evaluated may still have.
    constants_left: usize,
    /// Concatenated maps by their parts.
    pub(super) concats: HashMap<Vec<ValueId>, View>,
    /// The inputs that are token ids, which only an embedding reads.
    pub(super) token_ids: HashSet<ValueId>,
    /// The name that the nodes of the current node have.
    prefix: String,
    /// Whether the current node is the only reader of those of its inputs that are computed on the device.
    pub(super) is_only_reader: bool,
    /// Whether the outputs of the current node are read once at most.
    pub(super) is_read_once: bool,
}

/// The most elements of constants that are computed, beside a multiple of those in the file.
const MAX_CONSTANTS: usize = 1 << 25;

impl OnnxModel {
    /// The graph and weights for inputs of `shapes`, in the order of [`Self::inputs`].
    ///
    /// What depends on shapes only is computed now, so that nothing of it reaches the device. Inputs and outputs that are
    /// integers or booleans in the model are tensors of the same numbers, with 0 and 1 for booleans.
    ///
    /// # Errors
    /// [`Error::Inputs`](crate::Error::Inputs) for shapes that do not fit the model's inputs; [`Error::File`](crate::Error::File) where an operator is not
    /// supported, with all such operators, and where a node cannot be computed.
    pub fn import(&self, shapes: &[Shape]) -> Result<ImportedModel> {
        self.check_inputs(shapes)?;
        self.check_operators()?;
        let mut importer = Importer {
            model: self,
            builder: GraphBuilder::new(self.name()),
            values: HashMap::new(),
            weights: BTreeMap::new(),
            names: HashSet::new(),
            producers: HashMap::new(),
            reads: HashMap::new(),
            norms: HashMap::new(),
            formulas: HashMap::new(),
            constants_left: MAX_CONSTANTS.saturating_add(self.element_count().saturating_mul(4)),
            concats: HashMap::new(),
            token_ids: HashSet::new(),
            prefix: String::new(),
            is_only_reader: false,
            is_read_once: false,
        };
        importer.count_reads(&self.graph);
        for (input, shape) in self.inputs().iter().zip(shapes) {
            let dims: Vec<Option<usize>> = shape.dims().iter().copied().map(Some).collect();
            importer.names.insert(input.name.clone());
            let is_ids =
                input.element_type.kind() == HostKind::Int && self.is_token_ids(&input.name, shape);
            let op = match is_ids {
                true => Input::ids(dims.get(1).copied().flatten()),
                false => Input::new(&dims),
            };
            let value = importer.builder.node(&input.name, op, &[]);
            if is_ids {
                importer.token_ids.insert(value);
            }
            let mut view = View::whole(value, shape.clone());
            view.kind = input.element_type.kind();
            importer.values.insert(&input.name, Value::Device(view));
        }
        importer.add_all(&self.graph.node)?;
        importer.finish()
    }
}

impl<'m> Importer<'m> {
    /// Adds what computes a node.
    pub fn add(&mut self, proto: &'m NodeProto) -> Result<()> {
        let node = OnnxNode::new(proto, self.model.opset());
        let outputs = self.outputs(node).map_err(|reason| {
            let description = node.describe();
            self.model.error(format!("{description}: {reason}"))
        })?;
        for (i, (name, mut value)) in proto.output.iter().zip(outputs).enumerate() {
            // The values of a branch have theirs.
            if let Value::Device(view) = &mut value
                && proto.op_type != "If"
            {
                view.kind = ops::cast::output_kind(self, node, i).map_err(|reason| {
                    let description = node.describe();
                    self.model.error(format!("{description}: {reason}"))
                })?;
            }
            if !name.is_empty() {
                self.values.insert(name, value);
                self.producers.insert(name, proto);
            }
        }
        Ok(())
    }

    fn outputs(&mut self, node: OnnxNode<'m>) -> Result<Vec<Value<'m>>, String> {
        let name = match node.proto.name.as_str() {
            "" => node.proto.output.first().map_or("", String::as_str),
            name => name,
        };
        name.clone_into(&mut self.prefix);
        self.is_only_reader = (node.proto.input.iter()).all(|name| {
            let is_computed = matches!(self.values.get(name.as_str()), Some(Value::Device(_)));
            !is_computed || self.read_count(name) <= 1
        });
        self.is_read_once = (node.proto.output.iter()).all(|name| self.read_count(name) <= 1);
        // Weights stay as they are: only the results of such nodes are computed.
        if can_evaluate(node.op_type())
            && let Some(inputs) = self.host_inputs(node)?
        {
            let inputs: Vec<Option<&HostTensor>> = inputs.iter().map(Option::as_deref).collect();
            if node.op_type() == "ConstantOfShape"
                && let Some((value, dims)) = filled(node, &inputs)?
            {
                return Ok(vec![Value::Filled(value, dims)]);
            }
            let outputs = evaluate(node, &inputs)?;
            self.count_constants(&outputs)?;
            let outputs = outputs.into_iter();
            return Ok(outputs.map(|output| Value::Host(Rc::new(output))).collect());
        }
        let Some(Handler(handler)) = ops::handler(node.op_type()) else {
            return Err(
                "it is supported on values that do not depend on the inputs only".to_owned(),
            );
        };
        handler(self, node)
    }

    /// Counts the elements of constants that were computed, and refuses more than a network has.
    pub(super) fn count_constants(&mut self, outputs: &[HostTensor]) -> Result<(), String> {
        let count = outputs
            .iter()
            .map(HostTensor::len)
            .fold(0, usize::saturating_add);
        let left = self.constants_left.checked_sub(count).ok_or_else(|| {
            format!(
                "a constant of {count} elements would be computed, and at most {} more are: the file has {}",
                self.constants_left,
                self.model.element_count()
            )
        })?;
        self.constants_left = left;
        Ok(())
    }

    /// The elements of all inputs, if all are known.
    fn host_inputs(
        &self,
        node: OnnxNode<'m>,
    ) -> Result<Option<Vec<Option<Rc<HostTensor>>>>, String> {
        let is_known = |i: usize| {
            let value = node.input(i).and_then(|name| self.values.get(name));
            !matches!(value, Some(Value::Device(_)))
        };
        if !(0..node.input_count()).all(is_known) {
            return Ok(None);
        }
        let inputs = (0..node.input_count()).map(|i| match node.input(i) {
            None => Ok(None),
            Some(_) => self.host(node, i).map(Some),
        });
        Ok(Some(inputs.collect::<Result<_, String>>()?))
    }

    /// Input `i`, which must be there.
    pub fn value(&self, node: OnnxNode<'m>, i: usize) -> Result<Value<'m>, String> {
        let name = node
            .input(i)
            .ok_or_else(|| format!("its input {i} is missing"))?;
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let (tensor, external) = (self.model.initializer(name))
            .ok_or_else(|| format!("'{}' is not known here", printable::name(name)))?;
        Ok(Value::Stored(tensor, external))
    }

    /// The elements of input `i`, which must be known.
    pub fn host(&self, node: OnnxNode<'m>, i: usize) -> Result<Rc<HostTensor>, String> {
        match self.value(node, i)? {
            Value::Device(_) => Err(format!(
                "its input {i} ('{}') depends on the elements of the model's inputs; only one that depends on shapes is supported",
                printable::name(node.input(i).unwrap_or_default())
            )),
            constant => self.host_value(&constant),
        }
    }

    /// As [`Self::host`], for an input that may be left out.
    pub fn optional_host(
        &self,
        node: OnnxNode<'m>,
        i: usize,
    ) -> Result<Option<Rc<HostTensor>>, String> {
        node.input(i).map(|_| self.host(node, i)).transpose()
    }

    /// The integers of an input that may be left out.
    pub fn optional_ints(&self, node: OnnxNode<'m>, i: usize) -> Result<Option<Vec<i64>>, String> {
        let Some(tensor) = self.optional_host(node, i)? else {
            return Ok(None);
        };
        let ints = tensor.as_ints();
        ints.map(Some)
            .ok_or_else(|| format!("its input {i} must be of integers"))
    }

    /// The extents of input `i`.
    pub fn dims(&self, node: OnnxNode<'m>, i: usize) -> Result<Vec<usize>, String> {
        self.value(node, i)?.dims()
    }

    /// What the elements of input `i` are.
    pub fn kind(&self, node: OnnxNode<'m>, i: usize) -> Result<HostKind, String> {
        Ok(self.value(node, i)?.kind())
    }

    /// The element type of input `i`, where the file says it: of a weight or a constant.
    pub fn element_type(&self, node: OnnxNode<'m>, i: usize) -> Option<ElementType> {
        let name = node.input(i)?;
        let number = match self.producers.get(name) {
            Some(producer) => {
                let value = OnnxNode::new(producer, self.model.opset()).attribute("value")?;
                value.t.as_ref()?.data_type
            }
            None => self.model.initializer(name)?.0.data_type,
        };
        Some(ElementType(number))
    }

    /// Input `i`, computed on the device: a constant becomes a value there.
    pub fn view(&mut self, node: OnnxNode<'m>, i: usize) -> Result<View, String> {
        match self.value(node, i)? {
            Value::Device(view) => Ok(view),
            constant => self.constant(constant),
        }
    }

    /// The elements of a constant.
    pub fn host_value(&self, value: &Value<'m>) -> Result<Rc<HostTensor>, String> {
        match value {
            Value::Host(tensor) => Ok(tensor.clone()),
            Value::Stored(tensor, external) => Ok(Rc::new(host_tensor(
                tensor,
                external.map(|bytes| &bytes[..]),
            )?)),
            Value::Filled(value, dims) => filled_tensor(*value, dims).map(Rc::new),
            Value::Device(_) => Err("it depends on the elements of the model's inputs".to_owned()),
        }
    }

    /// A constant as a value on the device.
    pub fn constant(&mut self, value: Value<'m>) -> Result<View, String> {
        if let Value::Device(view) = value {
            return Ok(view);
        }
        let (dims, kind) = (value.dims()?, value.kind());
        let name = self.unique_name();
        self.weight(&name, "weight", StoredWeight::new(&value, &dims)?);
        let shape = Shape::from(dims);
        let view = self.named_node(name, Constant { shape }, &[])?;
        Ok(View { kind, ..view })
    }

    /// Adds the nodes of a branch, and returns the branch's outputs.
    pub fn inline(&mut self, graph: &'m GraphProto) -> Result<Vec<Value<'m>>, String> {
        for tensor in &graph.initializer {
            self.values
                .insert(&tensor.name, Value::Stored(tensor, None));
        }
        for node in &graph.node {
            self.add(node).map_err(|error| error.to_string())?;
        }
        let outputs = graph.output.iter().map(|output| {
            let name = output.name.as_str();
            match (self.values.get(name), self.model.initializer(name)) {
                (Some(value), _) => Ok(value.clone()),
                (None, Some((tensor, external))) => Ok(Value::Stored(tensor, external)),
                (None, None) => Err(format!("'{}' is not known here", printable::name(name))),
            }
        });
        outputs.collect()
    }

    /// Adds a node of `operator` and returns its value. Its name is that of the current ONNX node, with a number
    /// where that is taken.
    pub fn node(&mut self, op: impl Into<Op>, inputs: &[&View]) -> Result<View, String> {
        let name = self.unique_name();
        self.named_node(name, op, inputs)
    }

    /// As [`Self::node`], with a name from [`Self::unique_name`].
    pub fn named_node(
        &mut self,
        name: String,
        op: impl Into<Op>,
        inputs: &[&View],
    ) -> Result<View, String> {
        let op = op.into();
        let operator: &dyn Operator = op.as_operator();
        operator.check(inputs.len())?;
        let shapes: Vec<&Shape> = inputs.iter().map(|view| &view.base).collect();
        let shape = operator.output_shape(&shapes)?;
        if shape.is_empty() {
            return Err(format!("its output would be empty, {shape}"));
        }
        let values: Vec<ValueId> = inputs.iter().map(|view| view.value).collect();
        let value = self.builder.node(name, op, &values);
        Ok(View::whole(value, shape))
    }

    /// A name for a node that no other node has.
    pub fn unique_name(&mut self) -> String {
        let mut name = self.prefix.clone();
        let mut number = 1_usize;
        while name.is_empty() || !self.names.insert(name.clone()) {
            number = number.saturating_add(1);
            name = format!("{}.{number}", self.prefix);
        }
        name
    }

    /// Adds a weight of the node `node`.
    pub fn weight(&mut self, node: &str, suffix: &str, weight: StoredWeight) {
        self.weights.insert(format!("{node}.{suffix}"), weight);
    }

    /// A value of the view's extents, with its elements in order.
    pub fn in_order(&mut self, view: &View) -> Result<View, String> {
        if view.is_in_order() && view.base.dims() == view.dims {
            return Ok(view.clone());
        }
        self.node(view.rearrange(), &[view])
    }

    /// As [`Self::in_order`], with the extents `dims`.
    pub fn shaped(&mut self, view: &View, dims: &[usize]) -> Result<View, String> {
        self.in_order(&view.clone().reshaped(dims.to_vec()))
    }

    /// An operation on a view's order, or on a copy in order where it cannot be expressed.
    pub fn reordered(
        &mut self,
        view: &View,
        operation: impl Fn(&View) -> Option<View>,
    ) -> Result<View, String> {
        if let Some(result) = operation(view) {
            return Ok(result);
        }
        let copy = self.in_order(view)?;
        operation(&copy).ok_or_else(|| {
            format!(
                "a value of {} dimensions is not supported here",
                view.dims.len()
            )
        })
    }

    fn finish(mut self) -> Result<ImportedModel> {
        self.prefix.clear();
        for output in &self.model.graph.output {
            let model = self.model;
            let about = |reason: String| {
                let name = printable::name(&output.name);
                model.error(format!("output '{name}': {reason}"))
            };
            let Some(Value::Device(view)) = self.values.get(output.name.as_str()).cloned() else {
                return Err(about(
                    "it does not depend on the inputs, which is not supported".to_owned(),
                ));
            };
            output.name.clone_into(&mut self.prefix);
            let value = self.in_order(&view).map_err(about)?;
            self.builder.output(value.value);
        }
        let graph = self.builder.build()?.without_dead_nodes();
        let parameters: HashSet<String> = graph.parameters().into_iter().map(|p| p.name).collect();
        self.weights.retain(|name, _| parameters.contains(name));
        Ok(ImportedModel {
            graph,
            weights: StoredWeight::collect(self.model, self.weights),
        })
    }
}
