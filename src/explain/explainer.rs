//! See [`Explainer`].

use std::sync::Arc;

use image::RgbImage;

use super::cam::{grad_cam, grad_cam_plus_plus};
use super::explanation::{Completeness, ExplainOptions, Explanation};
use super::method::ExplainMethod;
use super::model_variants::VariantRunner;
use super::occlusion::occlusion;
use super::pixels;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{GradientRule, Graph, Seed, ValueId};
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
    pub(super) runner: VariantRunner<Variant>,
    labels: Labels,
    scores: ValueId,
    /// The shape of one picture's scores.
    scores_shape: Shape,
    progress: Option<Box<dyn FnMut(usize, usize) + Send>>,
}

/// What is asked of the network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Variant {
    wanted: Targets,
    /// Whether classes are given, rather than each picture's likeliest.
    given: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Targets {
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
    /// [`Error::File`] where the folder's network is no classifier; those of [`Self::from_graph`].
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        let (graph, task) = folder.graph()?;
        if task != Task::Classification || folder.num_classes == 0 {
            return Err(folder.wrong_task(task, Task::Classification));
        }
        let weights = folder.weights(&graph)?;
        let labels = folder.labels.clone();
        Self::from_graph(
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
    pub fn from_graph(
        device: &Device,
        graph: &Graph,
        weights: impl Into<Arc<Weights>>,
        preprocessing: &Preprocessing,
        labels: Labels,
        options: &SessionOptions,
    ) -> Result<Self> {
        let runner = VariantRunner::new(device, graph, weights, preprocessing, options)?;
        let scores = graph.scores();
        let scores_shape = graph.infer(&[runner.shape(1)])?.swap_remove(scores.index());
        if scores_shape.len() != scores_shape.nchw()[1] {
            return Err(Error::Inputs(format!(
                "one score a class was expected of {}; found an output {scores_shape}",
                graph.name()
            )));
        }
        Ok(Self {
            runner,
            labels,
            scores,
            scores_shape,
            progress: None,
        })
    }

    /// Is told, as `progress(done, all)`, how far methods of many passes are.
    pub fn on_progress(&mut self, progress: impl FnMut(usize, usize) + Send + 'static) {
        self.progress = Some(Box::new(progress));
    }

    /// How pictures become inputs.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.runner.preprocessing
    }

    /// The classes' names.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What the user should be told about how the network runs; see
    /// [`Session::warning`](crate::session::Session::warning).
    pub fn warning(&self) -> Option<&str> {
        self.runner.warning()
    }

    /// Moves to another device, after the first was lost.
    pub fn restore(&mut self, device: &Device) {
        self.runner.restore(device);
    }

    /// The evidence in `picture` for each of the classes asked for, in their order.
    ///
    /// # Errors
    /// [`Error::UnknownName`], with the nearest names; [`Error::Inputs`] for a class that there is not,
    /// for a layer that is no map or has nothing to do with the scores, for a network without maps, and
    /// where the network answers what are no numbers; [`Error::Node`] where an operator on the way has no
    /// gradient; those of [`Preprocessing::apply`] and of the device.
    pub fn explain(
        &mut self,
        picture: &RgbImage,
        options: &ExplainOptions,
    ) -> Result<Vec<Explanation>> {
        self.check(options)?;
        let input = self.runner.preprocessing.apply(picture)?;
        let wanted = match options.method {
            ExplainMethod::GradCam | ExplainMethod::GradCamPlusPlus => {
                Targets::Layer(self.layer(options.layer.as_deref())?)
            }
            ExplainMethod::GuidedGradCam => Targets::Guided(self.layer(options.layer.as_deref())?),
            ExplainMethod::Occlusion { .. } => Targets::Scores,
            ExplainMethod::Saliency
            | ExplainMethod::SmoothGrad { .. }
            | ExplainMethod::IntegratedGradients { .. } => Targets::Input,
        };
        match options.method {
            ExplainMethod::GradCam
            | ExplainMethod::GradCamPlusPlus
            | ExplainMethod::GuidedGradCam
            | ExplainMethod::Saliency => self.in_one_pass(&input, wanted, options),
            ExplainMethod::SmoothGrad { samples, noise } => {
                self.in_many(&input, wanted, options, |this, _, class| {
                    let heat = pixels::smooth_grad(this, &input, class, samples, noise)?;
                    Ok((heat, None))
                })
            }
            ExplainMethod::IntegratedGradients { steps } => {
                self.in_many(&input, wanted, options, |this, scores, class| {
                    let (heat, completeness) =
                        pixels::integrated_gradients(this, &input, scores, class, steps)?;
                    Ok((heat, Some(completeness)))
                })
            }
            ExplainMethod::Occlusion { window, stride } => {
                let (scores, classes) = self.look(&input, wanted, options)?;
                let heats = occlusion(self, &input, &scores, &classes, window, stride)?;
                let found = classes.into_iter().zip(heats);
                Ok(found
                    .map(|(class, heat)| self.explanation(scores.data(), class, heat))
                    .collect())
            }
        }
    }

    /// Whether `options` can be done, whatever the picture.
    ///
    /// # Errors
    /// Those of [`Self::explain`] that are about its options.
    pub fn check(&self, options: &ExplainOptions) -> Result<()> {
        let [_, height, width] = self.runner.preprocessing.input_size;
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
        let mut layers = self.runner.layers()?;
        layers.retain(|(_, _, shape)| shape.dims()[2..].iter().product::<usize>() > 1);
        Ok(layers)
    }

    /// The layer whose map is made where none is named.
    ///
    /// # Errors
    /// [`Error::Inputs`] for a network without maps.
    pub fn default_layer(&self) -> Result<&str> {
        let layer = self.layer(None)?;
        Ok(&self.runner.graph.node(layer).name)
    }

    fn check_class(&self, class: usize) -> Result<()> {
        let count = self.scores_shape.len();
        match class < count {
            true => Ok(()),
            false => Err(Error::Inputs(format!(
                "there is no class {class}: {} has {count}, counted from 0",
                self.runner.graph.name()
            ))),
        }
    }

    /// The layer of that name, or the last map.
    fn layer(&self, name: Option<&str>) -> Result<ValueId> {
        let graph = &self.runner.graph;
        let Some(name) = name else {
            return graph.last_feature_map(&[self.runner.shape(1)])?.ok_or_else(|| {
                Error::Inputs(format!(
                    "{} has no spatial maps: none of its convolutions answers more than one pixel, so that \
                     there is nowhere to point to; pixels can be asked for all the same \
                     (saliency, integrated-gradients, occlusion)",
                    graph.name()
                ))
            });
        };
        let value = graph.find(name)?;
        let shape = &graph.infer(&[self.runner.shape(1)])?[value.index()];
        match shape.dims() {
            [_, _, h, w] if h * w > 1 => Ok(value),
            _ => Err(Error::Inputs(format!(
                "'{name}' of {} is {shape}, no map of several pixels; choose an earlier layer",
                graph.name()
            ))),
        }
    }

    /// Methods of one pass, in which they find the likeliest class, too.
    fn in_one_pass(
        &mut self,
        input: &Tensor,
        wanted: Targets,
        options: &ExplainOptions,
    ) -> Result<Vec<Explanation>> {
        let classes = match options.classes.is_empty() && options.top > 1 {
            true => self.look(input, wanted, options)?.1,
            false => options.classes.clone(),
        };
        let answers = self.run(wanted, input, &classes)?;
        let layer = match wanted {
            Targets::Layer(layer) | Targets::Guided(layer) => {
                Some(self.runner.graph.node(layer).name.clone())
            }
            Targets::Scores | Targets::Input => None,
        };
        (answers[0]
            .data()
            .chunks(self.scores_shape.len())
            .enumerate())
        .map(|(row, scores)| {
            let image = |answer: usize| pixels::image(&answers[answer], row);
            let heat = match options.method {
                ExplainMethod::GradCamPlusPlus => grad_cam_plus_plus(&image(1), &image(2))?,
                ExplainMethod::GuidedGradCam => {
                    pixels::guided(&grad_cam(&image(1), &image(2))?, &image(3))?
                }
                ExplainMethod::Saliency => pixels::largest(&image(1))?,
                _ => grad_cam(&image(1), &image(2))?,
            };
            // A row has scores, and so a likeliest.
            let class = (classes.get(row).copied()).unwrap_or_else(|| top_k(scores, 1)[0]);
            Ok(Explanation {
                layer: layer.clone(),
                ..self.explanation(scores, class, heat)
            })
        })
        .collect()
    }

    /// Methods of many passes, `one` class after the other; it is given the picture's scores.
    fn in_many(
        &mut self,
        input: &Tensor,
        wanted: Targets,
        options: &ExplainOptions,
        mut one: impl FnMut(&mut Self, &Tensor, usize) -> Result<(HeatMap, Option<Completeness>)>,
    ) -> Result<Vec<Explanation>> {
        let (scores, classes) = self.look(input, wanted, options)?;
        (classes.into_iter())
            .map(|class| {
                let (heat, completeness) = one(self, &scores, class)?;
                Ok(Explanation {
                    completeness,
                    ..self.explanation(scores.data(), class, heat)
                })
            })
            .collect()
    }

    /// The picture's scores, and the classes asked for or the likeliest.
    fn look(
        &mut self,
        input: &Tensor,
        wanted: Targets,
        options: &ExplainOptions,
    ) -> Result<(Tensor, Vec<usize>)> {
        let scores = self.scores_of(wanted, input)?;
        let classes = match options.classes.is_empty() {
            true => top_k(scores.data(), options.top.max(1)),
            false => options.classes.clone(),
        };
        Ok((scores, classes))
    }

    /// The scores of one input, from the session that answers `wanted`.
    pub(super) fn scores_of(&mut self, wanted: Targets, input: &Tensor) -> Result<Tensor> {
        // Of a given class, whichever, so that it is the session used on.
        let answers = self.run_rows(wanted, input.clone(), Some(&[0]));
        Ok(answers?.swap_remove(0))
    }

    /// Runs a picture, once for each class; once where none is given.
    fn run(&mut self, wanted: Targets, input: &Tensor, classes: &[usize]) -> Result<Vec<Tensor>> {
        if classes.is_empty() {
            return self.run_rows(wanted, input.clone(), None);
        }
        // Rows of all batches one behind the other.
        let mut all: Vec<Tensor> = Vec::new();
        for some in classes.chunks(BATCH) {
            let rows = input.data().repeat(some.len());
            let rows = Tensor::new(self.runner.shape(some.len()), rows)?;
            let answers = self.run_rows(wanted, rows, Some(some))?;
            all = match all.is_empty() {
                true => answers,
                false => (all.into_iter().zip(answers))
                    .map(|(all, more)| concat_batches(all, more))
                    .collect::<Result<_>>()?,
            };
        }
        Ok(all)
    }

    /// Runs a batch, each row for its own class, or for its likeliest.
    pub(super) fn run_rows(
        &mut self,
        wanted: Targets,
        rows: Tensor,
        classes: Option<&[usize]>,
    ) -> Result<Vec<Tensor>> {
        let (scores, input) = (self.scores, self.runner.input());
        let given = classes.is_some() && wanted != Targets::Scores;
        let (shape, scores_shape) = (self.runner.shape(1), self.scores_shape.clone());
        let make = |graph: &Graph| {
            let seed = match given {
                true => Seed::Input,
                false => Seed::ArgMax,
            };
            let mut shapes = vec![shape.clone()];
            let mut add = |graph: Graph, target, rule| {
                let graph = graph.with_gradients(&shapes, scores, seed, &[target], rule)?;
                shapes.extend(given.then(|| scores_shape.clone()));
                Ok(graph)
            };
            let plain = GradientRule::Gradient;
            match wanted {
                Targets::Scores => Ok(graph.with_outputs(vec![scores])),
                Targets::Input => add(graph.with_outputs(vec![scores]), input, plain),
                Targets::Layer(layer) => add(graph.with_outputs(vec![scores, layer]), layer, plain),
                Targets::Guided(layer) => {
                    let graph = add(graph.with_outputs(vec![scores, layer]), layer, plain)?;
                    add(graph, input, GradientRule::Guided)
                }
            }
        };
        let seeds = match (given, wanted) {
            (false, _) => 0,
            (true, Targets::Guided(_)) => 2,
            (true, _) => 1,
        };
        let mut inputs = vec![rows];
        if let Some(classes) = classes.filter(|_| seeds > 0) {
            let mut dims = self.scores_shape.dims().to_vec();
            dims[0] = classes.len();
            let mut seed = Tensor::zeros(dims);
            let count = self.scores_shape.len();
            for (row, class) in seed.data_mut().chunks_mut(count).zip(classes) {
                row[*class] = 1.0;
            }
            inputs.extend(vec![seed; seeds]);
        }
        self.runner.run(Variant { wanted, given }, make, &inputs)
    }

    fn explanation(&self, scores: &[f32], class: usize, heat: HeatMap) -> Explanation {
        Explanation {
            class,
            label: self.labels.text(class).into_owned(),
            score: scores[class],
            probability: softmax(scores)[class],
            heat,
            layer: None,
            completeness: None,
        }
    }

    pub(super) fn tell(&mut self, done: usize, all: usize) {
        if let Some(progress) = &mut self.progress {
            progress(done, all);
        }
    }
}

/// Two batches as one.
fn concat_batches(first: Tensor, second: Tensor) -> Result<Tensor> {
    let mut dims = first.shape().dims().to_vec();
    dims[0] += second.shape().dims()[0];
    let mut data = first.into_data();
    data.extend(second.data());
    Tensor::new(dims, data)
}
