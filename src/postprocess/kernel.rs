//! What all kernels here are made of: a pipeline, and what was bound to it lately.

use bytemuck::Pod;
use wgpu::BufferUsages;

use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor, Pipeline, PipelineKey, Precision, Shader};
use crate::kernels::DeviceContext;
use crate::util::lru::LruCache;

/// How many of each thing are kept: as many as a host plausibly takes in turns, the textures of a
/// swapchain, say.
pub(super) const KEPT: usize = 4;

/// The device, and the arithmetic with its limits.
pub(super) struct Context {
    pub gpu: Gpu,
    pub device: DeviceContext,
}

/// A part of a buffer that is bound.
#[derive(Clone, PartialEq)]
pub(super) struct Span {
    buffer: wgpu::Buffer,
    start: u64,
    bytes: u64,
}

/// What a kernel writes.
#[derive(Clone, PartialEq)]
pub(super) enum Target {
    Buffer(wgpu::Buffer),
    Texture(wgpu::TextureView),
}

/// A pipeline and what was bound to it lately.
pub(super) struct Kernel {
    name: &'static str,
    pipeline: Pipeline,
    bound: LruCache<Bound, wgpu::BindGroup>,
    /// How often it runs in a pass.
    times: usize,
}

#[derive(PartialEq)]
struct Bound {
    params: Vec<u8>,
    reads: Vec<Span>,
    written: Target,
}

impl Context {
    pub fn new(gpu: &Gpu) -> Self {
        Self {
            gpu: gpu.clone(),
            device: DeviceContext::from_limits_of(gpu),
        }
    }

    /// What of its buffer to bind for a tensor, and where in that it begins, in numbers. Sessions put
    /// tensors where bindings may not begin.
    pub fn input(&self, what: &str, tensor: &GpuTensor) -> Result<(Span, u32)> {
        let GpuTensor {
            buffer,
            offset,
            shape,
        } = tensor;
        let count = shape.checked_len().filter(|&count| count > 0);
        let bytes = count.and_then(|count| (count as u64).checked_mul(4));
        let end = bytes.and_then(|bytes| offset.checked_add(bytes));
        let Some(end) = end.filter(|&end| end <= buffer.size() && offset % 4 == 0) else {
            return Err(Error::Inputs(format!(
                "{what}: a float32 tensor with elements was expected, at a multiple of 4 bytes and \
                 within its buffer; found {shape} at byte {offset} of {}",
                buffer.size()
            )));
        };
        if !buffer.usage().contains(BufferUsages::STORAGE) {
            return Err(Error::Inputs(format!(
                "{what}: a buffer with usage STORAGE was expected, found {:?}",
                buffer.usage()
            )));
        }
        let alignment = self.device.limits.min_storage_buffer_offset_alignment;
        let start = offset - offset % u64::from(alignment.max(4));
        let bytes = end - start;
        self.device
            .check_binding(what, bytes, "use a smaller image or batch")?;
        if bytes / 4 > u64::from(u32::MAX) {
            return Err(Error::Inputs(format!(
                "{what}: fewer than 2^32 elements were expected, found {shape}"
            )));
        }
        let span = Span {
            buffer: buffer.clone(),
            start,
            bytes,
        };
        // Less than an alignment, a u32.
        Ok((span, ((offset - start) / 4) as u32))
    }

    /// A buffer for answers of so many bytes: the one that was used for as many before, if any.
    pub fn output(
        &self,
        outputs: &mut LruCache<u64, wgpu::Buffer>,
        what: &str,
        bytes: u64,
    ) -> Result<wgpu::Buffer> {
        self.device
            .check_binding(what, bytes, "use a smaller image or batch")?;
        if let Some(output) = outputs.get(|&known| known == bytes) {
            return Ok(output.clone());
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let output = self.buffer(what, bytes, usage)?;
        outputs.insert(bytes, output.clone(), KEPT);
        Ok(output)
    }

    /// A buffer of zeros.
    pub fn buffer(&self, what: &str, bytes: u64, usage: BufferUsages) -> Result<wgpu::Buffer> {
        let _gl_lock = self.gpu.gl_lock();
        let make = || self.gpu.buffer(what, bytes, usage, false);
        self.gpu.with_error_scopes(what, make)
    }

    /// A buffer that holds `content` from the start: no copy has to be submitted.
    pub fn filled(&self, what: &str, content: &[u8], usage: BufferUsages) -> Result<wgpu::Buffer> {
        let _gl_lock = self.gpu.gl_lock();
        let make = || self.gpu.filled(what, content, usage);
        self.gpu.with_error_scopes(what, make).flatten()
    }

    /// Adds a pass with `dispatches` to the host's encoder.
    pub fn pass(
        &self,
        what: &str,
        encoder: &mut wgpu::CommandEncoder,
        dispatches: impl FnOnce(&mut wgpu::ComputePass),
    ) -> Result<()> {
        self.gpu.with_error_scopes(what, || {
            let descriptor = wgpu::ComputePassDescriptor {
                label: Some(what),
                timestamp_writes: None,
            };
            dispatches(&mut encoder.begin_compute_pass(&descriptor));
        })
    }
}

impl Span {
    /// All of a buffer.
    pub fn all(buffer: &wgpu::Buffer) -> Self {
        Self {
            buffer: buffer.clone(),
            start: 0,
            bytes: buffer.size(),
        }
    }

    fn resource(&self) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.buffer,
            offset: self.start,
            // No span is empty; and none would be all of the buffer.
            size: wgpu::BufferSize::new(self.bytes),
        })
    }
}

impl Kernel {
    /// One kernel for each of `shaders`, their pipelines made together.
    pub fn all<const N: usize>(
        context: &Context,
        shaders: [&'static Shader; N],
    ) -> Result<[Self; N]> {
        let keys = shaders.map(|shader| PipelineKey {
            shader,
            precision: Precision::F32,
            constants: Vec::new(),
        });
        let _gl_lock = context.gpu.gl_lock();
        let mut pipelines = context.gpu.pipelines(&keys)?.into_iter();
        Ok(shaders.map(|shader| Self {
            name: shader.name,
            // One was asked for each.
            pipeline: pipelines.next().expect("a pipeline for every key"),
            bound: LruCache::default(),
            times: 1,
        }))
    }

    /// For a kernel that runs so often in a pass.
    pub fn times(self, times: usize) -> Self {
        Self {
            times: times.max(1),
            ..self
        }
    }

    /// Lets go of what is kept.
    pub fn clear(&mut self) {
        self.bound.clear();
    }

    /// What binds `params` and buffers: made, unless they were bound lately. Parameters have a uniform
    /// of their own, for an encoder may not have been submitted yet that is to read others.
    pub fn bind(
        &mut self,
        context: &Context,
        params: &impl Pod,
        reads: Vec<Span>,
        written: Target,
    ) -> Result<wgpu::BindGroup> {
        let key = Bound {
            params: bytemuck::bytes_of(params).to_vec(),
            reads,
            written,
        };
        if let Some(bound) = self.bound.get(|known| *known == key) {
            return Ok(bound.clone());
        }
        let gpu = &context.gpu;
        let _gl_lock = gpu.gl_lock();
        let make = || -> Result<wgpu::BindGroup> {
            let params = gpu.filled(self.name, &key.params, BufferUsages::UNIFORM)?;
            let reads = key.reads.iter().map(Span::resource);
            let written = match &key.written {
                Target::Buffer(buffer) => buffer.as_entire_binding(),
                Target::Texture(view) => wgpu::BindingResource::TextureView(view),
            };
            let resources = [params.as_entire_binding()].into_iter();
            let resources = resources.chain(reads).chain([written]);
            Ok(self.pipeline.bind_group(gpu, self.name, resources))
        };
        let bound = gpu.with_error_scopes(self.name, make).flatten()?;
        let room = KEPT * self.times;
        self.bound.insert(key, bound.clone(), room);
        Ok(bound)
    }

    /// Adds a pass of one dispatch to the host's encoder.
    pub fn encode(
        &mut self,
        context: &Context,
        what: &str,
        encoder: &mut wgpu::CommandEncoder,
        params: &impl Pod,
        (reads, written): (Vec<Span>, Target),
        grid: [u32; 3],
    ) -> Result<()> {
        let bound = self.bind(context, params, reads, written)?;
        context.pass(what, encoder, |pass| self.dispatch(pass, &bound, grid))
    }

    /// Adds a dispatch to a pass.
    pub fn dispatch(
        &self,
        pass: &mut wgpu::ComputePass,
        bound: &wgpu::BindGroup,
        [x, y, z]: [u32; 3],
    ) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, bound, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}
