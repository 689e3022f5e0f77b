//! A moving scene as input for networks: photographs seen through a panning, zooming window, drawn to a
//! texture by the GPU.

use shadernet::vision::decode_bytes;
use shadernet::wgpu;

use crate::opened_image;

/// The size of the scene's texture, in pixels.
pub const SIZE: [u32; 2] = [640, 480];
/// How long each photograph is shown.
const SECONDS: f64 = 8.0;
/// The part of that in which it fades into the next.
const FADE: f64 = 1.0;

/// Photographs with objects that the networks know: a cat, a cup, a person.
const PHOTOGRAPHS: [(&str, &[u8]); 3] = [
    (
        "chelsea.png",
        include_bytes!("../../../tests/images/chelsea.png"),
    ),
    (
        "coffee.png",
        include_bytes!("../../../tests/images/coffee.png"),
    ),
    (
        "astronaut.png",
        include_bytes!("../../../tests/images/astronaut.png"),
    ),
];

/// `Uniforms` of `scene.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Uniforms {
    from_window: [f32; 4],
    to_window: [f32; 4],
    mixed: f32,
    padding: [f32; 3],
}

/// The scene, and the texture to which it is drawn.
pub struct Scene {
    pub view: wgpu::TextureView,
    pipeline: wgpu::RenderPipeline,
    uniforms: wgpu::Buffer,
    sizes: Vec<[u32; 2]>,
    /// For each photograph: it and the next one.
    bind_groups: Vec<wgpu::BindGroup>,
}

impl Scene {
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> shadernet::Result<Self> {
        let mut sizes = Vec::new();
        let mut photographs = Vec::new();
        for (name, bytes) in PHOTOGRAPHS {
            let photograph = decode_bytes(name, bytes)?;
            sizes.push(photograph.dimensions().into());
            photographs.push(opened_image::texture(device, queue, &photograph));
        }
        let module = device.create_shader_module(wgpu::include_wgsl!("scene.wgsl"));
        // Values are encoded as in the files, so the format must not convert them.
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("scene"),
            layout: None,
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vertex"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: Default::default(),
            depth_stencil: None,
            multisample: Default::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("fragment"),
                compilation_options: Default::default(),
                targets: &[Some(format.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("scene"),
            size: size_of::<Uniforms>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let filtering = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        let followers = photographs.iter().cycle().skip(1);
        let bind_groups = photographs.iter().zip(followers).map(|(from, to)| {
            let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("scene"),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[
                    entry(0, uniforms.as_entire_binding()),
                    entry(1, wgpu::BindingResource::Sampler(&filtering)),
                    entry(2, wgpu::BindingResource::TextureView(from)),
                    entry(3, wgpu::BindingResource::TextureView(to)),
                ],
            })
        });
        let bind_groups = bind_groups.collect();
        let target = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("scene"),
            size: wgpu::Extent3d {
                width: SIZE[0],
                height: SIZE[1],
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        Ok(Self {
            view: target.create_view(&Default::default()),
            pipeline,
            uniforms,
            sizes,
            bind_groups,
        })
    }

    /// Records the scene at `seconds`.
    pub fn encode(&self, queue: &wgpu::Queue, encoder: &mut wgpu::CommandEncoder, seconds: f64) {
        let shown = (seconds / SECONDS) as usize;
        let [from, to] = [shown, shown + 1].map(|i| i % self.sizes.len());
        let left = SECONDS - seconds % SECONDS;
        let uniforms = Uniforms {
            from_window: window(self.sizes[from], seconds),
            to_window: window(self.sizes[to], seconds),
            mixed: (1.0 - left / FADE).max(0.0) as f32,
            padding: [0.0; 3],
        };
        queue.write_buffer(&self.uniforms, 0, bytemuck::bytes_of(&uniforms));
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("scene"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &self.view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations::default(),
            })],
            ..Default::default()
        });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_groups[from], &[]);
        pass.draw(0..3, 0..1);
    }
}

/// The part of a photograph of `size` that is visible at a time: left, top, width and height, as shares of
/// the photograph. It has the scene's aspect ratio and lies within the photograph.
fn window(size: [u32; 2], seconds: f64) -> [f32; 4] {
    let aspect = f64::from(SIZE[0]) / f64::from(SIZE[1]);
    let photograph_aspect = f64::from(size[0]) / f64::from(size[1]);
    let largest = match photograph_aspect > aspect {
        true => [aspect / photograph_aspect, 1.0],
        false => [1.0, photograph_aspect / aspect],
    };
    // Rates without a small common multiple, so that the motion repeats after a long time only.
    let wave = |rate: f64| 0.5 + 0.5 * (seconds * rate).sin();
    let zoom = 0.75 + 0.25 * wave(0.9);
    let [width, height] = largest.map(|side| side * zoom);
    let [left, top] = [(1.0 - width) * wave(0.7), (1.0 - height) * wave(1.1)];
    [left, top, width, height].map(|share| share as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_stays_within_the_photograph_and_keeps_its_aspect_ratio() {
        for size in [[451, 300], [300, 451], [512, 512], [7, 1]] {
            for tenth in 0..1000 {
                let [left, top, width, height] = window(size, f64::from(tenth) / 10.0);
                assert!(left >= 0.0 && left + width <= 1.0001, "{size:?} {tenth}");
                assert!(top >= 0.0 && top + height <= 1.0001, "{size:?} {tenth}");
                let aspect = width * size[0] as f32 / (height * size[1] as f32);
                assert!((aspect - 4.0 / 3.0).abs() < 1e-3, "{size:?} {tenth}");
            }
        }
    }
}
