//! What classifiers, detectors and segmenters have in common: from an image or a texture through the network
//! to a result on the GPU.

use std::time::Duration;

use super::image_model::ImageModel;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};
use crate::session::{PassChunks, Session, SessionInput};
use crate::tensor::Shape;
use crate::texture::{TextureInput, TextureSource};
use crate::vision::Preprocessing;

/// What a task does with the network's outputs on the GPU.
pub(super) trait Postprocess {
    /// The kernels, made for one device.
    type Kernel;
    /// What the caller asks for, besides the image.
    type Request<'a>;
    /// What is recorded: a buffer and how to read it.
    type Output;

    /// Makes the kernels.
    fn make_kernel(&self, gpu: &Gpu) -> Result<Self::Kernel>;

    /// Checks that a texture alone can be the network's input.
    fn check_texture_input(&self) -> Result<()> {
        Ok(())
    }

    /// Records the kernels' dispatches for the outputs of a pass.
    fn encode(
        kernel: &mut Self::Kernel,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        preprocessing: &Preprocessing,
        request: Self::Request<'_>,
    ) -> Result<Self::Output>;

    /// Drops the buffers, textures and bind groups that the kernels keep for reuse.
    fn clear(kernel: &mut Self::Kernel);
}

/// A network on a device and its postprocessing.
pub(super) struct TaskRunner<P: Postprocess> {
    pub model: ImageModel<Session>,
    pub postprocess: P,
    /// The shape of one image.
    input: Shape,
    /// Made at the first use: a host that reads back the network's outputs needs none.
    kernel: Option<P::Kernel>,
}

impl<P: Postprocess> TaskRunner<P> {
    /// For a model that was prepared for an input of shape `input`.
    pub fn new(model: ImageModel<Session>, input: Shape, postprocess: P) -> Self {
        Self {
            model,
            postprocess,
            input,
            kernel: None,
        }
    }

    /// Records a pass for the image in `source`, and its postprocessing.
    pub fn encode<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: impl Into<TextureSource<'v>>,
        request: P::Request<'_>,
    ) -> Result<P::Output> {
        self.postprocess.check_texture_input()?;
        let textures = [TextureInput::new(source, &self.model.preprocessing)];
        let inputs = [SessionInput::Textures(&textures)];
        let outputs = self.model.session.encode(encoder, &inputs)?;
        self.encode_postprocess(encoder, &outputs, request)
    }

    /// Records the input of a pass that is encoded in chunks.
    pub fn encode_chunks<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: impl Into<TextureSource<'v>>,
        max: Duration,
    ) -> Result<PassChunks> {
        self.postprocess.check_texture_input()?;
        let textures = [TextureInput::new(source, &self.model.preprocessing)];
        let inputs = [SessionInput::Textures(&textures)];
        self.model.session.encode_chunks(encoder, &inputs, max)
    }

    /// Records the postprocessing of a pass's outputs.
    pub fn encode_postprocess(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        request: P::Request<'_>,
    ) -> Result<P::Output> {
        let (kernel, preprocessing) = self.kernel()?;
        P::encode(kernel, encoder, outputs, preprocessing, request)
    }

    /// Makes everything that [`Self::encode`] needs.
    pub fn prepare_encode(&mut self) -> Result<()> {
        self.model.session.prepare_textures()?;
        self.kernel().map(drop)
    }

    /// Times the network's steps for [`Self::encode_chunks`].
    pub fn prepare_chunks(&mut self) -> Result<()> {
        let shapes = std::slice::from_ref(&self.input);
        self.model.session.prepare_chunks(shapes)
    }

    /// Drops textures and buffers that are kept for reuse.
    pub fn clear_textures(&mut self) {
        self.model.session.clear_textures();
        if let Some(kernel) = &mut self.kernel {
            P::clear(kernel);
        }
    }

    /// Moves to another device, on which the kernel is made anew.
    pub fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        self.model.restore(gpu)?;
        self.kernel = None;
        Ok(())
    }

    fn kernel(&mut self) -> Result<(&mut P::Kernel, &Preprocessing)> {
        let ImageModel {
            session,
            preprocessing,
            ..
        } = &mut self.model;
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            none => {
                let gpu = session.device_for("postprocessing on the GPU")?;
                none.insert(self.postprocess.make_kernel(gpu)?)
            }
        };
        Ok((kernel, preprocessing))
    }
}

/// The single output of a pass.
pub(super) fn single_output(outputs: &[GpuTensor]) -> Result<&GpuTensor> {
    match outputs {
        [output] => Ok(output),
        _ => Err(Error::Inputs(format!(
            "a pass with one output was expected, found {} outputs",
            outputs.len()
        ))),
    }
}

/// The methods of tasks whose field `runner` is a [`TaskRunner`].
macro_rules! runner_methods {
    ($task:ty) => {
        $crate::tasks::model_methods!($task, runner.model, runner);

        impl $task {
            /// As [`Self::encode`], in chunks that take the device about `max` each, so that a large network
            /// runs over several frames. This call records only how the texture becomes the network's input.
            /// [`PassChunks::encode`] then records one chunk of the network at a time, and returns the
            /// outputs for [`Self::encode_postprocess`] with the last one.
            ///
            /// # Errors
            /// Those of [`Session::encode_chunks`](crate::session::Session::encode_chunks);
            /// [`Error::Device`](crate::error::Error::Device) where the device is not a GPU.
            pub fn encode_chunks<'v>(
                &mut self,
                encoder: &mut wgpu::CommandEncoder,
                source: impl Into<$crate::texture::TextureSource<'v>>,
                max: std::time::Duration,
            ) -> Result<PassChunks> {
                self.runner.encode_chunks(encoder, source, max)
            }

            /// Makes the pipelines and buffers that the first [`Self::encode`] would make.
            ///
            /// # Errors
            /// [`Error::Device`](crate::error::Error::Device) where the device is not a GPU, and where the device
            /// refuses.
            pub fn prepare_encode(&mut self) -> Result<()> {
                self.runner.prepare_encode()
            }

            /// Times the network's steps, as the first [`Self::encode_chunks`] would; see
            /// [`Session::prepare_chunks`](crate::session::Session::prepare_chunks).
            ///
            /// # Errors
            /// Those of [`Session::prepare_chunks`](crate::session::Session::prepare_chunks).
            pub fn prepare_chunks(&mut self) -> Result<()> {
                self.runner.prepare_chunks()
            }

            /// Drops the host's textures that are kept for reuse; see
            /// [`Session::clear_textures`](crate::session::Session::clear_textures).
            pub fn clear_textures(&mut self) {
                self.runner.clear_textures();
            }
        }

        impl std::fmt::Debug for $task {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($task))
                    .field("preprocessing", self.preprocessing())
                    .field("warning", &self.warning())
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(super) use runner_methods;
