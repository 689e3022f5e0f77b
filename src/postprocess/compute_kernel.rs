//! What all postprocessing kernels are made of: a compute pipeline with a cache of its bind groups.

use bytemuck::Pod;
use wgpu::BufferUsages;

use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor, Pipeline, PipelineKey, Precision, Shader};
use crate::kernels::DeviceContext;
use crate::util::lru::LruCache;

/// The capacity of each cache: as many as a host plausibly uses in turns, such as the textures of a swapchain.
pub(super) const CACHED: usize = 4;

/// The device and its limits.
#[derive(Debug)]
pub(super) struct KernelContext {
    pub gpu: Gpu,
    pub device: DeviceContext,
}

/// A range of a buffer that a kernel reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BufferRange {
    buffer: wgpu::Buffer,
    start: u64,
    bytes: u64,
}

/// The buffer or texture that a kernel writes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum WriteTarget {
    Buffer(wgpu::Buffer),
    Texture(wgpu::TextureView),
}

/// A compute pipeline with a cache of its last bind groups.
#[derive(Debug)]
pub(super) struct ComputeKernel {
    name: &'static str,
    pipeline: Pipeline,
    bind_groups: LruCache<BindGroupKey, wgpu::BindGroup>,
    /// The number of dispatches per pass, each with a bind group of its own.
    dispatches_per_pass: usize,
}

/// What a bind group binds.
#[derive(Debug, PartialEq)]
struct BindGroupKey {
    params: Vec<u8>,
    reads: Vec<BufferRange>,
    written: WriteTarget,
}

impl KernelContext {
    pub fn new(gpu: &Gpu) -> Self {
        Self {
            gpu: gpu.clone(),
            device: DeviceContext::from_limits_of(gpu),
        }
    }

    /// The range of its buffer to bind for a tensor, and the tensor's offset in that range, in elements.
    /// Sessions place tensors at offsets at which bindings must not begin.
    pub fn input(&self, what: &str, tensor: &GpuTensor) -> Result<(BufferRange, u32)> {
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
        let span = BufferRange {
            buffer: buffer.clone(),
            start,
            bytes,
        };
        // Less than the alignment, which is a u32.
        Ok((span, ((offset - start) / 4) as u32))
    }

    /// A buffer for a result of `bytes`: the cached one of that size, if there is one.
    pub fn output(
        &self,
        outputs: &mut LruCache<u64, wgpu::Buffer>,
        what: &str,
        bytes: u64,
    ) -> Result<wgpu::Buffer> {
        self.device
            .check_binding(what, bytes, "use a smaller image or batch")?;
        if let Some(output) = outputs.get(|&cached| cached == bytes) {
            return Ok(output.clone());
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let output = self.buffer(what, bytes, usage)?;
        outputs.insert(bytes, output.clone(), CACHED);
        Ok(output)
    }

    /// A buffer of zeros.
    pub fn buffer(&self, what: &str, bytes: u64, usage: BufferUsages) -> Result<wgpu::Buffer> {
        let _gl_lock = self.gpu.gl_lock();
        let make = || self.gpu.buffer(what, bytes, usage, false);
        self.gpu.with_error_scopes(what, make)
    }

    /// A buffer that is created with `content`, so that no copy has to be submitted.
    pub fn filled(&self, what: &str, content: &[u8], usage: BufferUsages) -> Result<wgpu::Buffer> {
        let _gl_lock = self.gpu.gl_lock();
        let make = || self.gpu.filled(what, content, usage);
        self.gpu.with_error_scopes(what, make).flatten()
    }

    /// Records a pass of `dispatches` into the host's encoder.
    pub fn pass(
        &self,
        what: &str,
        encoder: &mut wgpu::CommandEncoder,
        dispatches: impl FnOnce(&mut wgpu::ComputePass),
    ) -> Result<()> {
        self.gpu.check_lost(what)?;
        self.gpu.with_error_scopes(what, || {
            let descriptor = wgpu::ComputePassDescriptor {
                label: Some(what),
                timestamp_writes: None,
            };
            dispatches(&mut encoder.begin_compute_pass(&descriptor));
        })
    }
}

impl BufferRange {
    /// A whole buffer.
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
            // No range is empty: a size of `None` would bind the rest of the buffer.
            size: wgpu::BufferSize::new(self.bytes),
        })
    }
}

impl ComputeKernel {
    /// A kernel for each of `shaders`, whose pipelines are made together.
    pub fn all<const N: usize>(
        context: &KernelContext,
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
            // `pipelines` returns one pipeline per key.
            pipeline: pipelines.next().expect("a pipeline for every key"),
            bind_groups: LruCache::default(),
            dispatches_per_pass: 1,
        }))
    }

    /// Makes room in the cache for `count` dispatches per pass.
    pub fn dispatches_per_pass(self, count: usize) -> Self {
        Self {
            dispatches_per_pass: count.max(1),
            ..self
        }
    }

    /// Drops the cached bind groups.
    pub fn clear(&mut self) {
        self.bind_groups.clear();
    }

    /// The bind group of `params`, `reads` and `written`, from the cache or else made. Each has a uniform
    /// buffer of its own, as an encoder that reads other parameters may not have been submitted yet.
    pub fn bind(
        &mut self,
        context: &KernelContext,
        params: &impl Pod,
        reads: Vec<BufferRange>,
        written: WriteTarget,
    ) -> Result<wgpu::BindGroup> {
        let key = BindGroupKey {
            params: bytemuck::bytes_of(params).to_vec(),
            reads,
            written,
        };
        if let Some(bind_group) = self.bind_groups.get(|cached| *cached == key) {
            return Ok(bind_group.clone());
        }
        let gpu = &context.gpu;
        let _gl_lock = gpu.gl_lock();
        let make = || -> Result<wgpu::BindGroup> {
            let params = gpu.filled(self.name, &key.params, BufferUsages::UNIFORM)?;
            let reads = key.reads.iter().map(BufferRange::resource);
            let written = match &key.written {
                WriteTarget::Buffer(buffer) => buffer.as_entire_binding(),
                WriteTarget::Texture(view) => wgpu::BindingResource::TextureView(view),
            };
            let resources = [params.as_entire_binding()].into_iter();
            let resources = resources.chain(reads).chain([written]);
            Ok(self.pipeline.bind_group(gpu, self.name, resources))
        };
        let bind_group = gpu.with_error_scopes(self.name, make).flatten()?;
        let capacity = CACHED * self.dispatches_per_pass;
        self.bind_groups.insert(key, bind_group.clone(), capacity);
        Ok(bind_group)
    }

    /// Records a pass of one dispatch into the host's encoder.
    pub fn encode(
        &mut self,
        context: &KernelContext,
        what: &str,
        encoder: &mut wgpu::CommandEncoder,
        params: &impl Pod,
        (reads, written): (Vec<BufferRange>, WriteTarget),
        grid: [u32; 3],
    ) -> Result<()> {
        let bind_group = self.bind(context, params, reads, written)?;
        context.pass(what, encoder, |pass| self.dispatch(pass, &bind_group, grid))
    }

    /// Records a dispatch into a pass.
    pub fn dispatch(
        &self,
        pass: &mut wgpu::ComputePass,
        bind_group: &wgpu::BindGroup,
        [x, y, z]: [u32; 3],
    ) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}
