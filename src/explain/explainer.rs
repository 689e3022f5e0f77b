//! See [`Explainer`].

use std::sync::Arc;

use image::RgbImage;

use super::cam::{grad_cam, grad_cam_plus_plus};
use super::explanation::{Completeness, ExplainOptions, Explanation};
use super::method::Method;
use super::opened::Opened;
use super::pixels;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{BackwardRule, Graph, Seed, ValueId};
use crate::model_folder::ModelFolder;
use crate::session::SessionOptions;
use crate::tensor::{Shape, Tensor};
use crate::vision::{HeatMap, Labels, Preprocessing, softmax, top_k};
use crate::weights::Weights;
use crate::zoo::Task;

/// Pictures run at once where there are many: noisy copies, steps, squares.
pub(super) const BATCH: usize = 8;

/// Finds the evidence for a classifier's answers. See [`crate::explain`] for an example.
pub struct Explainer {
    pub(super) opened: Opened<Variant>,
    labels: Labels,
    scores: ValueId,
    progress: Option<Box<dyn FnMut(usize, usize) + Send>>,
}

/// What is asked of the network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Variant {
    wanted: Wanted,
    /// Whether classes are given, rather than each picture's likeliest.
    given: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The scores.
    Scores,
    /// The scores, a layer and the gradient with respect to it.
    Layer(ValueId),
    /// These, and what guided backpropagation brings back to the input.
    Guided(ValueId),
    /// The scores and the gradient with respect to the input.
    Input,
}

impl Explainer {
    /// Opens a model folder's classifier.
    ///
    /// # Errors
    /// [`Error::File`] where the folder's network is no classifier; those of [`Self::of_graph`].
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        let (graph, task) = folder.graph()?;
        if task != Task::Classification || folder.num_classes == 0 {
            return Err(folder.made_for(task, Task::Classification));
        }
        let weights = folder.weights(&graph)?;
        let labels = folder.labels.clone();
        Self::of_graph(
            device,
            &graph,
            weights,
            &folder.preprocessing,
            labels,
            options,
        )
    }

    /// Opens a classifier: a graph whose first output is one score a class, or their softmax.
    ///
    /// # Errors
    /// Where the weights do not fit the graph, or the graph not the preprocessing's input; and
    /// [`Error::Inputs`] for a graph that answers no scores or reads more than a picture.
    pub fn of_graph(
        device: &Device,
        graph: &Graph,
        weights: impl Into<Arc<Weights>>,
        preprocessing: &Preprocessing,
        labels: Labels,
        options: &SessionOptions,
    ) -> Result<Self> {
        let opened = Opened::new(device, graph, weights, preprocessing, options)?;
        let scores = graph.scores();
        let shape = &graph.infer(&[opened.shape(1)])?[scores.index()];
        if shape.len() != shape.nchw()[1] {
            return Err(Error::Inputs(format!(
                "one score a class was expected of {}; found an output {shape}",
                graph.name()
            )));
        }
        Ok(Self {
            opened,
            labels,
            scores,
            progress: None,
        })
    }

    /// Is told, as `progress(done, all)`, how far methods of many passes are.
    pub fn on_progress(&mut self, progress: impl FnMut(usize, usize) + Send + 'static) {
        self.progress = Some(Box::new(progress));
    }

    /// How pictures become inputs.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.opened.preprocessing
    }

    /// The classes' names.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What the user should be told about how the network runs; see
    /// [`Session::notice`](crate::session::Session::notice).
    pub fn notice(&self) -> Option<&str> {
        self.opened.notice()
    }

    /// Moves to another device, after the first was lost.
    pub fn restore(&mut self, device: &Device) {
        self.opened.restore(device);
    }

    /// The evidence in `picture` for each of the classes asked for, in their order.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`], with the nearest names; [`Error::Inputs`] for a class that there is not,
    /// for a layer that is no map or has nothing to do with the scores, for a network without maps, and
    /// where the network answers what are no numbers; [`Error::Node`] where an operator on the way has no
    /// gradient; those of [`Preprocessing::apply`] and of the device.
    pub fn explain(
        &mut self,
        picture: &RgbImage,
        options: &ExplainOptions,
    ) -> Result<Vec<Explanation>> {
        self.check(options)?;
        let input = self.opened.preprocessing.apply(picture)?;
        let wanted = match options.method {
            Method::GradCam | Method::GradCamPlusPlus => {
                Wanted::Layer(self.layer(options.layer.as_deref())?)
            }
            Method::GuidedGradCam => Wanted::Guided(self.layer(options.layer.as_deref())?),
            Method::Occlusion { .. } => Wanted::Scores,
            Method::Saliency | Method::SmoothGrad { .. } | Method::IntegratedGradients { .. } => {
                Wanted::Input
            }
        };
        let mut classes = options.classes.clone();
        // Methods of one pass find the likeliest in it.
        let one_pass = options.method.takes_layer() || options.method == Method::Saliency;
        if classes.is_empty() && !(one_pass && options.top <= 1) {
            classes = self.likeliest(wanted, &input, options.top.max(1))?;
        }
        match options.method {
            Method::GradCam | Method::GradCamPlusPlus | Method::GuidedGradCam => {
                self.class_activation(&input, wanted, options.method, &classes)
            }
            Method::Saliency => {
                let answers = self.run(wanted, &input, &classes)?;
                self.explanations(&answers[0], &classes, |row, _| {
                    Ok((pixels::largest(&pixels::image(&answers[1], row))?, None))
                })
            }
            Method::SmoothGrad { samples, noise } => {
                pixels::smooth_grad(self, &input, &classes, samples, noise)
            }
            Method::IntegratedGradients { steps } => {
                pixels::integrated_gradients(self, &input, &classes, steps)
            }
            Method::Occlusion { window, stride } => {
                super::occlusion::occlusion(self, &input, &classes, window, stride)
            }
        }
    }

    /// Whether `options` can be done, whatever the picture.
    ///
    /// # Errors
    /// Those of [`Self::explain`] that are about its options.
    pub fn check(&self, options: &ExplainOptions) -> Result<()> {
        let [_, height, width] = self.opened.preprocessing.input_size;
        options.method.check([height, width])?;
        match (&options.layer, options.method.takes_layer()) {
            (Some(layer), false) => {
                return Err(Error::Inputs(format!(
                    "{} is about pixels and takes no layer; '{layer}' was asked for",
                    options.method
                )));
            }
            (layer, true) => drop(self.layer(layer.as_deref())?),
            (None, false) => {}
        }
        (options.classes.iter()).try_for_each(|&class| self.check_class(class))
    }

    /// The layers that options may name: those that answer maps of more than one pixel. Name, operator
    /// in PyTorch's terms, and shape.
    ///
    /// # Errors
    /// As [`Graph::infer`].
    pub fn layers(&self) -> Result<Vec<(String, &'static str, Shape)>> {
        let mut layers = self.opened.layers()?;
        layers.retain(|(_, _, shape)| shape.dims()[2..].iter().product::<usize>() > 1);
        Ok(layers)
    }

    /// The layer whose map is made where none is named.
    ///
    /// # Errors
    /// [`Error::Inputs`] for a network without maps.
    pub fn default_layer(&self) -> Result<&str> {
        let layer = self.layer(None)?;
        Ok(&self.opened.graph.node(layer).name)
    }

    fn check_class(&self, class: usize) -> Result<()> {
        let shape = self.opened.graph.infer(&[self.opened.shape(1)])?;
        let count = shape[self.scores.index()].len();
        match class < count {
            true => Ok(()),
            false => Err(Error::Inputs(format!(
                "there is no class {class}: {} has {count}, counted from 0",
                self.opened.graph.name()
            ))),
        }
    }

    /// The layer of that name, or the last map.
    fn layer(&self, name: Option<&str>) -> Result<ValueId> {
        let graph = &self.opened.graph;
        let Some(name) = name else {
            return graph.last_map(&[self.opened.shape(1)])?.ok_or_else(|| {
                Error::Inputs(format!(
                    "{} has no spatial maps: none of its convolutions answers more than one pixel, so that \
                     there is nowhere to point to; pixels can be asked for all the same \
                     (saliency, integrated-gradients, occlusion)",
                    graph.name()
                ))
            });
        };
        let value = graph.find(name)?;
        let shape = &graph.infer(&[self.opened.shape(1)])?[value.index()];
        match shape.dims() {
            [_, _, h, w] if h * w > 1 => Ok(value),
            _ => Err(Error::Inputs(format!(
                "'{name}' of {} is {shape}, no map of several pixels; choose an earlier layer",
                graph.name()
            ))),
        }
    }

    fn class_activation(
        &mut self,
        input: &Tensor,
        wanted: Wanted,
        method: Method,
        classes: &[usize],
    ) -> Result<Vec<Explanation>> {
        let answers = self.run(wanted, input, classes)?;
        let (activation, gradient) = (&answers[1], &answers[2]);
        let mut found = self.explanations(&answers[0], classes, |row, _| {
            let heat = match method {
                Method::GradCamPlusPlus => grad_cam_plus_plus(activation, gradient, row)?,
                _ => grad_cam(activation, gradient, row)?,
            };
            let heat = match answers.get(3) {
                Some(guided) => pixels::guided(&heat, &pixels::image(guided, row))?,
                None => heat,
            };
            Ok((heat, None))
        })?;
        if let Wanted::Layer(layer) | Wanted::Guided(layer) = wanted {
            let name = &self.opened.graph.node(layer).name;
            for explanation in &mut found {
                explanation.layer = Some(name.clone());
            }
        }
        Ok(found)
    }

    /// Runs a picture, once for each class; once where none is given.
    fn run(&mut self, wanted: Wanted, input: &Tensor, classes: &[usize]) -> Result<Vec<Tensor>> {
        if classes.is_empty() {
            return self.run_rows(wanted, input.clone(), None);
        }
        // Rows of all batches one behind the other.
        let mut all: Vec<Tensor> = Vec::new();
        for some in classes.chunks(BATCH) {
            let rows = input.data().repeat(some.len());
            let rows = Tensor::new(self.opened.shape(some.len()), rows)?;
            let answers = self.run_rows(wanted, rows, Some(some))?;
            all = match all.is_empty() {
                true => answers,
                false => (all.into_iter().zip(answers))
                    .map(|(all, more)| behind(all, more))
                    .collect::<Result<_>>()?,
            };
        }
        Ok(all)
    }

    /// Runs a batch, each row for its own class, or for its likeliest.
    pub(super) fn run_rows(
        &mut self,
        wanted: Wanted,
        rows: Tensor,
        classes: Option<&[usize]>,
    ) -> Result<Vec<Tensor>> {
        let (scores, input) = (self.scores, self.opened.input());
        let given = classes.is_some() && wanted != Wanted::Scores;
        let shape = self.opened.shape(1);
        let make = |graph: &Graph| {
            let seed = match given {
                true => Seed::Given,
                false => Seed::Likeliest,
            };
            let mut shapes = vec![shape.clone()];
            let score = graph.infer(&shapes)?[scores.index()].clone();
            let mut add = |graph: Graph, target, rule| {
                let graph = graph.with_gradients(&shapes, scores, seed, &[target], rule)?;
                shapes.extend(given.then(|| score.clone()));
                Ok(graph)
            };
            let plain = BackwardRule::Gradient;
            match wanted {
                Wanted::Scores => Ok(graph.with_outputs(vec![scores])),
                Wanted::Input => add(graph.with_outputs(vec![scores]), input, plain),
                Wanted::Layer(layer) => add(graph.with_outputs(vec![scores, layer]), layer, plain),
                Wanted::Guided(layer) => {
                    let graph = add(graph.with_outputs(vec![scores, layer]), layer, plain)?;
                    add(graph, input, BackwardRule::Guided)
                }
            }
        };
        let seeds = match (given, wanted) {
            (false, _) => 0,
            (true, Wanted::Guided(_)) => 2,
            (true, _) => 1,
        };
        let mut inputs = vec![rows];
        if let Some(classes) = classes.filter(|_| seeds > 0) {
            let mut dims = self.opened.graph.infer(&[self.opened.shape(1)])?[scores.index()]
                .dims()
                .to_vec();
            dims[0] = classes.len();
            let count = Shape::from(&dims[1..]).len();
            let mut seed = Tensor::zeros(dims);
            for (row, class) in seed.data_mut().chunks_mut(count).zip(classes) {
                row[*class] = 1.0;
            }
            inputs.extend(vec![seed; seeds]);
        }
        self.opened.run(Variant { wanted, given }, make, &inputs)
    }

    /// The classes that the network answers for, the likeliest first.
    fn likeliest(&mut self, wanted: Wanted, input: &Tensor, count: usize) -> Result<Vec<usize>> {
        // As a given class, whichever, so that the session made is the one used on.
        let answers = self.run_rows(wanted, input.clone(), Some(&[0]))?;
        Ok(top_k(answers[0].data(), count))
    }

    /// Explanations of the rows of `scores`, each for its class, or for its likeliest.
    pub(super) fn explanations(
        &self,
        scores: &Tensor,
        classes: &[usize],
        mut heat: impl FnMut(usize, usize) -> Result<(HeatMap, Option<Completeness>)>,
    ) -> Result<Vec<Explanation>> {
        let count = scores.shape().nchw()[1];
        (scores.data().chunks(count).enumerate())
            .map(|(row, scores)| {
                // A row has scores, and so a likeliest.
                let class = (classes.get(row).copied()).unwrap_or_else(|| top_k(scores, 1)[0]);
                let (heat, completeness) = heat(row, class)?;
                Ok(Explanation {
                    class,
                    label: self.labels.text(class).into_owned(),
                    score: scores[class],
                    probability: softmax(scores)[class],
                    heat,
                    layer: None,
                    completeness,
                })
            })
            .collect()
    }

    pub(super) fn tell(&mut self, done: usize, all: usize) {
        if let Some(progress) = &mut self.progress {
            progress(done, all);
        }
    }
}

/// Two batches as one.
fn behind(first: Tensor, second: Tensor) -> Result<Tensor> {
    let mut dims = first.shape().dims().to_vec();
    dims[0] += second.shape().dims()[0];
    let mut data = first.into_data();
    data.extend(second.data());
    Tensor::new(dims, data)
}
