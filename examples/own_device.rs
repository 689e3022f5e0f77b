//! An app's own wgpu device and texture, without a window: the network reads the texture, finds the
//! classes on the GPU, and 40 bytes come back. `docs/embedding.md` explains each step.
//!
//! ```sh
//! cargo run --release --example own_device
//! ```

use shadernet::device::Device;
use shadernet::gpu::{Downloads, Gpu};
use shadernet::model_folder::ModelFolder;
use shadernet::tasks::Classifier;
use shadernet::vision::decode;
use shadernet::wgpu::{self, util::DeviceExt};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The app's own instance, adapter, device and queue.
async fn open() -> Result<Gpu> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = instance.request_adapter(&Default::default()).await?;
    let descriptor = wgpu::DeviceDescriptor {
        required_features: Gpu::preferred_features(&adapter),
        required_limits: Gpu::preferred_limits(&adapter),
        ..Default::default()
    };
    let (device, queue) = adapter.request_device(&descriptor).await?;
    Ok(Gpu::from_wgpu(&adapter, device, queue))
}

fn upload(gpu: &Gpu, path: &str) -> Result<wgpu::TextureView> {
    let image = decode(path)?;
    let (width, height) = image.dimensions();
    let texels = image.pixels().flat_map(|p| [p[0], p[1], p[2], 255]);
    let descriptor = wgpu::TextureDescriptor {
        label: Some("image"),
        size: wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm, // sRGB-encoded bytes, read as they are
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    };
    let order = wgpu::util::TextureDataOrder::LayerMajor;
    let (device, queue, texels) = (gpu.device(), gpu.queue(), texels.collect::<Vec<u8>>());
    let texture = device.create_texture_with_data(queue, &descriptor, order, &texels);
    Ok(texture.create_view(&Default::default()))
}

fn main() -> Result<()> {
    let gpu = pollster::block_on(open())
        .map_err(|error| format!("no wgpu device: {error}; see docs/troubleshooting.md"))?;
    println!("{} ({})", gpu.info().name, gpu.info().backend);
    let view = upload(&gpu, &format!("{REPOSITORY}/tests/images/chelsea.png"))?;
    let folder = ModelFolder::open(format!("{REPOSITORY}/models/efficientnet_lite0"))?;
    let mut classifier = Classifier::new(&Device::from(gpu.clone()), &folder, &Default::default())?;
    let downloads = Downloads::new(&gpu, 5 * 8);

    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let top = classifier.encode(&mut encoder, &view, 5)?;
    let download = downloads.record(&mut encoder, &top.buffer, 0)?;
    gpu.queue().submit([encoder.finish()]);
    let bytes = download.receive()?.wait()?;

    for prediction in classifier.named(&top.parse(&bytes)?[0])? {
        let percent = 100.0 * prediction.probability;
        println!("{percent:7.2} %  {}", prediction.label);
    }
    Ok(())
}
