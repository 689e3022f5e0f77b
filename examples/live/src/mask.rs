//! The texture that masks are written to, and drawn from.

use eframe::egui::TextureId;
use shadernet::gpu::Gpu;
use shadernet::wgpu;
use shadernet::zoo::Task;

use crate::textures::Textures;

/// The longest side of a mask: finer than networks see.
const LONGEST: u32 = 1024;

/// A texture for masks.
pub struct Mask {
    pub view: wgpu::TextureView,
    pub id: TextureId,
    size: [u32; 2],
}

impl Mask {
    /// The texture for masks of the picture in `view`, which `this` keeps; none for other tasks.
    pub fn prepared<'a>(
        this: &'a mut Option<Self>,
        task: Task,
        gpu: &Gpu,
        view: &wgpu::TextureView,
        textures: &Textures,
    ) -> Option<&'a wgpu::TextureView> {
        let picture = view.texture();
        let size = size([picture.width(), picture.height()]);
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

/// The size of a mask over a picture: its own, or of its proportions where that is more than is seen.
fn size(picture: [u32; 2]) -> [u32; 2] {
    let longest = picture[0].max(picture[1]).max(1);
    match longest > LONGEST {
        // Not more than `LONGEST`, as no side is longer than the longest.
        true => picture
            .map(|side| (u64::from(side) * u64::from(LONGEST) / u64::from(longest)).max(1) as u32),
        false => picture.map(|side| side.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_the_proportions_of_their_pictures() {
        assert_eq!(size([640, 480]), [640, 480]);
        assert_eq!(size([4096, 2048]), [1024, 512]);
        assert_eq!(size([8192, 1]), [1024, 1]);
    }
}
