//! What every task on images holds, whatever it does with the network's outputs.

use std::sync::Arc;

use crate::device::Device;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::graph::Graph;
use crate::model_folder::ModelFolder;
#[cfg(feature = "onnx")]
use crate::session::OnnxSource;
use crate::session::{Network, NetworkSource, Session, SessionOptions};
use crate::tensor::Shape;
use crate::vision::{Labels, Preprocessing};
use crate::zoo::Task;

/// A network that reads images: what runs it, how images become its inputs, and its classes' names.
pub(crate) struct ImageModel<S> {
    pub session: S,
    pub preprocessing: Preprocessing,
    pub labels: Labels,
}

/// What runs a network for an [`ImageModel`].
pub(crate) trait RunsNetwork {
    /// What the user should know about how the network runs; see [`Session::warning`].
    fn warning(&self) -> Option<&str>;

    /// Moves to another device; see [`Session::restore`].
    fn restore(&mut self, gpu: &Gpu) -> Result<()>;
}

impl RunsNetwork for Session {
    fn warning(&self) -> Option<&str> {
        Self::warning(self)
    }

    fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        Self::restore(self, gpu)
    }
}

impl<S> ImageModel<S> {
    /// The shape of a batch of images.
    pub fn shape(&self, batch: usize) -> Shape {
        let [channels, height, width] = self.preprocessing.input_size;
        Shape::from([batch, channels, height, width])
    }

    /// The name of a class.
    pub fn label(&self, class: usize) -> String {
        self.labels.text(class).into_owned()
    }
}

impl<S: RunsNetwork> ImageModel<S> {
    /// What the user should know about how the network runs.
    pub fn warning(&self) -> Option<&str> {
        self.session.warning()
    }

    /// Moves to another device.
    pub fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        self.session.restore(gpu)
    }
}

impl ImageModel<Session> {
    /// Runs the network of `folder`, from [`source`], prepared for an input of `shape`.
    pub fn load(
        device: &Device,
        folder: &ModelFolder,
        (source, unused): (Arc<NetworkSource>, Option<String>),
        preprocessing: Preprocessing,
        shape: Shape,
        options: &SessionOptions,
    ) -> Result<Self> {
        Ok(Self {
            session: Session::from_source(device, source, options, &[shape], unused)?,
            preprocessing,
            labels: folder.labels.clone(),
        })
    }
}

/// The networks of `folder`, whose graph is `graph`, and a warning about tensors that it does not use.
pub(crate) fn source(
    folder: &ModelFolder,
    graph: &Graph,
) -> Result<(Arc<NetworkSource>, Option<String>)> {
    #[cfg(feature = "onnx")]
    if let Some(model) = folder.onnx() {
        let source = OnnxSource::new(model.clone());
        return Ok((Arc::new(NetworkSource::Onnx(source)), None));
    }
    let weights = Arc::new(folder.weights(graph)?);
    let unused = weights.check(graph)?.warning(&weights, graph);
    let graph = graph.clone();
    let network = Network { graph, weights };
    Ok((Arc::new(NetworkSource::Graph(network)), unused))
}

/// The network of `folder`, which has to be one for `task`.
pub(crate) fn graph_for(folder: &ModelFolder, task: Task) -> Result<Graph> {
    let (graph, found) = folder.graph()?;
    match found == task {
        true => Ok(graph),
        false => Err(folder.wrong_task(found, task)),
    }
}

/// The methods that all tasks have. `$model` is the field, or the path of fields, of the task's
/// [`ImageModel`], and `$holder` that of what is restored.
macro_rules! model_methods {
    ($task:ty, $($model:ident).+, $($holder:ident).+) => {
        impl $task {
            /// How images become inputs. [`Preprocessing::apply`](crate::vision::Preprocessing::apply) makes
            /// a tensor of an image.
            pub fn preprocessing(&self) -> &$crate::vision::Preprocessing {
                &self.$($model).+.preprocessing
            }

            /// What the user should know about how the network runs; see
            /// [`Session::warning`](crate::session::Session::warning).
            pub fn warning(&self) -> Option<&str> {
                self.$($model).+.warning()
            }

            /// Moves to another device after the first was lost; see
            /// [`Session::restore`](crate::session::Session::restore). Encoders and textures given to later
            /// calls must be of the new device. Does nothing where the device is not a GPU.
            ///
            /// # Errors
            /// Those of [`Session::restore`](crate::session::Session::restore).
            pub fn restore(&mut self, gpu: &$crate::gpu::Gpu) -> $crate::error::Result<()> {
                self.$($holder).+.restore(gpu)
            }
        }
    };
}
pub(crate) use model_methods;
