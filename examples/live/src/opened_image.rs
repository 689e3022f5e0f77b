//! Opens image files as textures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use eframe::egui;
use shadernet::vision::{Interpolation, RgbImage, decode, resize};
use shadernet::wgpu::{self, util::DeviceExt, util::TextureDataOrder};

use crate::messages::Messages;

/// An image on the GPU: 8 bits per channel, encoded as in the file.
pub struct OpenedImage {
    /// The file's name.
    pub name: String,
    pub view: wgpu::TextureView,
    pub size: [u32; 2],
    /// The same on the CPU.
    pub pixels: Arc<RgbImage>,
}

/// Opens the image at `path` on a thread, which sends the image. A failure is shown as a message, and
/// nothing is sent.
pub fn open(
    path: PathBuf,
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    messages: &Messages,
    ctx: &egui::Context,
) -> Receiver<OpenedImage> {
    let (sender, receiver) = mpsc::channel();
    let (device, queue) = (device.clone(), queue.clone());
    let (messages, ctx) = (messages.clone(), ctx.clone());
    std::thread::spawn(move || {
        match upload(&path, &device, &queue) {
            // The receiver is gone if the user has chosen another image meanwhile.
            Ok(image) => drop(sender.send(image)),
            Err(error) => messages.push(error.to_string()),
        }
        drop(sender);
        ctx.request_repaint();
    });
    receiver
}

fn upload(
    path: &Path,
    device: &wgpu::Device,
    queue: &wgpu::Queue,
) -> Result<OpenedImage, Box<dyn std::error::Error>> {
    let mut image = decode(path)?;
    let [width, height] = within(image.dimensions().into(), device.limits());
    if image.dimensions() != (width, height) {
        image = resize(&image, width, height, Interpolation::Bilinear)?;
    }
    let view = checked_texture(device, queue, &image)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    Ok(OpenedImage {
        name: name.to_string_lossy().into_owned(),
        view,
        size: [width, height],
        pixels: Arc::new(image),
    })
}

/// As [`texture`], but returns errors of the device.
pub fn checked_texture(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    image: &RgbImage,
) -> Result<wgpu::TextureView, String> {
    // Error scopes belong to this thread: errors of other threads are not caught here.
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let view = texture(device, queue, image);
    let refused = [memory.pop(), validation.pop()].map(pollster::block_on);
    match refused.into_iter().flatten().next() {
        Some(error) => {
            let (width, height) = image.dimensions();
            Err(format!("no texture of {width}x{height}: {error}"))
        }
        None => Ok(view),
    }
}

/// A texture of `image`, with its values unchanged.
pub fn texture(device: &wgpu::Device, queue: &wgpu::Queue, image: &RgbImage) -> wgpu::TextureView {
    let rgba: Vec<u8> = (image.pixels())
        .flat_map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2], 255])
        .collect();
    let descriptor = wgpu::TextureDescriptor {
        label: Some("image"),
        size: wgpu::Extent3d {
            width: image.width(),
            height: image.height(),
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    };
    device
        .create_texture_with_data(queue, &descriptor, TextureDataOrder::LayerMajor, &rgba)
        .create_view(&Default::default())
}

/// `size`, scaled down if it exceeds the device's largest texture.
fn within(size: [u32; 2], limits: wgpu::Limits) -> [u32; 2] {
    let max = limits.max_texture_dimension_2d;
    let longest = size[0].max(size[1]);
    if longest <= max {
        return size;
    }
    let share = f64::from(max) / f64::from(longest);
    size.map(|side| ((f64::from(side) * share) as u32).clamp(1, max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_larger_than_a_texture_keep_their_aspect_ratio() {
        let limits = || wgpu::Limits {
            max_texture_dimension_2d: 1000,
            ..Default::default()
        };
        assert_eq!(within([1000, 7], limits()), [1000, 7]);
        assert_eq!(within([4000, 2000], limits()), [1000, 500]);
        assert_eq!(within([1, 16384], limits()), [1, 1000]);
    }
}
