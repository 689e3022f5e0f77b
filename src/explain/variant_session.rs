//! A network that can compute more than its outputs: its layers' activations, and gradients.

use std::sync::Arc;

use crate::device::Device;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::graph::{GradientRule, Graph, Seed, ValueId};
use crate::session::{Session, SessionOptions};
use crate::tasks::RunsNetwork;
use crate::tensor::{Shape, Tensor};
use crate::weights::Weights;

/// A graph and its weights on a device, with the session of the variant that ran last.
pub(super) struct VariantSession {
    pub graph: Graph,
    device: Device,
    weights: Arc<Weights>,
    options: SessionOptions,
    last: Option<(Variant, Session)>,
}

/// What a variant of a graph computes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variant {
    /// The values that are its outputs.
    pub outputs: Vec<ValueId>,
    /// The gradients that follow these.
    pub gradients: Vec<Gradient>,
    /// Where gradients start. With [`Seed::Input`], each gradient adds an input: its seed.
    pub seed: Seed,
}

/// A gradient of one value with respect to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gradient {
    /// The value whose gradient it is.
    pub of: ValueId,
    /// The value that it is with respect to.
    pub target: ValueId,
    pub rule: GradientRule,
}

impl Variant {
    /// `outputs` alone.
    pub fn forward(outputs: Vec<ValueId>) -> Self {
        Self {
            outputs,
            gradients: Vec::new(),
            seed: Seed::ArgMax,
        }
    }

    /// Adds gradients; where they start is up to `seed`.
    pub fn with_gradients(self, seed: Seed, gradients: Vec<Gradient>) -> Self {
        Self {
            gradients,
            seed,
            ..self
        }
    }

    /// The variant of `graph`, whose input is of `shape`.
    fn build(&self, graph: &Graph, shape: &Shape) -> Result<Graph> {
        let values = graph.infer(std::slice::from_ref(shape))?;
        let mut inputs = vec![shape.clone()];
        let mut variant = graph.with_outputs(self.outputs.clone());
        for &Gradient { of, target, rule } in &self.gradients {
            variant = variant.with_gradients(&inputs, of, self.seed, &[target], rule)?;
            if self.seed == Seed::Input {
                inputs.push(values[of.index()].clone());
            }
        }
        Ok(variant)
    }
}

impl VariantSession {
    pub fn new(
        device: &Device,
        graph: &Graph,
        weights: Arc<Weights>,
        options: &SessionOptions,
    ) -> Self {
        Self {
            graph: graph.clone(),
            device: device.clone(),
            weights,
            options: options.clone(),
            last: None,
        }
    }

    /// Runs `variant`, whose session is made where the last run was of another. `image` is the shape of one
    /// image. Outputs that are not finite are an error.
    pub fn run(
        &mut self,
        variant: &Variant,
        image: &Shape,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        let session = match self.last.take() {
            Some((last, session)) if last == *variant => session,
            last => {
                // The last session's memory is freed before the new one takes its own.
                drop(last);
                let shapes: Vec<Shape> = inputs.iter().map(|x| x.shape().clone()).collect();
                let graph = variant.build(&self.graph, image)?;
                let weights = self.weights.clone();
                Session::new(&self.device, &graph, weights, &self.options, &shapes)?
            }
        };
        let (_, session) = self.last.insert((variant.clone(), session));
        session.run_finite(inputs)
    }
}

impl RunsNetwork for VariantSession {
    fn warning(&self) -> Option<&str> {
        self.last.as_ref()?.1.warning()
    }

    /// The next run makes a session on the new device.
    fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        if let Device::Gpu(_) = self.device {
            self.last = None;
            self.device = Device::from(gpu.clone());
        }
        Ok(())
    }
}
