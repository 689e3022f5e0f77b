//! Registers the host's textures with egui.

use std::sync::Arc;

use eframe::egui::{TextureId, mutex::RwLock};
use eframe::egui_wgpu::Renderer;
use shadernet::wgpu;

/// egui's textures.
pub struct Textures {
    device: wgpu::Device,
    renderer: Arc<RwLock<Renderer>>,
}

impl Textures {
    pub fn new(device: &wgpu::Device, renderer: &Arc<RwLock<Renderer>>) -> Self {
        Self {
            device: device.clone(),
            renderer: renderer.clone(),
        }
    }

    /// Registers `view`, so that egui can draw it.
    pub fn register(&self, view: &wgpu::TextureView) -> TextureId {
        let mut renderer = self.renderer.write();
        renderer.register_native_texture(&self.device, view, wgpu::FilterMode::Linear)
    }

    /// Frees a texture that is not drawn in this frame.
    pub fn forget(&self, id: TextureId) {
        self.renderer.write().free_texture(&id);
    }
}
