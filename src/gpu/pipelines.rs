//! Pipelines: made once a device, several at a time, and shared by all of its sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use super::{Gpu, Precision, Shader};
use crate::error::Result;

/// What makes one pipeline differ from another. Shapes are none of it: they go into uniforms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PipelineKey {
    pub shader: &'static Shader,
    pub precision: Precision,
    /// Override constants.
    pub constants: Vec<(&'static str, u32)>,
}

/// A pipeline with the layout of its one bind group.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub pipeline: Arc<wgpu::ComputePipeline>,
    pub layout: Arc<wgpu::BindGroupLayout>,
}

#[derive(Debug, Default)]
pub(super) struct Cache {
    made: Mutex<HashMap<PipelineKey, Pipeline>>,
}

impl Cache {
    pub fn get(&self, gpu: &Gpu, keys: &[PipelineKey]) -> Result<Vec<Pipeline>> {
        // A thread that panicked while holding the lock left a map of finished pipelines behind.
        let lock = || self.made.lock().unwrap_or_else(|e| e.into_inner());
        let mut missing: Vec<&PipelineKey> = {
            let made = lock();
            keys.iter().filter(|k| !made.contains_key(k)).collect()
        };
        missing.sort_by_key(|key| (key.shader.name, key.constants.clone()));
        missing.dedup();
        // Made without the lock: another thread may make the same one, which costs time only.
        let fresh: Vec<Pipeline> = missing
            .par_iter()
            .map(|key| gpu.scoped(key.shader.name, || make(gpu, key)))
            .collect::<Result<_>>()?;
        let mut made = lock();
        for (key, pipeline) in missing.into_iter().zip(fresh) {
            made.entry(key.clone()).or_insert(pipeline);
        }
        // Every key was there before or was made just now.
        Ok(keys.iter().map(|key| made[key].clone()).collect())
    }
}

fn make(gpu: &Gpu, key: &PipelineKey) -> Pipeline {
    let device = gpu.device();
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(key.shader.name),
        source: wgpu::ShaderSource::Wgsl(key.shader.assemble(key.precision).into()),
    };
    let module = if gpu.runtime_checks() {
        device.create_shader_module(descriptor)
    } else {
        // SAFETY: the sources are this crate's own files. Every index is computed from a `Map`
        // whose buffer the plan has sized for it, loops are bounded by uniforms, and divisors are
        // extents, which are never zero. The kernel tests run each shader with checks as well and
        // compare.
        unsafe {
            device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        }
    };
    let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
    let types = std::iter::once(wgpu::BufferBindingType::Uniform)
        .chain((0..key.shader.reads).map(|_| storage(true)))
        .chain([storage(false)]);
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..)
        .zip(types)
        .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(key.shader.name),
        entries: &entries,
    });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(key.shader.name),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let constants: Vec<(&str, f64)> = key
        .constants
        .iter()
        .map(|&(name, value)| (name, f64::from(value)))
        .collect();
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(key.shader.name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &constants,
            // Every shader writes its workgroup memory before it reads it.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    });
    Pipeline {
        pipeline: Arc::new(pipeline),
        layout: Arc::new(layout),
    }
}
