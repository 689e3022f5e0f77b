//! The tab "Why": the image with the evidence for a class as a heat map over it.

use std::sync::Arc;

use eframe::egui::{self, TextureId};
use shadernet::explain::ExplainMethod;
use shadernet::gpu::Gpu;
use shadernet::model_folder::ModelFolder;
use shadernet::vision::RgbImage;

use crate::explaining::{Evidence, ExplainRequest, ExplainWorker};
use crate::messages::Messages;
use crate::textures::Textures;

/// The methods that need one or two passes. The others need many, and are for the command.
pub const METHODS: [ExplainMethod; 4] = [
    ExplainMethod::GradCam,
    ExplainMethod::GradCamPlusPlus,
    ExplainMethod::GuidedGradCam,
    ExplainMethod::Saliency,
];

/// The tab: the user's choices, and what it shows.
pub struct Why {
    /// Whether this tab is shown.
    pub open: bool,
    pub method: ExplainMethod,
    /// The class that the user has chosen; `None` for the most likely one.
    pub class: Option<usize>,
    worker: ExplainWorker,
    /// The request for what the window shows now, if that can be explained.
    request: Option<ExplainRequest>,
    /// Why there is no request.
    missing: &'static str,
    /// The last request that was started. It is not started again, even if it failed.
    started: Option<ExplainRequest>,
    /// Its result, with egui's texture; `None` if it failed.
    found: Option<(Evidence, TextureId)>,
}

impl Why {
    /// With the tab open if there is a method.
    pub fn new(gpu: &Gpu, method: Option<ExplainMethod>) -> Self {
        Self {
            open: method.is_some(),
            method: method.unwrap_or_default(),
            class: None,
            worker: ExplainWorker::new(gpu),
            request: None,
            missing: "",
            started: None,
            found: None,
        }
    }

    /// Receives the last result, and starts a request for `model` and `image`, which the window shows now,
    /// if they have changed. Call this in each frame.
    pub fn update(
        &mut self,
        model: Option<&Arc<ModelFolder>>,
        image: Option<&Arc<RgbImage>>,
        textures: &Textures,
        messages: &Messages,
        ctx: &egui::Context,
    ) {
        self.request = model.zip(image).map(|(model, image)| ExplainRequest {
            model: model.clone(),
            image: image.clone(),
            class: self.class,
            method: self.method,
        });
        self.missing = match model {
            Some(_) => "the scene is moving: choose an image",
            None => "no model is loaded yet",
        };
        self.receive(textures, messages);
        self.worker.keep_only(model);
        if !self.open || self.worker.is_working() || self.started == self.request {
            return;
        }
        self.forget(textures);
        self.started = self.request.clone();
        if let Some(request) = self.request.clone() {
            self.worker.start(request, ctx);
            // On OpenGL the result is ready already.
            self.receive(textures, messages);
        }
    }

    fn receive(&mut self, textures: &Textures, messages: &Messages) {
        match self.worker.poll() {
            Some(Ok(evidence)) => {
                let texture = textures.register(&evidence.view);
                self.found = Some((evidence, texture));
            }
            // Not for an image that is not shown any more. A lost device is handled elsewhere.
            Some(Err(error)) if self.started == self.request && !self.worker.is_lost() => {
                messages.push(error.to_string());
            }
            Some(Err(_)) | None => {}
        }
    }

    fn forget(&mut self, textures: &Textures) {
        if let Some((_, texture)) = self.found.take() {
            textures.forget(texture);
        }
    }

    /// The evidence for what is shown now.
    pub fn found(&self) -> Option<&(Evidence, TextureId)> {
        self.found.as_ref().filter(|_| self.started == self.request)
    }

    /// Whether no result is pending.
    pub fn is_settled(&self) -> bool {
        !self.open || (!self.worker.is_working() && self.started == self.request)
    }

    /// Draws the choices, and a line about what is shown.
    pub fn bar(&mut self, ui: &mut egui::Ui) {
        egui::ComboBox::new("methods", "")
            .selected_text(self.method.name())
            .show_ui(ui, |ui| {
                for method in METHODS {
                    ui.selectable_value(&mut self.method, method, method.name());
                }
            });
        let chosen = self.class.is_some();
        let most_likely = ui.selectable_label(!chosen, "most likely class");
        let most_likely = most_likely.on_hover_text("Click a class in the list to choose it");
        if most_likely.clicked() {
            self.class = None;
        }
        match (self.line(), &self.request) {
            (Some(line), _) => {
                ui.label(line);
            }
            (None, Some(_)) if !self.is_settled() => {
                ui.spinner();
                ui.weak("computing the evidence");
            }
            (None, Some(_)) => {
                ui.weak("the evidence could not be computed");
            }
            (None, None) => {
                ui.weak(self.missing);
            }
        }
    }

    /// A line of text about what is shown.
    pub fn line(&self) -> Option<String> {
        let (evidence, _) = self.found()?;
        let hottest = match evidence.hottest {
            Some([x, y]) => format!("hottest at {x},{y}"),
            None => "no evidence".to_owned(),
        };
        let layer =
            (evidence.layer.as_ref()).map_or_else(String::new, |name| format!(", layer {name}"));
        Some(format!(
            "{}, {:.1} %: {hottest}{layer}",
            evidence.label,
            100.0 * evidence.probability
        ))
    }
}
