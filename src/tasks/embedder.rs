use std::sync::Arc;

use image::RgbImage;

use super::image_model::{ImageModel, model_methods};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, ValueId};
use crate::model_folder::ModelFolder;
use crate::session::{Network, NetworkSource, Session, SessionOptions};
use crate::tensor::{Shape, Tensor};
use crate::zoo::Task;

/// Makes a vector of an image: the activations of a layer, by default the features that the classifier reads. Images
/// that look alike to the network have vectors in similar directions, so they can be searched and clustered.
///
/// The default is the input of the last fully connected layer, which timm calls the features before the logits
/// (`forward_head(x, pre_logits=True)`), or of the last convolution where that is the classifier (SqueezeNet,
/// Darknet); and the output of a model folder whose `num_classes` is 0. A layer whose output is a map `[N, C, H, W]`
/// is averaged over its pixels.
///
/// ```
/// use shadernet::device::Device;
/// use shadernet::model_folder::default_model;
/// use shadernet::tasks::Embedder;
/// use shadernet::vision::decode;
///
/// let folder = default_model()?.open()?;
/// let mut embedder = Embedder::new(&Device::cpu(), &folder, &Default::default())?.normalized();
/// assert_eq!(embedder.dimensions(), 1280);
/// let [a, b] = ["chelsea.png", "coffee.png"].map(|name| decode(format!("tests/images/{name}")));
/// let (a, b) = (embedder.embed(&a?)?, embedder.embed(&b?)?);
/// // The cosine of the angle between them, since both have the length 1.
/// let similarity: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
/// assert!(similarity < 0.5);
/// # Ok::<(), shadernet::Error>(())
/// ```
pub struct Embedder {
    model: ImageModel<Session>,
    layer: String,
    dimensions: usize,
    is_normalized: bool,
    /// Whether images of a batch run one after the other: an imported graph is for inputs of one shape.
    one_at_a_time: bool,
}

model_methods!(Embedder, model, model);

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedder")
            .field("layer", &self.layer)
            .field("dimensions", &self.dimensions)
            .finish_non_exhaustive()
    }
}

impl Embedder {
    /// Loads the network, whose features before the classifier are taken, and prepares for one image at a time.
    ///
    /// # Errors
    /// Those of [`Self::default_layer`] and [`Self::from_layer`].
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        let (graph, task) = folder.graph()?;
        let value = features(folder, &graph, task)?;
        Self::load(device, folder, &graph, value, options)
    }

    /// Loads the network, whose layer `layer` is taken: one of [`Self::layers`].
    ///
    /// # Errors
    /// [`Error::UnknownName`](crate::Error::UnknownName) with the nearest names; [`Error::Inputs`] where the layer's
    /// output is neither a vector nor a map; those of [`ModelFolder::graph`], [`ModelFolder::weights`] and
    /// [`Session::new`].
    pub fn from_layer(
        device: &Device,
        folder: &ModelFolder,
        layer: &str,
        options: &SessionOptions,
    ) -> Result<Self> {
        let (graph, _) = folder.graph()?;
        let value = graph.find(layer)?;
        Self::load(device, folder, &graph, value, options)
    }

    fn load(
        device: &Device,
        folder: &ModelFolder,
        graph: &Graph,
        value: ValueId,
        options: &SessionOptions,
    ) -> Result<Self> {
        let shape = one_image(folder);
        let output = shapes(folder, graph)?.swap_remove(value.index());
        let layer = graph.node(value).name.clone();
        let Some(dimensions) = dimensions(&output) else {
            return Err(Error::Inputs(format!(
                "'{layer}' of {} is {output}, neither a vector [N, C] nor a map [N, C, H, W] of one image",
                graph.name()
            )));
        };
        let weights = Arc::new(folder.weights(graph)?);
        let unused = weights.check(graph)?.warning(&weights, graph);
        let graph = graph.with_outputs(vec![value]);
        let source = Arc::new(NetworkSource::Graph(Network { graph, weights }));
        let preprocessing = folder.preprocessing.clone();
        Ok(Self {
            model: ImageModel::load(
                device,
                folder,
                (source, unused),
                preprocessing,
                shape,
                options,
            )?,
            layer,
            dimensions,
            is_normalized: false,
            one_at_a_time: folder.is_imported(),
        })
    }

    /// Divides every vector by its length (L2 norm), so that products of vectors are the cosines of their angles. A
    /// vector of zeros stays.
    pub fn normalized(self) -> Self {
        Self {
            is_normalized: true,
            ..self
        }
    }

    /// The layer whose output the vectors are.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The number of elements of a vector.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Prepares for batches of `batch` images, which the first [`Self::embed_batch`] of such a batch would do.
    ///
    /// # Errors
    /// Those of [`Session::prepare`].
    pub fn prepare(&mut self, batch: usize) -> Result<()> {
        let batch = if self.one_at_a_time { 1 } else { batch };
        self.model.session.prepare(&[self.model.shape(batch)])
    }

    /// The vector of `image`.
    ///
    /// # Errors
    /// Those of [`Preprocessing::apply`](crate::vision::Preprocessing::apply) and [`Self::embed_batch`].
    pub fn embed(&mut self, image: &RgbImage) -> Result<Vec<f32>> {
        let input = self.preprocessing().apply(image)?;
        Ok(self.embed_batch(input)?.into_data())
    }

    /// The vectors `[N, D]` of the images of a preprocessed batch `[N, C, H, W]`.
    ///
    /// # Errors
    /// Those of [`Session::run`] and [`Session::check_finite`].
    pub fn embed_batch(&mut self, batch: Tensor) -> Result<Tensor> {
        let [images, ..] = batch.shape().nchw();
        let mut vectors = Vec::with_capacity(images * self.dimensions);
        let mut add = |output: &Tensor, images: usize| {
            let pixels = output.data().len() / (images * self.dimensions).max(1);
            vectors.extend(output.data().chunks(pixels.max(1)).map(mean));
        };
        if self.one_at_a_time && images > 1 {
            for image in batch.images() {
                let outputs = self.model.session.run_finite(&[image])?;
                outputs.iter().for_each(|output| add(output, 1));
            }
        } else {
            let outputs = self.model.session.run_finite(&[batch])?;
            outputs.iter().for_each(|output| add(output, images));
        }
        if self.is_normalized {
            vectors.chunks_mut(self.dimensions).for_each(normalize);
        }
        Tensor::new([images, self.dimensions], vectors)
    }

    /// The layers that can be taken: names, operators in PyTorch's terms, and shapes of their outputs for one image.
    ///
    /// # Errors
    /// Those of [`ModelFolder::graph`].
    pub fn layers(folder: &ModelFolder) -> Result<Vec<(String, &'static str, Shape)>> {
        let (graph, _) = folder.graph()?;
        let layers = graph.values().zip(shapes(folder, &graph)?);
        Ok(layers
            .filter(|((_, node), shape)| {
                dimensions(shape).is_some() && !matches!(node.op, Op::Input(_))
            })
            .map(|((_, node), shape)| (node.name.clone(), node.op.as_operator().kind(), shape))
            .collect())
    }

    /// The layer whose features the classifier reads.
    ///
    /// # Errors
    /// [`Error::File`] where the network is not a classifier; those of [`ModelFolder::graph`].
    pub fn default_layer(folder: &ModelFolder) -> Result<String> {
        let (graph, task) = folder.graph()?;
        let value = features(folder, &graph, task)?;
        Ok(graph.node(value).name.clone())
    }
}

/// What the classifier of `folder` reads.
fn features(folder: &ModelFolder, graph: &Graph, task: Task) -> Result<ValueId> {
    let not_found = |reason: &str| {
        let reason = format!("{reason}; name the layer whose output is to be taken");
        Err(Error::file(&folder.path, reason))
    };
    if task != Task::Classification {
        return not_found("a classifier was expected, to take the features before its last layer");
    }
    if folder.num_classes == 0 {
        return Ok(graph.scores());
    }
    match graph.classifier_input() {
        Some(value) => Ok(value),
        None => not_found("its classifier was not found: there is no Linear and no Conv2d"),
    }
}

fn one_image(folder: &ModelFolder) -> Shape {
    let [channels, height, width] = folder.preprocessing.input_size;
    Shape::from([1, channels, height, width])
}

/// The shapes of all values for one image.
fn shapes(folder: &ModelFolder, graph: &Graph) -> Result<Vec<Shape>> {
    if graph.inputs().len() != 1 {
        return Err(Error::Inputs(format!(
            "a network with one input, an image, was expected; {} has {}",
            graph.name(),
            graph.inputs().len()
        )));
    }
    graph.infer(&[one_image(folder)])
}

/// The elements of a vector made of an output of this shape for one image.
fn dimensions(output: &Shape) -> Option<usize> {
    match *output.dims() {
        [1, channels] | [1, channels, _, _] if !output.is_empty() => Some(channels),
        _ => None,
    }
}

fn mean(pixels: &[f32]) -> f32 {
    let sum: f64 = pixels.iter().map(|&value| f64::from(value)).sum();
    (sum / pixels.len() as f64) as f32
}

/// Divides a vector by its length.
fn normalize(vector: &mut [f32]) {
    let squares = vector.iter().map(|&value| f64::from(value).powi(2));
    let length = squares.sum::<f64>().sqrt();
    if length > 0.0 {
        for value in vector {
            *value = (f64::from(*value) / length) as f32;
        }
    }
}
