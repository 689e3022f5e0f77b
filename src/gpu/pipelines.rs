//! Pipelines: compiled once per device, several at a time, and shared by all of its sessions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::pipeline_file::PipelineFile;
use super::warm_up::WarmUp;
use super::{Bindings, Gpu, Precision, Shader, WriteTarget};
use crate::error::Result;
use crate::util::sync::lock_ignoring_poison as lock;

/// The key of a pipeline in the cache. Shapes are not part of it: they are in uniforms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PipelineKey {
    /// The shader.
    pub shader: &'static Shader,
    /// How the shader's values are stored.
    pub precision: Precision,
    /// Override constants.
    pub constants: Vec<(&'static str, u32)>,
}

/// A pipeline with the layout of its one bind group.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The pipeline.
    pub pipeline: Arc<wgpu::ComputePipeline>,
    /// The layout of its only bind group.
    pub layout: Arc<wgpu::BindGroupLayout>,
}

impl Pipeline {
    /// A bind group of `resources`, in the order of the bindings.
    pub fn bind_group<'a>(
        &self,
        gpu: &Gpu,
        label: &str,
        resources: impl IntoIterator<Item = wgpu::BindingResource<'a>>,
    ) -> wgpu::BindGroup {
        let entry = |(binding, resource)| wgpu::BindGroupEntry { binding, resource };
        let entries: Vec<wgpu::BindGroupEntry> = (0..).zip(resources).map(entry).collect();
        gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(label),
            layout: &self.layout,
            entries: &entries,
        })
    }
}

/// How many pipelines a device has compiled so far, and how long that took: see [`Gpu::compiled_pipelines`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompiledPipelines {
    /// Their number.
    pub count: usize,
    /// How long callers waited for them, which includes what the driver does before it runs them first.
    pub time: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Cache {
    compiled: Mutex<CompiledPipelines>,
    made: Mutex<HashMap<PipelineKey, Pipeline>>,
    /// By shader name and precision: pipelines that differ in constants share a module.
    modules: Mutex<HashMap<(&'static str, Precision), Lazy<wgpu::ShaderModule>>>,
    /// By bindings, which is all that layouts depend on.
    layouts: Mutex<HashMap<Bindings, Lazy<Layouts>>>,
}

/// Made by the first thread that needs it, while others wait.
type Lazy<T> = Arc<OnceLock<T>>;

#[derive(Debug)]
struct Layouts {
    bind_group: Arc<wgpu::BindGroupLayout>,
    pipeline: wgpu::PipelineLayout,
}

impl Cache {
    /// The pipelines for `keys`. Calls `report` with how many new ones are completed, and their total.
    pub fn get(
        &self,
        gpu: &Gpu,
        keys: &[PipelineKey],
        report: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Pipeline>> {
        let mut missing: Vec<&PipelineKey> = {
            let made = lock(&self.made);
            keys.iter().filter(|k| !made.contains_key(k)).collect()
        };
        missing.sort_by_key(|key| (key.shader.name, key.constants.clone()));
        missing.dedup();
        if !missing.is_empty() {
            let start = Instant::now();
            let _span = tracing::debug_span!("pipelines", count = missing.len()).entered();
            // Compiled without holding the lock: another thread may compile the same one, which costs only
            // time.
            let warm_up = gpu.with_error_scopes("warming up", || WarmUp::new(gpu))?;
            let done = AtomicUsize::new(0);
            let make = |key: &&PipelineKey| {
                let pipeline = gpu.with_error_scopes(key.shader.name, || {
                    let pipeline = self.make(gpu, key);
                    warm_up.dispatch(gpu, &pipeline, key.shader.bindings);
                    pipeline
                })?;
                report(done.fetch_add(1, Ordering::Relaxed) + 1, missing.len());
                Ok(pipeline)
            };
            let fresh: Vec<Pipeline> = match gpu.needs_serialized_access() {
                true => missing.iter().map(make).collect::<Result<_>>()?,
                false => missing.par_iter().map(make).collect::<Result<_>>()?,
            };
            // On a lost device, all of them are invalid.
            gpu.check_lost("compiling pipelines")?;
            let count = fresh.len();
            let mut made = lock(&self.made);
            for (key, pipeline) in missing.into_iter().zip(fresh) {
                made.entry(key.clone()).or_insert(pipeline);
            }
            drop(made);
            let mut compiled = lock(&self.compiled);
            compiled.count += count;
            compiled.time += start.elapsed();
            drop(compiled);
            if let Some(file) = &gpu.inner.pipeline_file {
                file.save();
            }
        }
        // Every key was in the cache, or was added just now.
        let made = lock(&self.made);
        Ok(keys.iter().map(|key| made[key].clone()).collect())
    }

    /// What has been compiled so far.
    pub fn compiled(&self) -> CompiledPipelines {
        *lock(&self.compiled)
    }

    fn make(&self, gpu: &Gpu, key: &PipelineKey) -> Pipeline {
        let module = lock(&self.modules)
            .entry((key.shader.name, key.precision))
            .or_default()
            .clone();
        let layouts = lock(&self.layouts)
            .entry(key.shader.bindings)
            .or_default()
            .clone();
        let layouts = layouts.get_or_init(|| make_layouts(gpu, key.shader.bindings));
        let constants: Vec<(&str, f64)> = key
            .constants
            .iter()
            .map(|&(name, value)| (name, f64::from(value)))
            .collect();
        let pipeline = gpu
            .device()
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(key.shader.name),
                layout: Some(&layouts.pipeline),
                module: module.get_or_init(|| make_module(gpu, key)),
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    // Every shader writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: gpu.inner.pipeline_file.as_ref().map(PipelineFile::cache),
            });
        Pipeline {
            pipeline: Arc::new(pipeline),
            layout: layouts.bind_group.clone(),
        }
    }
}

fn make_module(gpu: &Gpu, key: &PipelineKey) -> wgpu::ShaderModule {
    let device = gpu.device();
    let source = key.shader.assemble(key.precision);
    #[cfg(feature = "fault-injection")]
    let source = match gpu.inner.injected_fault.get() {
        Some(name) if name == key.shader.name => with_fault(&source),
        _ => source,
    };
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(key.shader.name),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    };
    if gpu.runtime_checks() {
        return device.create_shader_module(descriptor);
    }
    // SAFETY: the sources are this crate's own files. Every index is computed from a `TensorView` whose
    // buffer the plan has sized for it, loops are bounded by uniforms, and divisors are extents,
    // which are never zero. The kernel tests run each shader with checks as well and compare.
    unsafe {
        device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
    }
}

/// See [`Gpu::inject_fault`]: all kernels store through this function.
#[cfg(feature = "fault-injection")]
fn with_fault(source: &str) -> String {
    source.replace(
        "fn pack_element(value: vec4<f32>) -> Element {",
        "fn pack_element(correct: vec4<f32>) -> Element {\n    let value = 1.25 * correct;",
    )
}

fn make_layouts(gpu: &Gpu, bindings: Bindings) -> Layouts {
    use wgpu::BindingType;
    let device = gpu.device();
    let buffer = |ty| BindingType::Buffer {
        ty,
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    let storage = |read_only| buffer(wgpu::BufferBindingType::Storage { read_only });
    let texture = BindingType::Texture {
        sample_type: wgpu::TextureSampleType::Float { filterable: false },
        view_dimension: wgpu::TextureViewDimension::D2,
        multisampled: false,
    };
    let written = match bindings.writes {
        WriteTarget::Buffer => storage(false),
        WriteTarget::Texture => BindingType::StorageTexture {
            access: wgpu::StorageTextureAccess::WriteOnly,
            format: wgpu::TextureFormat::Rgba8Unorm,
            view_dimension: wgpu::TextureViewDimension::D2,
        },
    };
    let types = std::iter::once(buffer(wgpu::BufferBindingType::Uniform))
        .chain((0..bindings.reads).map(|_| storage(true)))
        .chain((0..bindings.textures).map(|_| texture))
        .chain([written]);
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..)
        .zip(types)
        .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty,
            count: None,
        })
        .collect();
    let Bindings {
        reads, textures, ..
    } = bindings;
    let label = format!("{reads} buffers and {textures} textures read");
    let bind_group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(&label),
        entries: &entries,
    });
    let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(&label),
        bind_group_layouts: &[Some(&bind_group)],
        immediate_size: 0,
    });
    Layouts {
        bind_group: Arc::new(bind_group),
        pipeline,
    }
}
