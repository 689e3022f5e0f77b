//! The tab "Why": the picture with the evidence for a class laid over it.

use std::sync::Arc;

use eframe::egui::{self, TextureId};
use shadernet::explain::ExplainMethod;
use shadernet::gpu::Gpu;
use shadernet::model_folder::ModelFolder;
use shadernet::vision::RgbImage;

use crate::explaining::{Evidence, Explaining, Question};
use crate::messages::Messages;
use crate::textures::Textures;

/// The methods that take a pass or two. The others take many, and are for the command.
pub const METHODS: [ExplainMethod; 4] = [
    ExplainMethod::GradCam,
    ExplainMethod::GradCamPlusPlus,
    ExplainMethod::GuidedGradCam,
    ExplainMethod::Saliency,
];

/// The tab: what the user has chosen in it, and what it shows.
pub struct Why {
    /// Whether it is the one that is shown.
    pub open: bool,
    pub method: ExplainMethod,
    /// The class that the user has chosen; none for the likeliest.
    pub class: Option<usize>,
    explaining: Explaining,
    /// What the window shows now, where that can be explained, or what is wanting.
    question: Option<Question>,
    wanting: &'static str,
    /// What was asked last. It is not asked again, whatever came of it.
    asked: Option<Question>,
    /// What came of it, with egui's texture; none where it failed.
    found: Option<(Evidence, TextureId)>,
}

impl Why {
    /// With the tab open where a method is given.
    pub fn new(gpu: &Gpu, method: Option<ExplainMethod>) -> Self {
        Self {
            open: method.is_some(),
            method: method.unwrap_or_default(),
            class: None,
            explaining: Explaining::new(gpu),
            question: None,
            wanting: "",
            asked: None,
            found: None,
        }
    }

    /// Takes what was found, and asks for what is to be shown now, where that is something else. `model`
    /// and `picture` are what the window shows. To be called in each frame.
    pub fn update(
        &mut self,
        model: Option<&Arc<ModelFolder>>,
        picture: Option<&Arc<RgbImage>>,
        textures: &Textures,
        messages: &Messages,
        ctx: &egui::Context,
    ) {
        self.question = model.zip(picture).map(|(model, picture)| Question {
            model: model.clone(),
            picture: picture.clone(),
            class: self.class,
            method: self.method,
        });
        self.wanting = match model {
            Some(_) => "the scene moves on: choose a picture",
            None => "there is no model yet",
        };
        self.receive(textures, messages);
        self.explaining.keep_only(model);
        if !self.open || self.explaining.is_working() || self.asked == self.question {
            return;
        }
        self.forget(textures);
        self.asked = self.question.clone();
        if let Some(question) = self.question.clone() {
            self.explaining.start(question, ctx);
            // On OpenGL it is there already.
            self.receive(textures, messages);
        }
    }

    fn receive(&mut self, textures: &Textures, messages: &Messages) {
        match self.explaining.poll() {
            Some(Ok(evidence)) => {
                let texture = textures.register(&evidence.view);
                self.found = Some((evidence, texture));
            }
            // About what is not shown any more, it would only puzzle. A device that is lost tells otherwise.
            Some(Err(error)) if self.asked == self.question && !self.explaining.is_lost() => {
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

    /// What was found about what is shown now.
    pub fn found(&self) -> Option<&(Evidence, TextureId)> {
        self.found.as_ref().filter(|_| self.asked == self.question)
    }

    /// Whether there is nothing to wait for.
    pub fn is_settled(&self) -> bool {
        !self.open || (!self.explaining.is_working() && self.asked == self.question)
    }

    /// Draws what there is to choose, and in words what is shown.
    pub fn bar(&mut self, ui: &mut egui::Ui) {
        egui::ComboBox::new("methods", "")
            .selected_text(self.method.name())
            .show_ui(ui, |ui| {
                for method in METHODS {
                    ui.selectable_value(&mut self.method, method, method.name());
                }
            });
        let chosen = self.class.is_some();
        let likeliest = ui.selectable_label(!chosen, "likeliest class");
        let likeliest = likeliest.on_hover_text("Click on a class in the list for another");
        if likeliest.clicked() {
            self.class = None;
        }
        match (self.line(), &self.question) {
            (Some(line), _) => {
                ui.label(line);
            }
            (None, Some(_)) if !self.is_settled() => {
                ui.spinner();
                ui.weak("looking for the evidence");
            }
            (None, Some(_)) => {
                ui.weak("the evidence could not be found");
            }
            (None, None) => {
                ui.weak(self.wanting);
            }
        }
    }

    /// What is shown, in a line of text.
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
