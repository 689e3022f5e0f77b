//! Scores, activations and gradients of a network that reads images.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::variant_session::{Gradient, Variant, VariantSession, append_batches};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::graph::{GradientRule, Graph, Op, Seed, ValueId};
use crate::session::SessionOptions;
use crate::tasks::ImageModel;
use crate::tensor::{Shape, Tensor};
use crate::vision::{Labels, Preprocessing};
use crate::weights::Weights;

/// Images that run at once in methods of many passes: noisy copies, integration steps, occluded images.
pub(super) const BATCH: usize = 8;

/// A host's callback; it is told how many passes or images are completed, of how many.
type Progress = Box<dyn FnMut(usize, usize) -> ControlFlow<()> + Send>;

/// Runs a network for its scores, its layers' activations and gradients. All explanation methods are built
/// on it.
pub(super) struct Probe {
    pub model: ImageModel<VariantSession>,
    scores: ValueId,
    /// The shape of one image's scores.
    scores_shape: Shape,
    progress: Option<Progress>,
}

/// What a pass computes besides the scores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Targets {
    /// Nothing.
    Scores,
    /// A layer's activation, and the score's gradient with respect to it.
    Layer(ValueId),
    /// These, and the score's gradient with respect to the input by guided backpropagation.
    Guided(ValueId),
    /// The score's gradient with respect to the input.
    Input,
}

impl Probe {
    /// # Errors
    /// Where the weights do not fit the graph, or the graph does not fit the preprocessing's input; and
    /// [`Error::Inputs`] for a graph with other inputs than one image.
    pub fn new(
        device: &Device,
        graph: &Graph,
        weights: impl Into<Arc<Weights>>,
        preprocessing: &Preprocessing,
        labels: Labels,
        options: &SessionOptions,
    ) -> Result<Self> {
        let weights = weights.into();
        let model = ImageModel {
            session: VariantSession::new(device, graph, weights.clone(), options),
            preprocessing: preprocessing.clone(),
            labels,
        };
        if graph.inputs().len() != 1 {
            return Err(Error::Inputs(format!(
                "a network with one input, an image, was expected; {} has {}",
                graph.name(),
                graph.inputs().len()
            )));
        }
        let scores = graph.scores();
        let scores_shape = graph.infer(&[model.shape(1)])?.swap_remove(scores.index());
        weights.check(graph)?;
        Ok(Self {
            model,
            scores,
            scores_shape,
            progress: None,
        })
    }

    pub fn graph(&self) -> &Graph {
        &self.model.session.graph
    }

    /// The shape of one image's scores.
    pub fn scores_shape(&self) -> &Shape {
        &self.scores_shape
    }

    /// Moves to another device.
    pub fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        self.model.restore(gpu)
    }

    /// Every layer whose output is a map `[N, C, H, W]`: its name, its operator in PyTorch's terms, and its
    /// shape.
    pub fn layers(&self) -> Result<Vec<(String, &'static str, Shape)>> {
        let shapes = self.graph().infer(&[self.model.shape(1)])?;
        let maps = (self.graph().values().zip(shapes))
            .filter(|((_, node), shape)| shape.rank() == 4 && !matches!(node.op, Op::Input(_)));
        Ok(maps
            .map(|((_, node), shape)| (node.name.clone(), node.op.as_operator().kind(), shape))
            .collect())
    }

    /// The layer of that name, and its shape for one image.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the nearest names.
    pub fn layer(&self, name: &str) -> Result<(ValueId, Shape)> {
        let value = self.graph().find(name)?;
        let mut shapes = self.graph().infer(&[self.model.shape(1)])?;
        Ok((value, shapes.swap_remove(value.index())))
    }

    /// The activation of a layer for one image.
    pub fn activation(&mut self, layer: ValueId, input: Tensor) -> Result<Tensor> {
        let variant = Variant::forward(vec![layer]);
        Ok(self.run_variant(&variant, &[input])?.swap_remove(0))
    }

    /// Projects `seeds`, one activation of `layer` for each row, back to the input of the same row through
    /// the deconvnet of Zeiler and Fergus (2014).
    pub fn project(&mut self, layer: ValueId, rows: Tensor, seeds: Tensor) -> Result<Tensor> {
        let gradient = Gradient {
            of: layer,
            target: self.input(),
            rule: GradientRule::Deconvnet,
        };
        let variant = Variant::forward(vec![layer]).with_gradients(Seed::Input, vec![gradient]);
        // The layer, and the one gradient.
        Ok(self.run_variant(&variant, &[rows, seeds])?.swap_remove(1))
    }

    /// The scores of one input, from the session that computes `targets` for given classes, so that the
    /// passes that follow use the same one.
    pub fn scores(&mut self, targets: Targets, input: &Tensor) -> Result<Tensor> {
        let outputs = self.run(targets, input.clone(), Some(&[0]));
        Ok(outputs?.swap_remove(0))
    }

    /// Runs a batch: the scores, then the tensors of `targets` in their order. Gradients are those of each
    /// row's own class, or of its top class.
    pub fn run(
        &mut self,
        targets: Targets,
        rows: Tensor,
        classes: Option<&[usize]>,
    ) -> Result<Vec<Tensor>> {
        let (scores, input) = (self.scores, self.input());
        let gradient = |target, rule| Gradient {
            of: scores,
            target,
            rule,
        };
        let plain = GradientRule::Gradient;
        let (outputs, gradients) = match targets {
            Targets::Scores => (vec![scores], vec![]),
            Targets::Input => (vec![scores], vec![gradient(input, plain)]),
            Targets::Layer(layer) => (vec![scores, layer], vec![gradient(layer, plain)]),
            Targets::Guided(layer) => (
                vec![scores, layer],
                vec![
                    gradient(layer, plain),
                    gradient(input, GradientRule::Guided),
                ],
            ),
        };
        let classes = classes.filter(|_| !gradients.is_empty());
        let mut inputs = vec![rows];
        if let Some(classes) = classes {
            inputs.extend(vec![self.one_hot(classes); gradients.len()]);
        }
        let seed = match classes {
            Some(_) => Seed::Input,
            None => Seed::ArgMax,
        };
        let variant = Variant::forward(outputs).with_gradients(seed, gradients);
        self.run_variant(&variant, &inputs)
    }

    /// Runs one input once for each class; once, for the top class, where there are none. Returns what
    /// [`Self::run`] does.
    pub fn run_for_each(
        &mut self,
        targets: Targets,
        input: &Tensor,
        classes: &[usize],
    ) -> Result<Vec<Tensor>> {
        if classes.is_empty() {
            return self.run(targets, input.clone(), None);
        }
        let mut all: Vec<Tensor> = Vec::new();
        for chunk in classes.chunks(BATCH) {
            let rows = input.data().repeat(chunk.len());
            let rows = Tensor::new(self.model.shape(chunk.len()), rows)?;
            append_batches(&mut all, self.run(targets, rows, Some(chunk))?)?;
        }
        Ok(all)
    }

    /// Runs `count` inputs, [`BATCH`] at most, that `make(i, row)` appends to a batch, and calls
    /// `each(score, gradient)` with the score of `class` and its gradient with respect to each input. The
    /// batch always has [`BATCH`] rows, so that one plan serves all calls.
    pub fn input_gradients(
        &mut self,
        class: usize,
        count: usize,
        mut make: impl FnMut(usize, &mut Vec<f32>),
        mut each: impl FnMut(f64, &[f32]),
    ) -> Result<()> {
        let len = self.model.shape(1).len();
        let mut data = Vec::with_capacity(BATCH * len);
        for i in 0..count {
            make(i, &mut data);
        }
        data.resize(BATCH * len, 0.0);
        let rows = Tensor::new(self.model.shape(BATCH), data)?;
        let outputs = self.run(Targets::Input, rows, Some(&[class; BATCH]))?;
        let scores = outputs[0].data().chunks(outputs[0].data().len() / BATCH);
        for (scores, gradient) in scores.zip(outputs[1].data().chunks(len)).take(count) {
            each(f64::from(scores[class]), gradient);
        }
        Ok(())
    }

    /// Sets the callback of [`Self::report_progress`].
    pub fn on_progress(
        &mut self,
        progress: impl FnMut(usize, usize) -> ControlFlow<()> + Send + 'static,
    ) {
        self.progress = Some(Box::new(progress));
    }

    /// Reports how many passes or images are completed, of how many in total.
    ///
    /// # Errors
    /// [`Error::Stopped`] where the callback says so.
    pub fn report_progress(&mut self, completed: usize, total: usize) -> Result<()> {
        let go_on = (self.progress.as_mut()).map(|progress| progress(completed, total));
        match go_on {
            Some(ControlFlow::Break(())) => Err(Error::Stopped),
            _ => Ok(()),
        }
    }

    /// The image.
    fn input(&self) -> ValueId {
        // `new` checked that there is one.
        self.graph().inputs()[0]
    }

    fn run_variant(&mut self, variant: &Variant, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let image = self.model.shape(1);
        self.model.session.run(variant, &image, inputs)
    }

    /// Seeds that are 1 at each row's class and 0 elsewhere.
    fn one_hot(&self, classes: &[usize]) -> Tensor {
        let mut dims = self.scores_shape.dims().to_vec();
        dims[0] = classes.len();
        let mut seed = Tensor::zeros(dims);
        let count = self.scores_shape.len();
        for (row, class) in seed.data_mut().chunks_mut(count).zip(classes) {
            row[*class] = 1.0;
        }
        seed
    }
}
