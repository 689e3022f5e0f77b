use super::kernel::{Context, Kernel, Target};
use crate::error::{Error, Result};
use crate::gpu::uniform::uniforms;
use crate::gpu::{Gpu, GpuTensor, TOP_K};
use crate::util::lru::LruCache;

/// The likeliest classes of every image, as [`softmax`](crate::vision::softmax) and
/// [`top_k`](crate::vision::top_k) find them.
///
/// They come in the order of what the network has answered: equal logits in order of their classes, and
/// also those in the order of their logits whose probabilities differ too little for float32. NaN comes
/// before every number; one NaN among logits, or an infinite one, makes every probability NaN.
pub struct TopK {
    context: Context,
    kernel: Kernel,
    outputs: LruCache<u64, wgpu::Buffer>,
    softmax: bool,
}

/// The likeliest classes of images on the GPU.
#[derive(Clone, Debug)]
pub struct TopClasses {
    /// Image after image [`Self::k`] pairs, likeliest first, from the buffer's start: the class, a
    /// `u32`, and its probability, an `f32`. Usages `STORAGE` and `COPY_SRC`.
    pub buffer: wgpu::Buffer,
    /// Images.
    pub images: usize,
    /// Classes an image: as many as were asked for, or all of them where there are fewer.
    pub k: usize,
}

/// A class and how likely it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScore {
    /// The class's index.
    pub class: usize,
    /// Between 0 and 1; NaN where the network answered NaN.
    pub probability: f32,
}

uniforms! {
    struct Params for TOP_K {
        offset: u32,
        images: u32,
        classes: u32,
        k: u32,
        softmax: u32,
        unused: [u32; 3],
    }
}

impl TopK {
    /// The most classes that may be asked for: each takes a look at all of them.
    pub const MOST: usize = 128;

    /// Makes the pipeline. `softmax` says whether there will be logits, of which a softmax is to make
    /// probabilities, or probabilities.
    ///
    /// # Errors
    /// [`Error::Device`] and its like where the device refuses.
    pub fn new(gpu: &Gpu, softmax: bool) -> Result<Self> {
        let context = Context::new(gpu);
        let [kernel] = Kernel::all(&context, [&TOP_K])?;
        Ok(Self {
            context,
            kernel,
            outputs: LruCache::default(),
            softmax,
        })
    }

    /// Adds to `encoder` what finds the `k` likeliest classes of every image of `answers`, logits or
    /// probabilities `[N, C]` or `[N, C, 1, 1]`.
    ///
    /// # Errors
    /// [`Error::Inputs`] where they are no such tensor, or `k` is 0 or above [`Self::MOST`];
    /// [`Error::Limit`] where they are too large for the device; [`Error::Device`] and its like where
    /// it refuses.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        answers: &GpuTensor,
        k: usize,
    ) -> Result<TopClasses> {
        let what = "the likeliest classes of images";
        let &([images, classes] | [images, classes, 1, 1]) = answers.shape.dims() else {
            return Err(Error::Inputs(format!(
                "answers [N, C] or [N, C, 1, 1] were expected for {what}, found {}",
                answers.shape
            )));
        };
        if !(1..=Self::MOST).contains(&k) {
            return Err(Error::Inputs(format!(
                "between 1 and {} likeliest classes were expected to be asked for, found {k}",
                Self::MOST
            )));
        }
        let k = k.min(classes);
        let (read, offset) = self.context.input(what, answers)?;
        let [x, y] = self.context.device.fold(what, images as u64)?;
        let bytes = 8 * (images * k) as u64;
        let buffer = self.context.output(&mut self.outputs, what, bytes)?;
        // `input` has bounded the elements to 32 bits.
        let params = Params {
            offset,
            images: images as u32,
            classes: classes as u32,
            k: k as u32,
            softmax: u32::from(self.softmax),
            unused: [0; 3],
        };
        let written = Target::Buffer(buffer.clone());
        let (bound, grid) = ((vec![read], written), [x, y, 1]);
        (self.kernel).encode(&self.context, what, encoder, &params, bound, grid)?;
        Ok(TopClasses { buffer, images, k })
    }

    /// Lets go of the buffers that are kept.
    pub fn clear(&mut self) {
        self.kernel.clear();
        self.outputs.clear();
    }
}

impl TopClasses {
    /// How many bytes of the buffer are the answer.
    pub fn bytes(&self) -> u64 {
        8 * (self.images * self.k) as u64
    }

    /// What the buffer's first [`Self::bytes`] say: for every image its classes, likeliest first.
    ///
    /// # Errors
    /// [`Error::Inputs`] where there are fewer bytes.
    pub fn parse(&self, bytes: &[u8]) -> Result<Vec<Vec<ClassScore>>> {
        let (pairs, _) = bytes.as_chunks::<8>();
        let Some(pairs) = pairs.get(..self.images * self.k) else {
            return Err(Error::Inputs(format!(
                "{} bytes were expected for the {} likeliest classes of {} images, found {}",
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
