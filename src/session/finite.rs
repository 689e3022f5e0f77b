//! Outputs that are not finite numbers: the error for them, and the layer where they begin.

use super::{Executor, GpuSession, ReferenceSession, Session, input};
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Op, ValueId};
use crate::passes::{self, PassOptions};
use crate::tensor::{Shape, Tensor};

/// The most bytes of intermediate values that one pass returns.
const MAX_BYTES: usize = 256 << 20;

impl Session {
    /// Checks that `outputs`, which a run returned for `inputs`, are finite numbers. Where they are not, the
    /// network runs once more to find the first layer whose output is not.
    ///
    /// # Errors
    /// [`Error::Inputs`] with the number of NaN and infinite values, the layer, and the likely cause.
    pub fn check_finite(&mut self, inputs: &[Tensor], outputs: &[Tensor]) -> Result<()> {
        if outputs.iter().all(is_finite) {
            return Ok(());
        }
        let values = || outputs.iter().flat_map(|output| output.data());
        let nan = values().filter(|x| x.is_nan()).count();
        let infinite = values().filter(|x| x.is_infinite()).count();
        let counted = match (nan, infinite) {
            (nan, 0) => format!("{nan} of {} values are NaN", values().count()),
            (0, infinite) => format!("{infinite} of {} values are infinite", values().count()),
            (nan, infinite) => format!(
                "{nan} of {} values are NaN, {infinite} are infinite",
                values().count()
            ),
        };
        if !inputs.iter().all(is_finite) {
            return Err(Error::not_numbers(
                &(counted + ", and so are some of its input"),
            ));
        }
        // Where even that fails, the outputs are what matters.
        let layer = self.first_not_finite(inputs).ok().flatten();
        let layer = layer.map_or_else(String::new, |layer| {
            format!("; the first layer whose output is not finite is {layer}")
        });
        Err(Error::not_numbers(&(counted + &layer)))
    }

    /// [`Self::run`], whose outputs have to be finite numbers: what every task does, so that damage does not
    /// look like a result.
    ///
    /// # Errors
    /// Those of [`Self::run`] and [`Self::check_finite`].
    pub(crate) fn run_finite(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let outputs = self.run(inputs)?;
        self.check_finite(inputs, &outputs)?;
        Ok(outputs)
    }

    /// The first layer whose output is not finite, as text.
    fn first_not_finite(&mut self, inputs: &[Tensor]) -> Result<Option<String>> {
        match &mut self.executor {
            Executor::Gpu(session) => session.first_not_finite(inputs),
            Executor::Cpu(session) => session.first_not_finite(inputs),
            Executor::Reference(session) => session.first_not_finite(inputs),
        }
    }
}

impl ReferenceSession {
    fn first_not_finite(&mut self, inputs: &[Tensor]) -> Result<Option<String>> {
        let reference = self.reference(&input::shapes_of(inputs))?;
        let found = reference.first(inputs, |output| !is_finite(output))?;
        Ok(found.map(|value| named(reference.graph().node(value))))
    }
}

impl GpuSession {
    /// As on the reference backend, of the values that the device computes: what passes fuse is one layer.
    fn first_not_finite(&self, inputs: &[Tensor]) -> Result<Option<String>> {
        let shapes = input::shapes_of(inputs);
        // With these, values are stored in parts of another.
        let passes = self.options.passes.without("concatenations")?;
        let network = self.source.network(&shapes)?;
        let (graph, _) = passes::optimize(&network.graph, &shapes, &passes.without("slices")?)?;
        let mut options = self.options.clone();
        options.passes = PassOptions::none();
        options.progress = None;
        for values in groups(&graph, &shapes)? {
            let part = graph.with_outputs(values.clone());
            let weights = network.weights.clone();
            let outputs = Self::new(&self.gpu, &part, weights, &options).run(inputs)?;
            if let Some(i) = outputs.iter().position(|output| !is_finite(output)) {
                return Ok(Some(named(graph.node(values[i]))));
            }
        }
        Ok(None)
    }
}

/// The computed values in order, in groups of at most [`MAX_BYTES`], or of one value.
fn groups(graph: &Graph, inputs: &[Shape]) -> Result<Vec<Vec<ValueId>>> {
    let shapes = graph.infer(inputs)?;
    let mut groups: Vec<Vec<ValueId>> = Vec::new();
    let mut room = 0;
    for (value, node) in graph.values() {
        if matches!(node.op(), Op::Input(_)) {
            continue;
        }
        let bytes = shapes[value.index()].len().saturating_mul(4);
        match groups.last_mut() {
            Some(group) if bytes <= room => {
                group.push(value);
                room -= bytes;
            }
            _ => {
                groups.push(vec![value]);
                room = MAX_BYTES.saturating_sub(bytes);
            }
        }
    }
    Ok(groups)
}

fn is_finite(tensor: &Tensor) -> bool {
    tensor.data().iter().all(|x| x.is_finite())
}

fn named(node: &Node) -> String {
    format!("'{}' ({})", node.name(), node.op().as_operator().kind())
}
