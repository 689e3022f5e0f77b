//! The network's part of a frame.

use std::time::Duration;

use eframe::egui::TextureId;
use shadernet::gpu::Gpu;
use shadernet::tasks::{Detection, DetectionOptions, Prediction};
use shadernet::wgpu;
use shadernet::zoo::Task;

use crate::app::Textures;
use crate::model::Model;
use crate::plots::History;

/// What the user can change.
pub struct Settings {
    /// Whether a pass is cut into pieces of `budget_ms` of GPU time, one a frame.
    pub sliced: bool,
    pub budget_ms: f32,
    /// How opaque a mask is.
    pub opacity: f32,
    pub detection: DetectionOptions,
}

impl Settings {
    /// With a frame's budget in milliseconds; 0 for whole passes.
    pub fn new(budget_ms: f32) -> Self {
        let sliced = budget_ms > 0.0;
        Self {
            sliced,
            budget_ms: if sliced { budget_ms } else { 8.0 },
            opacity: 0.5,
            detection: DetectionOptions::default(),
        }
    }

    fn budget(&self) -> Option<Duration> {
        let seconds = self.budget_ms.max(0.1) / 1e3;
        self.sliced.then(|| Duration::from_secs_f32(seconds))
    }
}

/// What the network is to look at.
pub struct Source<'a> {
    pub view: &'a wgpu::TextureView,
    pub size: [u32; 2],
}

/// What the network said last.
pub enum Answer {
    None,
    Classes(Vec<Prediction>),
    Boxes(Vec<Detection>),
    Mask {
        texture: TextureId,
        labels: Vec<String>,
    },
}

pub struct Runner {
    model: Model,
    answer: Answer,
    passes: History,
}

impl Runner {
    pub fn new(_gpu: &Gpu, model: Model) -> Self {
        Self {
            model,
            answer: Answer::None,
            passes: History::default(),
        }
    }
    pub fn encode(
        &mut self,
        _encoder: &mut wgpu::CommandEncoder,
        _source: &Source<'_>,
        settings: &Settings,
        _textures: &Textures,
    ) -> shadernet::Result<()> {
        let _ = settings.budget();
        Ok(())
    }
    pub fn submitted(&mut self) {}
    pub fn receive(&mut self) -> shadernet::Result<()> {
        Ok(())
    }
    pub fn has_answered(&self) -> bool {
        true
    }
    pub fn forget_textures(self, _textures: &Textures) {}
    pub fn answer(&self) -> &Answer {
        &self.answer
    }
    pub fn passes(&self) -> &History {
        &self.passes
    }
    pub fn task(&self) -> Task {
        self.model.task
    }
    pub fn name(&self) -> &str {
        &self.model.folder.name
    }
    pub fn notice(&self) -> Option<&str> {
        None
    }
    pub fn description(&self) -> String {
        let folder = &self.model.folder;
        let [_, height, width] = folder.preprocessing.input_size;
        format!(
            "{}, {}, {width}x{height}, ready in {:.1} s",
            folder.architecture,
            self.model.task,
            self.model.took.as_secs_f32()
        )
    }
    pub fn lines(&self) -> Vec<String> {
        Vec::new()
    }
}
