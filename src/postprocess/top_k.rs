use std::ops::Range;

use super::compute_kernel::{ComputeKernel, KernelContext, WriteTarget};
use crate::error::{Error, Result};
use crate::gpu::uniform::uniforms;
use crate::gpu::{Gpu, GpuTensor, TOP_K};
use crate::kernels::WORKGROUP;
use crate::util::lru::LruCache;

/// The top classes of every image, as [`softmax`](crate::vision::softmax) and
/// [`top_k`](crate::vision::top_k) find them.
///
/// Classes are ordered by the network's outputs, and those of equal outputs by their index: so logits decide
/// even where the probabilities are equal in float32. NaN comes before every number; a NaN or infinite logit
/// makes all probabilities of its image NaN.
#[derive(Debug)]
pub struct TopK {
    context: KernelContext,
    kernel: ComputeKernel,
    outputs: LruCache<u64, wgpu::Buffer>,
    softmax: bool,
}

/// The top classes of images, on the GPU.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TopClasses {
    /// From the start of the buffer, [`Self::k`] pairs for each image in order, most probable first: the
    /// class, a `u32`, and its probability, an `f32`. Usages `STORAGE` and `COPY_SRC`.
    pub buffer: wgpu::Buffer,
    /// The number of images.
    pub images: usize,
    /// Classes per image: the requested number, or all classes where there are fewer.
    pub k: usize,
}

/// A class and its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClassScore {
    /// The class's index.
    pub class: usize,
    /// Between 0 and 1; NaN where the network's output is NaN.
    pub probability: f32,
}

uniforms! {
    struct Params for TOP_K {
        offset: u32,
        images: u32,
        classes: u32,
        k: u32,
        softmax: u32,
        first: u32,
        end: u32,
        unused: u32,
    }
}

impl TopK {
    /// The largest k: the kernel scans all classes once for each of the k.
    pub const MOST: usize = 128;

    /// Makes the pipeline. With `softmax`, its inputs are logits, which a softmax makes probabilities; without,
    /// its inputs are probabilities.
    ///
    /// # Errors
    /// [`Error::Device`] and the other device errors where the device refuses.
    pub fn new(gpu: &Gpu, softmax: bool) -> Result<Self> {
        let context = KernelContext::new(gpu);
        let [kernel] = ComputeKernel::all(&context, [&TOP_K])?;
        Ok(Self {
            context,
            kernel,
            outputs: LruCache::default(),
            softmax,
        })
    }

    /// Records a pass that finds the top `k` classes of every image of `scores`: logits or probabilities
    /// `[N, C]` or `[N, C, 1, 1]`.
    ///
    /// # Errors
    /// [`Error::Inputs`] where `scores` has another shape, or `k` is 0 or above [`Self::MOST`];
    /// [`Error::Limit`] where they are too large for the device; [`Error::Device`] and the other device errors where
    /// it refuses.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        scores: &GpuTensor,
        k: usize,
    ) -> Result<TopClasses> {
        let what = "the top classes of images";
        let &([images, classes] | [images, classes, 1, 1]) = scores.shape.dims() else {
            return Err(Error::Inputs(format!(
                "scores [N, C] or [N, C, 1, 1] were expected for {what}, found {}",
                scores.shape
            )));
        };
        if !(1..=Self::MOST).contains(&k) {
            return Err(Error::Inputs(format!(
                "k: a number between 1 and {} was expected, found {k}",
                Self::MOST
            )));
        }
        let k = k.min(classes);
        let (read, offset) = self.context.input(what, scores)?;
        let [x, y] = self.context.device.fold(what, images as u64)?;
        let bytes = 8 * (images * k) as u64;
        let buffer = self.context.output(&mut self.outputs, what, bytes)?;
        // `input` has checked that element indices fit 32 bits.
        let mut bound = Vec::new();
        for ranks in self.ranks(what, classes, k)? {
            let params = Params {
                offset,
                images: images as u32,
                classes: classes as u32,
                k: k as u32,
                softmax: u32::from(self.softmax),
                first: ranks.start as u32,
                end: ranks.end as u32,
                unused: 0,
            };
            let written = WriteTarget::Buffer(buffer.clone());
            bound.push((self.kernel).bind(&self.context, &params, vec![read.clone()], written)?);
        }
        self.context.pass(what, encoder, |pass| {
            for bind_group in &bound {
                self.kernel.dispatch(pass, bind_group, [x, y, 1]);
            }
        })?;
        Ok(TopClasses { buffer, images, k })
    }

    /// The ranks that each dispatch finds: all, where the driver's limit of loop iterations allows it.
    fn ranks(&self, what: &str, classes: usize, k: usize) -> Result<Vec<Range<usize>>> {
        let device = &self.context.device;
        let scan = (classes as u64).div_ceil(WORKGROUP);
        // A scan for the softmax, and one for each rank; each ends with a reduction of 7 iterations.
        let iterations = |ranks: usize| (scan + 16) * (1 + ranks as u64);
        device.check_loops(what, iterations(1))?;
        let each = match device.max_loop_iterations {
            Some(limit) => ((limit / (scan + 16)).saturating_sub(1) as usize).clamp(1, k.max(1)),
            None => k.max(1),
        };
        let starts = (0..k).step_by(each);
        Ok(starts.map(|first| first..k.min(first + each)).collect())
    }

    /// Drops the cached buffers and bind groups.
    pub fn clear(&mut self) {
        self.kernel.clear();
        self.outputs.clear();
    }
}

impl TopClasses {
    /// The size of the result in bytes, from the start of the buffer.
    pub fn bytes(&self) -> u64 {
        8 * (self.images * self.k) as u64
    }

    /// Decodes the first [`Self::bytes`] of the buffer: the classes of every image, most probable first.
    ///
    /// # Errors
    /// [`Error::Inputs`] where there are fewer bytes.
    pub fn parse(&self, bytes: &[u8]) -> Result<Vec<Vec<ClassScore>>> {
        let (pairs, _) = bytes.as_chunks::<8>();
        let Some(pairs) = pairs.get(..self.images * self.k) else {
            return Err(Error::Inputs(format!(
                "{} bytes were expected for the top {} classes of {} images, found {}",
                self.bytes(),
                self.k,
                self.images,
                bytes.len()
            )));
        };
        let pair = |&[a, b, c, d, e, f, g, h]: &[u8; 8]| ClassScore {
            class: u32::from_le_bytes([a, b, c, d]) as usize,
            probability: f32::from_le_bytes([e, f, g, h]),
        };
        let images = pairs.chunks(self.k.max(1));
        Ok(images
            .map(|image| image.iter().map(pair).collect())
            .collect())
    }
}
