//! See [`Explainer`].

use std::ops::ControlFlow;
use std::sync::Arc;

use image::RgbImage;

use super::cam::{grad_cam, grad_cam_plus_plus};
use super::explanation::{Completeness, Explanation};
use super::integrated_gradients::integrated_gradients;
use super::method::ExplainMethod;
use super::occlusion::occlusion;
use super::options::ExplainOptions;
use super::pixel_heat::{batch_row, guided_cam, max_magnitude};
use super::probe::{Probe, Targets};
use super::smooth_grad::smooth_grad;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};
use crate::model_folder::ModelFolder;
use crate::session::SessionOptions;
use crate::tasks::{classifier_graph, model_methods};
use crate::tensor::{Shape, Tensor};
use crate::vision::{HeatMap, Labels, Preprocessing, softmax, top_k};
use crate::weights::Weights;

/// Finds the evidence for a classifier's predictions. See [`crate::explain`] for an example.
pub struct Explainer {
    probe: Probe,
}

model_methods!(Explainer, probe.model, probe);

impl std::fmt::Debug for Explainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explainer")
            .field("network", &self.probe.graph().name())
            .finish_non_exhaustive()
    }
}

impl Explainer {
    /// Opens a model folder's classifier.
    ///
    /// # Errors
    /// [`Error::File`] where the folder's network is not a classifier or has no classes; those of
    /// [`Self::from_graph`].
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        let graph = classifier_graph(folder)?;
        let weights = folder.weights(&graph)?;
        let (preprocessing, labels) = (&folder.preprocessing, folder.labels.clone());
        #[cfg_attr(not(feature = "onnx"), expect(unused_mut))]
        let mut this = Self::from_graph(device, &graph, weights, preprocessing, labels, options)?;
        #[cfg(feature = "onnx")]
        if folder.onnx().is_some() {
            // Its graph is for inputs of one shape, and many models take one image only.
            this.probe.model.session.one_image_at_a_time();
        }
        Ok(this)
    }

    /// Opens a classifier: a graph whose first output is one score per class, or their softmax.
    ///
    /// # Errors
    /// Where the weights do not fit the graph, or the graph does not fit the preprocessing's input; and
    /// [`Error::Inputs`] for a graph whose output is not scores, or which has other inputs than one image.
    pub fn from_graph(
        device: &Device,
        graph: &Graph,
        weights: impl Into<Arc<Weights>>,
        preprocessing: &Preprocessing,
        labels: Labels,
        options: &SessionOptions,
    ) -> Result<Self> {
        let probe = Probe::new(device, graph, weights, preprocessing, labels, options)?;
        let scores = probe.scores_shape();
        if scores.len() != scores.nchw()[1] {
            return Err(Error::Inputs(format!(
                "one score per class was expected of {}; found an output {scores}",
                graph.name()
            )));
        }
        Ok(Self { probe })
    }

    /// Sets a callback for methods of many passes: `progress(completed, total)`. Where it breaks, the method ends with
    /// [`Error::Stopped`].
    pub fn on_progress(
        &mut self,
        progress: impl FnMut(usize, usize) -> ControlFlow<()> + Send + 'static,
    ) {
        self.probe.on_progress(progress);
    }

    /// The classes' names.
    pub fn labels(&self) -> &Labels {
        &self.probe.model.labels
    }

    /// The evidence in `image` for each of the classes in `options`, in their order.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for an unknown layer, with the nearest names; [`Error::Inputs`] for a class
    /// that the network does not have, for a layer that is not a feature map or does not affect the scores,
    /// for a network without feature maps, and where the network's outputs are NaN; [`Error::Node`] where an
    /// operator between the layer and the scores has no gradient; those of [`Preprocessing::apply`] and of
    /// the device.
    pub fn explain(
        &mut self,
        image: &RgbImage,
        options: &ExplainOptions,
    ) -> Result<Vec<Explanation>> {
        self.check(options)?;
        let input = self.preprocessing().apply(image)?;
        match options.method {
            ExplainMethod::GradCam | ExplainMethod::GradCamPlusPlus => {
                let layer = self.layer(options.layer.as_deref())?;
                self.explain_in_one_pass(&input, Targets::Layer(layer), options)
            }
            ExplainMethod::GuidedGradCam => {
                let layer = self.layer(options.layer.as_deref())?;
                self.explain_in_one_pass(&input, Targets::Guided(layer), options)
            }
            ExplainMethod::Saliency => self.explain_in_one_pass(&input, Targets::Input, options),
            ExplainMethod::SmoothGrad { samples, noise } => {
                self.explain_one_by_one(&input, options, |probe, _, class| {
                    let heat = smooth_grad(probe, &input, class, samples, noise)?;
                    Ok((heat, None))
                })
            }
            ExplainMethod::IntegratedGradients { steps } => {
                self.explain_one_by_one(&input, options, |probe, scores, class| {
                    let (heat, completeness) =
                        integrated_gradients(probe, &input, scores, class, steps)?;
                    Ok((heat, Some(completeness)))
                })
            }
            ExplainMethod::Occlusion { window, stride } => {
                let (scores, classes) =
                    self.scores_and_classes(&input, Targets::Scores, options)?;
                let probe = &mut self.probe;
                let heats = occlusion(probe, &input, &scores, &classes, window, stride)?;
                let found = classes.into_iter().zip(heats);
                Ok(found
                    .map(|(class, heat)| self.explanation(scores.data(), class, heat))
                    .collect())
            }
        }
    }

    /// Checks `options`, as far as that is possible without an image.
    ///
    /// # Errors
    /// Those errors of [`Self::explain`] that concern its options.
    pub fn check(&self, options: &ExplainOptions) -> Result<()> {
        let [_, height, width] = self.preprocessing().input_size;
        options.method.check([height, width])?;
        match (&options.layer, options.method.takes_layer()) {
            (Some(layer), false) => {
                return Err(Error::Inputs(format!(
                    "{} explains pixels and takes no layer; found '{layer}'",
                    options.method
                )));
            }
            (layer, true) => drop(self.layer(layer.as_deref())?),
            (None, false) => {}
        }
        (options.classes.iter()).try_for_each(|&class| self.check_class(class))
    }

    /// The layers that options may name: those whose output is a map of more than one pixel. Name, operator
    /// in PyTorch's terms, and shape.
    ///
    /// # Errors
    /// Those of [`Graph::infer`].
    pub fn layers(&self) -> Result<Vec<(String, &'static str, Shape)>> {
        let mut layers = self.probe.layers()?;
        layers.retain(|(_, _, shape)| shape.dims()[2..].iter().product::<usize>() > 1);
        Ok(layers)
    }

    /// The layer that is explained where none is named.
    ///
    /// # Errors
    /// [`Error::Inputs`] for a network without feature maps.
    pub fn default_layer(&self) -> Result<&str> {
        let layer = self.layer(None)?;
        Ok(&self.probe.graph().node(layer).name)
    }

    fn check_class(&self, class: usize) -> Result<()> {
        let count = self.probe.scores_shape().len();
        match class < count {
            true => Ok(()),
            false => Err(Error::Inputs(format!(
                "there is no class {class}: {} has {count}, counted from 0",
                self.probe.graph().name()
            ))),
        }
    }

    /// The layer of that name, or the last feature map.
    fn layer(&self, name: Option<&str>) -> Result<ValueId> {
        let graph = self.probe.graph();
        let Some(name) = name else {
            let last = graph.last_feature_map(&[self.probe.model.shape(1)])?;
            return last.ok_or_else(|| {
                Error::Inputs(format!(
                    "{} has no spatial maps: none of its convolutions has an output of more than one pixel, \
                     so that no place can be shown; methods that explain pixels work all the same \
                     (saliency, integrated-gradients, occlusion)",
                    graph.name()
                ))
            });
        };
        let (value, shape) = self.probe.layer(name)?;
        match shape.dims() {
            [_, _, h, w] if h * w > 1 => Ok(value),
            _ => Err(Error::Inputs(format!(
                "'{name}' of {} is {shape}, not a map of several pixels; choose an earlier layer",
                graph.name()
            ))),
        }
    }

    /// Methods that take one pass for all classes, which finds the top class, too.
    fn explain_in_one_pass(
        &mut self,
        input: &Tensor,
        targets: Targets,
        options: &ExplainOptions,
    ) -> Result<Vec<Explanation>> {
        let classes = match options.classes.is_empty() && options.top > 1 {
            true => self.scores_and_classes(input, targets, options)?.1,
            false => options.classes.clone(),
        };
        let outputs = self.probe.run_for_each(targets, input, &classes)?;
        let layer = match targets {
            Targets::Layer(layer) | Targets::Guided(layer) => {
                Some(self.probe.graph().node(layer).name.clone())
            }
            Targets::Scores | Targets::Input => None,
        };
        let rows = (outputs[0].data()).chunks(self.probe.scores_shape().len());
        rows.enumerate()
            .map(|(row, scores)| {
                let image = |output: usize| batch_row(&outputs[output], row);
                let heat = match options.method {
                    ExplainMethod::GradCamPlusPlus => grad_cam_plus_plus(&image(1), &image(2))?,
                    ExplainMethod::GuidedGradCam => {
                        guided_cam(&grad_cam(&image(1), &image(2))?, &image(3))?
                    }
                    ExplainMethod::Saliency => max_magnitude(&image(1))?,
                    _ => grad_cam(&image(1), &image(2))?,
                };
                // Each row has at least one score, and so a top class.
                let class = (classes.get(row).copied()).unwrap_or_else(|| top_k(scores, 1)[0]);
                Ok(Explanation {
                    layer: layer.clone(),
                    ..self.explanation(scores, class, heat)
                })
            })
            .collect()
    }

    /// Methods of gradients with respect to the input that take many passes per class. `explain_class` gets
    /// the image's scores and a class.
    fn explain_one_by_one(
        &mut self,
        input: &Tensor,
        options: &ExplainOptions,
        mut explain_class: impl FnMut(
            &mut Probe,
            &Tensor,
            usize,
        ) -> Result<(HeatMap, Option<Completeness>)>,
    ) -> Result<Vec<Explanation>> {
        let (scores, classes) = self.scores_and_classes(input, Targets::Input, options)?;
        (classes.into_iter())
            .map(|class| {
                let (heat, completeness) = explain_class(&mut self.probe, &scores, class)?;
                Ok(Explanation {
                    completeness,
                    ..self.explanation(scores.data(), class, heat)
                })
            })
            .collect()
    }

    /// The image's scores, and the classes in `options` or else the top classes.
    fn scores_and_classes(
        &mut self,
        input: &Tensor,
        targets: Targets,
        options: &ExplainOptions,
    ) -> Result<(Tensor, Vec<usize>)> {
        let scores = self.probe.scores(targets, input)?;
        let classes = match options.classes.is_empty() {
            true => top_k(scores.data(), options.top.max(1)),
            false => options.classes.clone(),
        };
        Ok((scores, classes))
    }

    fn explanation(&self, scores: &[f32], class: usize, heat: HeatMap) -> Explanation {
        Explanation {
            class,
            label: self.probe.model.label(class),
            score: scores[class],
            probability: softmax(scores)[class],
            heat,
            layer: None,
            completeness: None,
        }
    }
}
