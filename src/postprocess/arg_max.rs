use super::compute_kernel::{ComputeKernel, KernelContext, WriteTarget};
use crate::error::{Error, Result};
use crate::gpu::uniform::uniforms;
use crate::gpu::{ARG_MAX, Gpu, GpuTensor};
use crate::kernels::nested;
use crate::tensor::Shape;
use crate::util::lru::LruCache;

/// The class with the largest logit, for every pixel or image.
///
/// Among equal logits, the smallest class wins. A single channel is the logit of a sigmoid: class 1 where it is
/// above 0, else class 0. NaN never wins, except in channel 0, as in [`Mask`](crate::vision::Mask).
#[derive(Debug)]
pub struct ArgMax {
    context: KernelContext,
    kernel: ComputeKernel,
    outputs: LruCache<u64, wgpu::Buffer>,
}

/// Classes on the GPU.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClassMap {
    /// A `u32` for every element of [`Self::shape`], row-major, from the start of the buffer. Usages
    /// `STORAGE` and `COPY_SRC`.
    pub buffer: wgpu::Buffer,
    /// `[N, H, W]` of logits `[N, C, H, W]`, `[N]` of `[N, C]`.
    pub shape: Shape,
}

uniforms! {
    struct Params for ARG_MAX {
        offset: u32,
        channels: u32,
        plane: u32,
        pixels: u32,
    }
}

impl ArgMax {
    /// Makes the pipeline.
    ///
    /// # Errors
    /// [`Error::Device`] and the other device errors where the device refuses.
    pub fn new(gpu: &Gpu) -> Result<Self> {
        let context = KernelContext::new(gpu);
        let [kernel] = ComputeKernel::all(&context, [&ARG_MAX])?;
        Ok(Self {
            context,
            kernel,
            outputs: LruCache::default(),
        })
    }

    /// Records a pass that finds the top class of every pixel of logits `[N, C, H, W]`, or of every image of
    /// `[N, C]`.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the logits have another shape; [`Error::Limit`] where they are too large for
    /// the device; [`Error::Device`] and the other device errors where it refuses.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        logits: &GpuTensor,
    ) -> Result<ClassMap> {
        let what = "the top classes";
        let shape = match *logits.shape.dims() {
            [n, _, h, w] => Shape::from([n, h, w]),
            [n, _] => Shape::from([n]),
            _ => {
                return Err(Error::Inputs(format!(
                    "logits [N, C, H, W] or [N, C] were expected for {what}, found {}",
                    logits.shape
                )));
            }
        };
        let (read, offset) = self.context.input(what, logits)?;
        let pixels = shape.len() as u64;
        let grid = self.context.device.flat_grid(what, pixels)?;
        let buffer = self.context.output(&mut self.outputs, what, 4 * pixels)?;
        // `input` has checked that element indices fit 32 bits.
        let [_, channels, height, width] = logits.shape.nchw();
        let params = Params {
            offset,
            channels: channels as u32,
            plane: (height * width) as u32,
            pixels: pixels as u32,
        };
        let iterations = nested([channels as u64]);
        self.context.device.check_loops(what, iterations)?;
        let written = WriteTarget::Buffer(buffer.clone());
        let bound = (vec![read], written);
        (self.kernel).encode(&self.context, what, encoder, &params, bound, grid)?;
        Ok(ClassMap { buffer, shape })
    }

    /// Drops the cached buffers and bind groups.
    pub fn clear(&mut self) {
        self.kernel.clear();
        self.outputs.clear();
    }
}
