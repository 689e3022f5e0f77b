use std::time::Duration;

use image::RgbImage;

use super::on_gpu::{OnGpu, only};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};
use crate::graph::Op;
use crate::model_folder::ModelFolder;
use crate::postprocess::{ClassScore, TopClasses, TopK};
use crate::session::{PassChunks, Session, SessionInput, SessionOptions};
use crate::tensor::{Shape, Tensor};
use crate::texture::{TextureInput, TextureSource};
use crate::vision::{Labels, Preprocessing, softmax, top_k};
use crate::zoo::Task;

/// A class and how sure the network is of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The class's index.
    pub class: usize,
    /// Its name.
    pub label: String,
    /// Between 0 and 1; NaN where the network answered NaN.
    pub probability: f32,
}

/// A model folder's network on a device, with its preparation of pictures and its class names.
pub struct Classifier {
    session: Session,
    preprocessing: Preprocessing,
    labels: Labels,
    /// Whether the network ends in a softmax of its own.
    answers_probabilities: bool,
    on_gpu: OnGpu<TopK>,
}

impl Classifier {
    /// Loads the network and prepares for one picture at a time.
    ///
    /// # Errors
    /// [`Error::File`] where the folder's architecture is not known (with the nearest that is), is no
    /// classifier, or has no classes; and those of [`Session::new`].
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        let config = folder.path.join("config.json");
        if folder.num_classes == 0 {
            return Err(Error::file(
                config,
                "num_classes is 0: the network has no classifier; choose one that has",
            ));
        }
        let (graph, task) = folder.graph()?;
        if task != Task::Classification {
            return Err(folder.wrong_task(task, Task::Classification));
        }
        let [channels, height, width] = folder.preprocessing.input_size;
        let weights = folder.weights(&graph)?;
        let shape = Shape::from([1, channels, height, width]);
        Ok(Self {
            session: Session::new(device, &graph, weights, options, &[shape])?,
            preprocessing: folder.preprocessing.clone(),
            labels: folder.labels.clone(),
            answers_probabilities: (graph.outputs().iter())
                .any(|&output| matches!(graph.node(output).op, Op::Softmax(_))),
            on_gpu: OnGpu::new(),
        })
    }

    /// How pictures become inputs: [`Preprocessing::apply`] makes what [`Self::predict`] takes.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// What the user should be told about how the network runs; see [`Session::warning`].
    pub fn warning(&self) -> Option<&str> {
        self.session.warning()
    }

    /// Makes what batches of `batch` pictures need, where [`Self::predict`] would make it when the
    /// first comes.
    ///
    /// # Errors
    /// Those of [`Session::prepare`]: [`Error::Limit`] where the device cannot take so many.
    pub fn prepare(&mut self, batch: usize) -> Result<()> {
        let [channels, height, width] = self.preprocessing.input_size;
        (self.session).prepare(&[Shape::from([batch, channels, height, width])])
    }

    /// The `k` likeliest classes of `picture`, likeliest first.
    ///
    /// # Errors
    /// Those of [`Preprocessing::apply`] and [`Session::run`].
    pub fn classify(&mut self, picture: &RgbImage, k: usize) -> Result<Vec<Prediction>> {
        let input = self.preprocessing.apply(picture)?;
        Ok(self.predict(input, k)?.swap_remove(0))
    }

    /// The `k` likeliest classes of every image of a prepared batch `[N, C, H, W]`.
    ///
    /// # Errors
    /// Those of [`Session::run`].
    pub fn predict(&mut self, batch: Tensor, k: usize) -> Result<Vec<Vec<Prediction>>> {
        let answers = self.session.run(&[batch])?.swap_remove(0);
        // `Labels` has one entry a class, and a class is one column of the answer.
        Ok((answers.data().chunks(self.labels.len().max(1)))
            .map(|answer| {
                let probabilities = match self.answers_probabilities {
                    true => answer.to_vec(),
                    false => softmax(answer),
                };
                (top_k(&probabilities, k).into_iter())
                    .map(|class| self.prediction(class, probabilities[class]))
                    .collect()
            })
            .collect())
    }

    /// Records what finds the `k` likeliest classes of the picture that `source` shows, in the host's encoder:
    /// nothing is submitted, and nothing waits. The answer stays on the GPU; [`TopClasses::parse`] and
    /// [`Self::named`] say what it means once it was read back.
    ///
    /// # Errors
    /// Those of [`Session::encode`] and [`TopK::encode`]; [`Error::Device`] on the CPU twin.
    pub fn encode<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: impl Into<TextureSource<'v>>,
        k: usize,
    ) -> Result<TopClasses> {
        let textures = [TextureInput::new(source, &self.preprocessing)];
        let outputs = (self.session).encode(encoder, &[SessionInput::Textures(&textures)])?;
        self.encode_postprocess(encoder, &outputs, k)
    }

    /// As [`Self::encode`], in pieces which take the device about `max` each, so that a large network runs
    /// over several frames: records how the texture gets in. [`PassChunks::encode`] records a piece of the
    /// network, and with the last one gives the outputs for [`Self::encode_postprocess`].
    ///
    /// # Errors
    /// Those of [`Session::encode_chunks`]; [`Error::Device`] on the CPU twin.
    pub fn encode_chunks<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: impl Into<TextureSource<'v>>,
        max: Duration,
    ) -> Result<PassChunks> {
        let textures = [TextureInput::new(source, &self.preprocessing)];
        (self.session).encode_chunks(encoder, &[SessionInput::Textures(&textures)], max)
    }

    /// Records what finds the `k` likeliest classes in a pass's outputs; see [`Self::encode_chunks`].
    ///
    /// # Errors
    /// Those of [`TopK::encode`]; [`Error::Device`] on the CPU twin.
    pub fn encode_postprocess(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        k: usize,
    ) -> Result<TopClasses> {
        self.kernel()?.encode(encoder, only(outputs)?, k)
    }

    /// Makes what [`Self::encode`] would make when it is called first.
    ///
    /// # Errors
    /// [`Error::Device`] on the CPU twin, and where the device refuses.
    pub fn prepare_encode(&mut self) -> Result<()> {
        self.session.prepare_textures()?;
        self.kernel().map(drop)
    }

    fn kernel(&mut self) -> Result<&mut TopK> {
        let make = |gpu: &Gpu| TopK::new(gpu, !self.answers_probabilities);
        self.on_gpu.get(&mut self.session, make)
    }

    /// Makes what [`Self::encode_chunks`] would make when it is called first: see
    /// [`Session::prepare_chunks`].
    ///
    /// # Errors
    /// Those of [`Session::prepare_chunks`].
    pub fn prepare_chunks(&mut self) -> Result<()> {
        let [channels, height, width] = self.preprocessing.input_size;
        (self.session).prepare_chunks(&[Shape::from([1, channels, height, width])])
    }

    /// Classes that were found on the GPU, with their names.
    pub fn named(&self, classes: &[ClassScore]) -> Vec<Prediction> {
        let named = |found: &ClassScore| self.prediction(found.class, found.probability);
        classes.iter().map(named).collect()
    }

    fn prediction(&self, class: usize, probability: f32) -> Prediction {
        Prediction {
            class,
            label: self.labels.text(class).into_owned(),
            probability,
        }
    }

    /// Lets go of the host's textures that are kept for when they come again; see
    /// [`Session::clear_textures`].
    pub fn clear_textures(&mut self) {
        self.session.clear_textures();
        if let Some(kernel) = self.on_gpu.made() {
            kernel.clear();
        }
    }

    /// Moves to another device, after the first was lost; see [`Session::restore`]. What is encoded from
    /// then on is for that one's encoders.
    ///
    /// # Errors
    /// As [`Session::restore`].
    pub fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        self.on_gpu.restore(&mut self.session, gpu)
    }
}
