// Setup for the programs in embedding.md: what a host has already. Each of them includes this file.

use shadernet::device::Device;
use shadernet::gpu::{Gpu, GpuOptions, adapters};
use shadernet::graph::{Conv2d, GraphBuilder};
use shadernet::session::Session;
use shadernet::weights::{Dtype, Weights};
use shadernet::wgpu;
use shadernet::zoo::{self, ZooOptions};

/// A device; `None` on a machine without drivers.
pub fn gpu() -> Option<Gpu> {
    let adapter = adapters(None).into_iter().next()?;
    Gpu::open(&adapter, &GpuOptions::default()).ok()
}

/// A network of one layer: input [1, 3, 32, 32], four classes per pixel.
pub fn session(gpu: &Gpu) -> shadernet::Result<Session> {
    let mut b = GraphBuilder::new("four classes");
    let x = b.image_input("input", 3);
    let x = b.conv2d("conv", x, Conv2d::new(3, 4, 3).padding(1));
    b.output(x);
    let graph = b.build()?;
    let weights = Weights::generated(&graph, 1.0);
    let device = Device::from(gpu.clone());
    Session::new(
        &device,
        &graph,
        weights,
        &Default::default(),
        &[[1, 3, 32, 32].into()],
    )
}

/// Writes a model folder of a segmentation network with generated weights.
pub fn segmenter(folder: &std::path::Path) -> shadernet::Result<()> {
    let graph = zoo::build("unet_bilinear", &ZooOptions::classes(2))?;
    let weights = Weights::generated(&graph, 1.0);
    weights.save(folder.join("model.safetensors"), Dtype::F16)?;
    let config = r#"{
        "architecture": "unet_bilinear", "num_classes": 2,
        "pretrained_cfg": { "input_size": [3, 32, 32] }
    }"#;
    std::fs::write(folder.join("config.json"), config).unwrap();
    Ok(())
}

/// A texture of the host, 320 x 240.
pub fn texture(gpu: &Gpu, usage: wgpu::TextureUsages) -> wgpu::TextureView {
    let texture = gpu.device().create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d {
            width: 320,
            height: 240,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage,
        view_formats: &[],
    });
    texture.create_view(&Default::default())
}
