//! The kernel's dispatches, and the buffers and bind groups that they need, which are cached.

use wgpu::BufferUsages;

use super::input::TextureInput;
use super::source::Reading;
use super::tables::{Params, Tables};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, PREPROCESS, Pipeline, PipelineKey, Precision};
use crate::kernels::DeviceContext;
use crate::util::lru::LruCache;
use crate::vision::Preprocessing;

/// The capacity of the caches; a batch with more images makes capacity for all of them.
const CACHED: usize = 8;

/// Turns textures into a network's input; see [`crate::texture`].
///
/// The buffers for a texture's size and preprocessing, and the bind groups for a view and a target, are made at
/// their first use. The last 8 of each are cached (or as many as a batch has images): a host that passes the
/// same views again allocates nothing, and one with a new view each frame holds no more than these. A cached
/// bind group keeps its texture alive, see [`Self::clear`].
#[derive(Debug)]
pub struct Preprocessor {
    gpu: Gpu,
    sizes: LruCache<([u32; 2], Preprocessing), SizeResources>,
    bind_groups: LruCache<BindGroupKey, wgpu::BindGroup>,
}

/// The buffers for a texture's size and a preprocessing. No buffer is ever rewritten: an encoder that reads it
/// may not have been submitted yet.
#[derive(Debug)]
struct SizeResources {
    tables: wgpu::Buffer,
    /// Uniform blocks, one per image of the batch.
    params: Vec<wgpu::Buffer>,
    first: Params,
    workgroups: [u32; 3],
}

/// The key of a bind group. The uniform block implies the tables and the bound size of the target.
#[derive(Debug, PartialEq)]
struct BindGroupKey {
    view: wgpu::TextureView,
    target: wgpu::Buffer,
    params: wgpu::Buffer,
}

impl Preprocessor {
    /// Makes the pipelines for networks of three channels and textures of 8 bits. Others are made when a texture
    /// first needs them, which takes a moment.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver refuses them, [`Error::DeviceLost`].
    pub fn new(gpu: &Gpu) -> Result<Self> {
        let common = [false, true].map(|linear| {
            let (float, grey) = (false, false);
            key(
                Reading {
                    linear,
                    float,
                    grey,
                },
                3,
            )
        });
        gpu.pipelines(&common)?;
        if gpu.is_lost() {
            return Err(gpu.error("making a preprocessor", "lost"));
        }
        Ok(Self {
            gpu: gpu.clone(),
            sizes: LruCache::default(),
            bind_groups: LruCache::default(),
        })
    }

    /// Records the dispatches that write `inputs` to `target` as `[N, C, H, W]` float32, row-major from the start
    /// of the buffer. Nothing is submitted. The encoder must be of the same device, and `target` must have
    /// [`BufferUsages::STORAGE`]. Textures may differ in size, format and preprocessing, but not in the size of
    /// the network's input.
    ///
    /// # Errors
    /// [`Error::Inputs`] where a texture, its preprocessing or the target cannot be used, [`Error::Limit`]
    /// where the device cannot bind so large a target, [`Error::Device`] where the device refuses something:
    /// a view that is not 2D, a texture of another device. In these cases nothing is recorded.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        inputs: &[TextureInput],
        target: &wgpu::Buffer,
    ) -> Result<()> {
        let keys = self.check(inputs, target)?;
        let pipelines = self.gpu.pipelines(&keys)?;
        let dispatches = (inputs.iter().zip(&pipelines).enumerate())
            .map(|(n, (input, pipeline))| {
                let (bind_group, workgroups) =
                    self.bind(n, input, target, pipeline, inputs.len().max(CACHED))?;
                Ok((pipeline, bind_group, workgroups))
            })
            .collect::<Result<Vec<_>>>()?;
        self.gpu.check_lost("recording the preprocessing")?;
        self.gpu
            .with_error_scopes("recording the preprocessing", || {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: Some("preprocess"),
                    timestamp_writes: None,
                });
                for (pipeline, bind_group, [x, y, z]) in &dispatches {
                    pass.set_pipeline(&pipeline.pipeline);
                    pass.set_bind_group(0, bind_group, &[]);
                    pass.dispatch_workgroups(*x, *y, *z);
                }
            })
    }

    /// Drops all cached textures and buffers, for a host that has resized its textures and wants the memory of
    /// the old ones back at once. Recorded passes stay valid.
    pub fn clear(&mut self) {
        self.bind_groups.clear();
        self.sizes.clear();
    }

    /// The pipelines that `inputs` need.
    fn check(&self, inputs: &[TextureInput], target: &wgpu::Buffer) -> Result<Vec<PipelineKey>> {
        let Some(first) = inputs.first() else {
            return Err(Error::Inputs(
                "a batch of at least one texture was expected; found none".to_owned(),
            ));
        };
        let expected = first.preprocessing.input_size;
        let check = |(n, input): (usize, &TextureInput)| {
            let named = |error| match error {
                Error::Inputs(reason) if inputs.len() > 1 => {
                    Error::Inputs(format!("texture {n} of the batch: {reason}"))
                }
                error => error,
            };
            let reading = input.reading().map_err(named)?;
            let found = input.preprocessing.input_size;
            if found != expected {
                return Err(named(Error::Inputs(format!(
                    "the input size of texture 0, {expected:?}, was expected; found {found:?}: use \
                     separate batches for inputs of different sizes"
                ))));
            }
            Ok(key(reading, expected[0] as u32))
        };
        let keys = inputs
            .iter()
            .enumerate()
            .map(check)
            .collect::<Result<_>>()?;

        let [channels, height, width] = expected;
        let shape = format!("[{}, {channels}, {height}, {width}]", inputs.len());
        // Sides and channels have been checked: the product is far below 2⁶⁴ for any number of textures.
        let elements = expected.iter().map(|&extent| extent as u64);
        let bytes = inputs.len() as u64 * elements.product::<u64>() * 4;
        if target.size() < bytes {
            return Err(Error::Inputs(format!(
                "a target of at least {bytes} bytes was expected for an input of {shape}; found one of {}",
                target.size()
            )));
        }
        if !target.usage().contains(BufferUsages::STORAGE) {
            return Err(Error::Inputs(format!(
                "a target that shaders may write was expected, found {:?}; create it with \
                 BufferUsages::STORAGE",
                target.usage()
            )));
        }
        let advice = "use a smaller batch";
        DeviceContext::from_limits_of(&self.gpu).check_binding(
            &format!("an input of {shape}"),
            bytes,
            advice,
        )?;
        Ok(keys)
    }

    /// The bind group for image `n` of a batch, and its number of workgroups.
    fn bind(
        &mut self,
        n: usize,
        input: &TextureInput,
        target: &wgpu::Buffer,
        pipeline: &Pipeline,
        capacity: usize,
    ) -> Result<(wgpu::BindGroup, [u32; 3])> {
        let (size, preprocessing) = (input.source.size()?, input.preprocessing);
        let is_same = |key: &([u32; 2], Preprocessing)| key.0 == size && key.1 == *preprocessing;
        if self.sizes.get(is_same).is_none() {
            let made = self.make(size, preprocessing)?;
            self.sizes
                .insert((size, preprocessing.clone()), made, capacity);
        }
        // It was cached, or has just been inserted.
        let size_resources = self.sizes.get(is_same).expect("a size that was made");
        while size_resources.params.len() <= n {
            let [channels, height, width] = preprocessing.input_size;
            let offset = size_resources.params.len() * channels * height * width;
            let params = size_resources.first.at(offset);
            let buffer = filled(
                &self.gpu,
                BufferUsages::UNIFORM,
                bytemuck::bytes_of(&params),
            )?;
            size_resources.params.push(buffer);
        }
        let key = BindGroupKey {
            view: input.source.view.clone(),
            target: target.clone(),
            params: size_resources.params[n].clone(),
        };
        if let Some(bind_group) = self.bind_groups.get(|cached| *cached == key) {
            return Ok((bind_group.clone(), size_resources.workgroups));
        }
        let [channels, height, width] = preprocessing.input_size;
        let resources = [
            key.params.as_entire_binding(),
            size_resources.tables.as_entire_binding(),
            wgpu::BindingResource::TextureView(&key.view),
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: target,
                offset: 0,
                size: wgpu::BufferSize::new(((n + 1) * channels * height * width) as u64 * 4),
            }),
        ];
        let bind_group = self.gpu.with_error_scopes(
            "binding a texture (a plain 2D view of one of this device's textures was expected)",
            || pipeline.bind_group(&self.gpu, "preprocess", resources),
        )?;
        self.bind_groups.insert(key, bind_group.clone(), capacity);
        Ok((bind_group, size_resources.workgroups))
    }

    fn make(&self, size: [u32; 2], preprocessing: &Preprocessing) -> Result<SizeResources> {
        let Tables { values, params } = Tables::new(size, preprocessing);
        let context = DeviceContext::from_limits_of(&self.gpu);
        let bytes: &[u8] = bytemuck::cast_slice(&values);
        let what = format!("preprocessing a texture of {}x{}", size[0], size[1]);
        context.check_binding(&what, bytes.len() as u64, "use a smaller texture")?;
        let (params, iterations) = params.within(&values, context.max_loop_iterations);
        context.check_loops(&what, iterations)?;
        Ok(SizeResources {
            workgroups: context.flat_grid(&what, params.invocations())?,
            tables: filled(&self.gpu, BufferUsages::STORAGE, bytes)?,
            params: Vec::new(),
            first: params,
        })
    }
}

fn key(reading: Reading, channels: u32) -> PipelineKey {
    PipelineKey {
        shader: &PREPROCESS,
        precision: Precision::F32,
        constants: vec![
            ("LINEAR", reading.linear.into()),
            ("FLOAT", reading.float.into()),
            ("GREY", reading.grey.into()),
            ("CHANNELS", channels),
        ],
    }
}

fn filled(gpu: &Gpu, usage: BufferUsages, bytes: &[u8]) -> Result<wgpu::Buffer> {
    let make = || gpu.filled("preprocess", bytes, usage);
    gpu.with_error_scopes("making a buffer for preprocessing", make)
        .flatten()
}
