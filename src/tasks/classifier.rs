use std::path::{Path, PathBuf};

use image::RgbImage;

use super::image_model::{ImageModel, graph_for, source};
use super::task_runner::{Postprocess, TaskRunner, runner_methods, single_output};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};
use crate::graph::{Activation, Graph, Op};
use crate::model_folder::ModelFolder;
use crate::postprocess::{ClassScore, TopClasses, TopK};
use crate::printable;
use crate::session::{PassChunks, Run, Session, SessionOptions};
use crate::tensor::{Shape, Tensor};
use crate::texture::TextureSource;
use crate::vision::{Preprocessing, softmax, top_k};
use crate::zoo::Task;

/// A class and its probability.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// The class's index.
    pub class: usize,
    /// The class's name.
    pub label: String,
    /// Between 0 and 1.
    pub probability: f32,
}

/// A model folder's classifier on a device, with its preprocessing and its class names.
pub struct Classifier {
    runner: TaskRunner<TopClassesOutput>,
    /// The model's folder or file, for messages.
    path: PathBuf,
    takes_one_image: bool,
}

/// The top classes and their probabilities.
struct TopClassesOutput {
    /// Whether the network ends in a softmax of its own, or in a sigmoid for classes that do not exclude each other.
    returns_probabilities: bool,
}

impl Postprocess for TopClassesOutput {
    type Kernel = TopK;
    type Request<'a> = usize;
    type Output = TopClasses;

    fn make_kernel(&self, gpu: &Gpu) -> Result<TopK> {
        TopK::new(gpu, !self.returns_probabilities)
    }

    fn encode(
        kernel: &mut TopK,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        _: &Preprocessing,
        k: usize,
    ) -> Result<TopClasses> {
        kernel.encode(encoder, single_output(outputs)?, k)
    }

    fn clear(kernel: &mut TopK) {
        kernel.clear();
    }
}

/// The classifier of `folder`.
///
/// # Errors
/// [`Error::File`] where the network is not a classifier or has no classes.
pub(crate) fn classifier_graph(folder: &ModelFolder) -> Result<Graph> {
    if folder.num_classes == 0 {
        return Err(Error::file(
            folder.path.join("config.json"),
            "num_classes is 0: the network has no classifier; choose one that has",
        ));
    }
    graph_for(folder, Task::Classification)
}

runner_methods!(Classifier);

impl Classifier {
    /// Loads the network and prepares for one image at a time.
    ///
    /// # Errors
    /// [`Error::File`] where the folder's architecture is unknown (with the nearest known names), is not a
    /// classifier, or has no classes; and those of [`Session::new`](crate::session::Session::new).
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        let graph = classifier_graph(folder)?;
        let preprocessing = folder.preprocessing.clone();
        let [channels, height, width] = preprocessing.input_size;
        let shape = Shape::from([1, channels, height, width]);
        let returns_probabilities = (graph.outputs().iter()).any(|&output| {
            matches!(
                graph.node(output).op,
                Op::Softmax(_) | Op::Activation(Activation::Sigmoid)
            )
        });
        let input = shape.clone();
        let source = source(folder, &graph)?;
        let model = ImageModel::load(device, folder, source, preprocessing, shape, options)?;
        let postprocess = TopClassesOutput {
            returns_probabilities,
        };
        Ok(Self {
            runner: TaskRunner::new(model, input, postprocess),
            path: folder.path.clone(),
            takes_one_image: folder.takes_one_image(),
        })
    }

    /// Prepares for batches of `batch` images, which the first [`Self::predict`] of such a batch would do.
    ///
    /// # Errors
    /// Those of [`Session::prepare`](crate::session::Session::prepare): [`Error::Limit`] where the batch is
    /// too large for the device.
    pub fn prepare(&mut self, batch: usize) -> Result<()> {
        let shape = self.runner.model.shape(batch);
        self.runner.model.session.prepare(&[shape])
    }

    /// The top `k` classes of `image`, most probable first.
    ///
    /// # Errors
    /// Those of [`Preprocessing::apply`] and [`Self::predict`].
    pub fn classify(&mut self, image: &RgbImage, k: usize) -> Result<Vec<Prediction>> {
        let input = self.preprocessing().apply(image)?;
        Ok(self.predict(input, k)?.swap_remove(0))
    }

    /// The top `k` classes of every image of a preprocessed batch `[N, C, H, W]`, most probable first.
    ///
    /// # Errors
    /// Those of [`Session::run`](crate::session::Session::run), and of
    /// [`Session::check_finite`](crate::session::Session::check_finite) for any of the images.
    pub fn predict(&mut self, batch: Tensor, k: usize) -> Result<Vec<Vec<Prediction>>> {
        let output = self
            .runner
            .model
            .session
            .run_finite(&[batch])?
            .swap_remove(0);
        Ok(self.top_classes_of_rows(&output, k))
    }

    /// The top `k` classes of every row of the network's output.
    fn top_classes_of_rows(&self, output: &Tensor, k: usize) -> Vec<Vec<Prediction>> {
        // Each class is one column of the output.
        let rows = output.data().chunks(self.classes().max(1));
        rows.map(|row| match self.returns_probabilities() {
            true => self.top_classes(row, k),
            false => self.top_classes(&softmax(row), k),
        })
        .collect()
    }

    /// The `k` most probable classes, where `probabilities` has one for each class.
    pub(super) fn top_classes(&self, probabilities: &[f32], k: usize) -> Vec<Prediction> {
        let top = top_k(probabilities, k).into_iter();
        top.map(|class| self.prediction(class, probabilities[class]))
            .collect()
    }

    /// Submits a preprocessed batch `[N, C, H, W]` without waiting. [`Self::predictions`] makes classes of the outputs.
    ///
    /// # Errors
    /// Those of [`Session::run_async`](crate::session::Session::run_async).
    pub fn predict_async(&mut self, batch: &Tensor) -> Result<Run> {
        let batch = std::slice::from_ref(batch);
        self.runner.model.session.run_async(batch)
    }

    /// The top `k` classes of every image, of the `outputs` for `batch` of [`Self::predict_async`].
    ///
    /// # Errors
    /// Those of [`Session::check_finite`](crate::session::Session::check_finite).
    pub fn predictions(
        &mut self,
        batch: &Tensor,
        outputs: &[Tensor],
        k: usize,
    ) -> Result<Vec<Vec<Prediction>>> {
        let batch = std::slice::from_ref(batch);
        self.runner.model.session.check_finite(batch, outputs)?;
        // A classifier has one output.
        Ok(outputs
            .first()
            .map_or_else(Vec::new, |output| self.top_classes_of_rows(output, k)))
    }

    /// Records a pass into the host's encoder that finds the top `k` classes of the image in `source`.
    /// Nothing is submitted, and nothing waits. The result stays on the GPU; once it was read back,
    /// [`TopClasses::parse`] and [`Self::named`] decode it.
    ///
    /// # Errors
    /// Those of [`Session::encode`](crate::session::Session::encode) and [`TopK::encode`]; [`Error::Device`]
    /// where the device is not a GPU.
    pub fn encode<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: impl Into<TextureSource<'v>>,
        k: usize,
    ) -> Result<TopClasses> {
        self.runner.encode(encoder, source, k)
    }

    /// Records what finds the top `k` classes in a pass's outputs; see [`Self::encode_chunks`].
    ///
    /// # Errors
    /// Those of [`TopK::encode`]; [`Error::Device`] where the device is not a GPU.
    pub fn encode_postprocess(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        k: usize,
    ) -> Result<TopClasses> {
        self.runner.encode_postprocess(encoder, outputs, k)
    }

    /// Classes that were found on the GPU, with their names.
    ///
    /// # Errors
    /// [`Error::Inputs`] where their probabilities are NaN, which is no result.
    pub fn named(&self, classes: &[ClassScore]) -> Result<Vec<Prediction>> {
        if classes.iter().any(|found| found.probability.is_nan()) {
            return Err(Error::not_numbers("probabilities are NaN"));
        }
        let named = |found: &ClassScore| self.prediction(found.class, found.probability);
        Ok(classes.iter().map(named).collect())
    }

    /// The model's folder or file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of classes. `Labels` has an entry for each.
    pub(super) fn classes(&self) -> usize {
        self.runner.model.labels.len()
    }

    /// Whether the network ends in a softmax or sigmoid.
    pub(super) fn returns_probabilities(&self) -> bool {
        self.runner.postprocess.returns_probabilities
    }

    /// Whether the network runs one image at a time only; see [`ModelFolder::takes_one_image`].
    pub(super) fn takes_one_image(&self) -> bool {
        self.takes_one_image
    }

    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.runner.model.session
    }

    /// Checks that this network has the classes of `first`, in the same order.
    pub(super) fn check_classes_of(&self, first: &Self) -> Result<()> {
        let differ = |difference: String| {
            let first = printable::path(first.path());
            let reason = format!(
                "the classes of {first} were expected, in the same order, since predictions are averaged; {difference}"
            );
            Err(Error::file(&self.path, reason))
        };
        let [expected, found] = [first, self].map(Self::classes);
        if expected != found {
            return differ(format!("that has {expected} classes, this one {found}"));
        }
        let labels = |class| [first, self].map(|model| model.runner.model.label(class));
        let pairs = (0..found).map(|class| (class, labels(class)));
        match { pairs }.find(|(_, [expected, found])| expected != found) {
            Some((class, labels)) => {
                let [expected, found] = labels.map(|label| printable::name(&label));
                differ(format!(
                    "its class {class} is '{expected}', here it is '{found}'"
                ))
            }
            None => Ok(()),
        }
    }

    fn prediction(&self, class: usize, probability: f32) -> Prediction {
        Prediction {
            class,
            label: self.runner.model.label(class),
            probability,
        }
    }
}
