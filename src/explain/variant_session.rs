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
    /// Whether the graph takes one image only, so that those of a batch run one after the other.
    takes_one_image: bool,
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
            takes_one_image: false,
            last: None,
        }
    }

    /// Runs the images of a batch one after the other.
    #[cfg(feature = "onnx")]
    pub fn one_image_at_a_time(&mut self) {
        self.takes_one_image = true;
    }

    /// Runs `variant`, whose session is made where the last run was of another. `image` is the shape of one
    /// image. Outputs that are not finite are an error.
    pub fn run(
        &mut self,
        variant: &Variant,
        image: &Shape,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        let batch = inputs.first().map_or(1, |input| input.shape().nchw()[0]);
        if !self.takes_one_image || batch == 1 {
            return self.run_batch(variant, image, inputs);
        }
        let mut all: Vec<Tensor> = Vec::new();
        for i in 0..batch {
            let rows: Vec<Tensor> = inputs.iter().map(|x| row(x, i)).collect::<Result<_>>()?;
            append_batches(&mut all, self.run_batch(variant, image, &rows)?)?;
        }
        Ok(all)
    }

    fn run_batch(
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

/// Row `i` of a batch, as a batch of one.
fn row(batch: &Tensor, i: usize) -> Result<Tensor> {
    let mut dims = batch.shape().dims().to_vec();
    let len = batch.data().len() / dims[0].max(1);
    dims[0] = 1;
    Tensor::new(dims, batch.data()[i * len..][..len].to_vec())
}

/// Appends the outputs of a run to those of the runs before it, of which there may be none.
pub(super) fn append_batches(all: &mut Vec<Tensor>, more: Vec<Tensor>) -> Result<()> {
    if all.is_empty() {
        *all = more;
        return Ok(());
    }
    for (all, more) in all.iter_mut().zip(more) {
        let mut dims = all.shape().dims().to_vec();
        dims[0] += more.shape().dims()[0];
        let mut data = std::mem::replace(all, Tensor::zeros([0])).into_data();
        data.extend(more.data());
        *all = Tensor::new(dims, data)?;
    }
    Ok(())
}
