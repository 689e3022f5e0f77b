//! Pictures as textures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use eframe::egui;
use shadernet::vision::{Interpolation, RgbImage, decode, resize};
use shadernet::wgpu::{self, util::DeviceExt, util::TextureDataOrder};

use crate::messages::Messages;

/// A picture on the GPU: 8 bits a channel, encoded as in the file.
pub struct Picture {
    /// The file's name.
    pub name: String,
    pub view: wgpu::TextureView,
    pub size: [u32; 2],
    /// The same on the CPU, for what begins there.
    pub pixels: Arc<RgbImage>,
}

/// Opens the picture at `path` on a thread; what it receives is the picture. On failure the message
/// is shown, and nothing comes.
pub fn open(
    path: PathBuf,
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    messages: &Messages,
    ctx: &egui::Context,
) -> Receiver<Picture> {
    let (sender, receiver) = mpsc::channel();
    let (device, queue) = (device.clone(), queue.clone());
    let (messages, ctx) = (messages.clone(), ctx.clone());
    std::thread::spawn(move || {
        match upload(&path, &device, &queue) {
            // Whoever asked may have asked for another meanwhile.
            Ok(picture) => drop(sender.send(picture)),
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
) -> Result<Picture, Box<dyn std::error::Error>> {
    let mut picture = decode(path)?;
    let [width, height] = within(picture.dimensions().into(), device.limits());
    if picture.dimensions() != (width, height) {
        picture = resize(&picture, width, height, Interpolation::Bilinear)?;
    }
    let view = checked_texture(device, queue, &picture)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    Ok(Picture {
        name: name.to_string_lossy().into_owned(),
        view,
        size: [width, height],
        pixels: Arc::new(picture),
    })
}

/// As [`texture`]; what the device refuses is the answer's.
pub fn checked_texture(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    picture: &RgbImage,
) -> Result<wgpu::TextureView, String> {
    // Scopes are of this thread, so that what others do is not taken for it.
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let view = texture(device, queue, picture);
    let refused = [memory.pop(), validation.pop()].map(pollster::block_on);
    match refused.into_iter().flatten().next() {
        Some(error) => {
            let (width, height) = picture.dimensions();
            Err(format!("no texture of {width}x{height}: {error}"))
        }
        None => Ok(view),
    }
}

/// A texture of `picture`, its values as they are.
pub fn texture(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    picture: &RgbImage,
) -> wgpu::TextureView {
    let rgba: Vec<u8> = (picture.pixels())
        .flat_map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2], 255])
        .collect();
    let descriptor = wgpu::TextureDescriptor {
        label: Some("picture"),
        size: wgpu::Extent3d {
            width: picture.width(),
            height: picture.height(),
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

/// `size`, or what has the same proportions where the device has no texture so large.
fn within(size: [u32; 2], limits: wgpu::Limits) -> [u32; 2] {
    let most = limits.max_texture_dimension_2d;
    let longest = size[0].max(size[1]);
    if longest <= most {
        return size;
    }
    let share = f64::from(most) / f64::from(longest);
    size.map(|side| ((f64::from(side) * share) as u32).clamp(1, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_larger_than_a_texture_keep_their_proportions() {
        let limits = || wgpu::Limits {
            max_texture_dimension_2d: 1000,
            ..Default::default()
        };
        assert_eq!(within([1000, 7], limits()), [1000, 7]);
        assert_eq!(within([4000, 2000], limits()), [1000, 500]);
        assert_eq!(within([1, 16384], limits()), [1, 1000]);
    }
}
