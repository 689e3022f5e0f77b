//! The texture to which masks are written, and from which they are drawn.

use eframe::egui::TextureId;
use shadernet::gpu::Gpu;
use shadernet::wgpu;
use shadernet::zoo::Task;

use crate::textures::Textures;

/// The longest side of a mask: more than networks resolve.
const LONGEST: u32 = 1024;

/// A texture for masks.
pub struct Mask {
    pub view: wgpu::TextureView,
    pub id: TextureId,
    size: [u32; 2],
}

impl Mask {
    /// The texture for masks of the image in `view`, kept in `this`; `None` for other tasks.
    pub fn prepared<'a>(
        this: &'a mut Option<Self>,
        task: Task,
        gpu: &Gpu,
        view: &wgpu::TextureView,
        textures: &Textures,
    ) -> Option<&'a wgpu::TextureView> {
        let image = view.texture();
        let size = size([image.width(), image.height()]);
        let fits = this.as_ref().is_some_and(|mask| mask.size == size);
        if task == Task::Segmentation && !fits {
            Self::renew(this, gpu, size, textures);
        }
        this.as_ref().map(|mask| &mask.view)
    }

    fn renew(this: &mut Option<Self>, gpu: &Gpu, size: [u32; 2], textures: &Textures) {
        if let Some(old) = this.take() {
            textures.forget(old.id);
        }
        let texture = gpu.device().create_texture(&wgpu::TextureDescriptor {
            label: Some("mask"),
            size: wgpu::Extent3d {
                width: size[0],
                height: size[1],
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        let view = texture.create_view(&Default::default());
        let id = textures.register(&view);
        *this = Some(Self { view, id, size });
    }
}

/// The size of the mask of an image of size `image`: the same, scaled down to at most [`LONGEST`].
fn size(image: [u32; 2]) -> [u32; 2] {
    let longest = image[0].max(image[1]).max(1);
    match longest > LONGEST {
        // At most `LONGEST`, since no side is longer than `longest`.
        true => image
            .map(|side| (u64::from(side) * u64::from(LONGEST) / u64::from(longest)).max(1) as u32),
        false => image.map(|side| side.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_the_aspect_ratio_of_their_images() {
        assert_eq!(size([640, 480]), [640, 480]);
        assert_eq!(size([4096, 2048]), [1024, 512]);
        assert_eq!(size([8192, 1]), [1024, 1]);
    }
}
