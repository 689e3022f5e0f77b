//! The window's device: opened by eframe, with what Shadernet can make use of, and shared with it.

use std::sync::{Arc, OnceLock};

use eframe::egui_wgpu::{SurfaceConfig, WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew};
use shadernet::gpu::Gpu;
use shadernet::wgpu;

use crate::messages::Messages;

/// How eframe opens its device.
pub fn configuration() -> WgpuConfiguration {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
        label: Some("live"),
        required_features: adapter.features()
            & (wgpu::Features::SUBGROUP | wgpu::Features::TIMESTAMP_QUERY),
        required_limits: adapter.limits(),
        ..Default::default()
    });
    WgpuConfiguration {
        // The network is a lot of extra work.
        surface: SurfaceConfig::HIGH_THROUGHPUT,
        wgpu_setup: WgpuSetup::CreateNew(setup),
        ..Default::default()
    }
}

/// What happens to a device outside of any call. Clones share it.
#[derive(Clone)]
pub struct Faults {
    messages: Messages,
    lost: Arc<OnceLock<String>>,
}

impl Faults {
    pub fn new(messages: Messages) -> Self {
        Self {
            messages,
            lost: Arc::default(),
        }
    }

    /// Why the device was lost, once it was.
    pub fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// Listens to `device`. Without this, wgpu ends the process at the first error that no scope catches.
    pub fn watch(&self, device: &wgpu::Device) {
        let this = self.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            this.messages.push(format!("the device refused: {error}"));
        }));
        let this = self.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Also called when the device is dropped in the ordinary way; nobody asks by then.
            let said = match message.is_empty() {
                true => format!("{reason:?}"),
                false => message,
            };
            // The first reason is the one that counts.
            let _ = this.lost.set(said);
        });
    }
}

/// The window's device as Shadernet's.
pub fn share(adapter: &wgpu::Adapter, device: &wgpu::Device, queue: &wgpu::Queue) -> Gpu {
    let _ = adapter;
    Gpu::from_wgpu(device.clone(), queue.clone(), false)
}
