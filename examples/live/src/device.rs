//! The window's device: opened by eframe with the features that Shadernet prefers, and shared with it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use directories::ProjectDirs;
use eframe::egui_wgpu::{SurfaceConfig, WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew};
use shadernet::gpu::{Gpu, GpuOptions};
use shadernet::wgpu;

use crate::messages::Messages;

/// How eframe opens its device.
pub fn configuration() -> WgpuConfiguration {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
        label: Some("live"),
        required_features: Gpu::preferred_features(adapter),
        required_limits: Gpu::preferred_limits(adapter),
        ..Default::default()
    });
    WgpuConfiguration {
        // The network adds a lot of GPU work to each frame.
        surface: SurfaceConfig::HIGH_THROUGHPUT,
        wgpu_setup: WgpuSetup::CreateNew(setup),
        ..Default::default()
    }
}

/// Errors and loss of a device, reported outside of any call. Clones share them.
#[derive(Clone)]
pub struct DeviceErrors {
    messages: Messages,
    lost: Arc<OnceLock<String>>,
}

impl DeviceErrors {
    pub fn new(messages: Messages) -> Self {
        Self {
            messages,
            lost: Arc::default(),
        }
    }

    /// The reason why the device was lost, if it was.
    pub fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// Sets the reason of the loss.
    pub fn note_loss(&self, reason: String) {
        // The first reason counts.
        let _ = self.lost.set(reason);
    }

    /// Listens to `device`. Without this, wgpu ends the process at the first error that no scope catches.
    pub fn watch(&self, device: &wgpu::Device) {
        let this = self.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            this.messages.push(format!("the device refused: {error}"));
        }));
        let this = self.clone();
        device.set_device_lost_callback(move |reason, message| {
            let reason = match message.is_empty() {
                true => format!("{reason:?}"),
                false => message,
            };
            this.note_loss(reason);
        });
    }
}

/// Shares the window's device with Shadernet. Pipelines are kept in the same folder as the command's:
/// `SHADERNET_CACHE`, or the platform's cache folder.
pub fn share(adapter: &wgpu::Adapter, device: &wgpu::Device, queue: &wgpu::Queue) -> Gpu {
    let cache = match std::env::var_os("SHADERNET_CACHE") {
        // An empty value turns the cache off.
        Some(folder) => Some(PathBuf::from(folder)).filter(|f| !f.as_os_str().is_empty()),
        None => ProjectDirs::from("", "", "shadernet").map(|dirs| dirs.cache_dir().to_owned()),
    };
    let mut options = GpuOptions::new();
    options.cache = cache;
    Gpu::from_wgpu_with(adapter, device.clone(), queue.clone(), &options)
}
