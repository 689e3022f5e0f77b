//! The window's panels.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Instant;

use eframe::egui::{self, Align2, Color32, FontId, RichText};
use shadernet::zoo::Task;

use crate::app::Live;
use crate::inference::{NetworkResult, Runner};
use crate::model::path_of;
use crate::plots::{self, History};
use crate::views;

/// What a file dialog chooses.
#[derive(Clone, Copy)]
enum Choice {
    Image,
    ModelFolder,
}

impl Live {
    /// Draws all panels.
    pub(crate) fn panels(&mut self, ui: &mut egui::Ui) {
        egui::Panel::top("bar").show(ui, |ui| {
            ui.add_space(4.0);
            ui.horizontal_wrapped(|ui| self.bar(ui));
            self.messages.show(ui);
            ui.add_space(2.0);
        });
        egui::Panel::bottom("times")
            .resizable(true)
            .default_size(170.0)
            .min_size(90.0)
            .show(ui, |ui| {
                let none = History::default();
                let passes = self.runner.as_ref().map_or(&none, |runner| runner.passes());
                plots::show(ui, Instant::now(), &self.frames, passes);
            });
        egui::Panel::right("result")
            .resizable(true)
            .default_size(300.0)
            .min_size(200.0)
            .show(ui, |ui| {
                // As wide as the panel, whatever its contents.
                let area = egui::ScrollArea::vertical().auto_shrink(false);
                area.show(ui, |ui| self.result(ui));
            });
        egui::CentralPanel::default().show(ui, |ui| self.image_area(ui));
    }

    /// The bar in which models and images are chosen.
    fn bar(&mut self, ui: &mut egui::Ui) {
        let ctx = ui.ctx().clone();
        let name = match (&self.loading, &self.runner) {
            (Some(loading), _) => loading.name(),
            (None, Some(runner)) => runner.model().folder.name.clone(),
            (None, None) => "choose a model".to_owned(),
        };
        let mut load = None;
        egui::ComboBox::new("models", "")
            .selected_text(name)
            .width(180.0)
            .show_ui(ui, |ui| {
                for found in &self.found {
                    let path = path_of(found.clone());
                    let entry = ui.selectable_label(false, &found.name);
                    if entry.on_hover_text(path.display().to_string()).clicked() {
                        load = Some(path);
                    }
                }
            });
        if let Some(path) = load {
            self.load(path, &ctx);
        }
        if ui.button("Model folder…").clicked() {
            self.choose(Choice::ModelFolder, &ctx);
        }
        ui.separator();
        if ui.button("Image…").clicked() {
            self.choose(Choice::Image, &ctx);
        }
        let moving = self.image.is_none();
        if ui.selectable_label(moving, "Moving scene").clicked() {
            self.show_scene();
        }
        if let Some((image, _)) = &self.image {
            ui.label(&image.name);
        }
        ui.separator();
        // Not every desktop has file dialogs.
        let hint = "path of an image or model folder";
        let field = egui::TextEdit::singleline(&mut self.typed).hint_text(hint);
        let field = ui.add(field.desired_width(220.0));
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if entered && !self.typed.is_empty() {
            let path = PathBuf::from(std::mem::take(&mut self.typed));
            self.open(path, &ctx);
        }
    }

    /// Opens the desktop's dialog for a file or folder. It must start on this thread; another thread waits
    /// for it.
    fn choose(&mut self, choice: Choice, ctx: &egui::Context) {
        let file_dialog = rfd::AsyncFileDialog::new();
        let (sender, receiver) = mpsc::channel();
        let ctx = ctx.clone();
        let dialog = async move {
            let chosen = match choice {
                Choice::Image => file_dialog.set_title("Image").pick_file().await,
                Choice::ModelFolder => file_dialog.set_title("Model folder").pick_folder().await,
            };
            if let Some(chosen) = chosen {
                // The receiver is gone if another dialog was opened meanwhile.
                drop(sender.send(chosen.path().to_owned()));
            }
            ctx.request_repaint();
        };
        std::thread::spawn(move || pollster::block_on(dialog));
        self.chosen = Some(receiver);
    }

    /// The image, with the results drawn on it.
    fn image_area(&mut self, ui: &mut egui::Ui) {
        ui.horizontal_wrapped(|ui| {
            ui.selectable_value(&mut self.why.open, false, "What");
            let why = ui.selectable_value(&mut self.why.open, true, "Why");
            why.on_hover_text("Shows where in the image the evidence for a class is");
            if self.why.open {
                ui.separator();
                self.why.bar(ui);
            }
        });
        let (texture, size) = self.shown();
        let evidence = self.why.found().filter(|_| self.why.open);
        let rect = views::image(ui, evidence.map_or(texture, |(_, heat)| *heat), size);
        if self.why.open {
            if let Some([x, y]) = evidence.and_then(|(evidence, _)| evidence.hottest) {
                views::mark(ui, rect, size, [x, y]);
            }
        } else if let Some(runner) = &self.runner {
            if let Some(mask) = runner.mask() {
                views::mask(ui, rect, mask.id, self.settings.opacity);
            }
            if let NetworkResult::Boxes(found) = runner.result() {
                views::boxes(ui, rect, size, found);
            }
        }
        if ui.input(|input| !input.raw.hovered_files.is_empty()) {
            let painter = ui.painter();
            painter.rect_filled(rect, 0.0, Color32::from_black_alpha(160));
            let text = "Drop an image or a model folder";
            let font = FontId::proportional(24.0);
            painter.text(
                rect.center(),
                Align2::CENTER_CENTER,
                text,
                font,
                Color32::WHITE,
            );
        }
    }

    /// The result in words, and the settings.
    fn result(&mut self, ui: &mut egui::Ui) {
        ui.add_space(4.0);
        if let Some(loading) = &self.loading {
            loading.show(ui);
            ui.separator();
        }
        if let Some(runner) = &self.runner {
            let model = runner.model();
            ui.heading(&model.folder.name);
            ui.label(RichText::new(model.description()).weak());
            ui.separator();
            match runner.result() {
                NetworkResult::None => {
                    ui.weak("no result yet");
                }
                NetworkResult::Classes(predictions) => {
                    let shown = self.why.found().filter(|_| self.why.open);
                    let shown = shown.map(|(evidence, _)| evidence.class);
                    if let Some(class) = views::predictions(ui, predictions, shown) {
                        self.why.class = Some(class);
                        self.why.open = true;
                    }
                }
                NetworkResult::Boxes(found) => views::detections(ui, found),
                NetworkResult::Mask => views::legend(ui, &model.mask_labels()),
            }
            ui.separator();
        }
        let task = self.runner.as_ref().map(|runner| runner.model().task);
        let settings = &mut self.settings;
        match task {
            Some(Task::Detection) => {
                let threshold = &mut settings.detection.threshold;
                ui.add(egui::Slider::new(threshold, 0.01..=0.99).text("threshold"));
            }
            Some(Task::Segmentation) => {
                ui.add(egui::Slider::new(&mut settings.opacity, 0.0..=1.0).text("opacity"));
            }
            _ => {}
        }
        ui.checkbox(&mut settings.chunked, "spread passes over frames")
            .on_hover_text(
                "A large network then runs over several frames, and each frame stays short",
            );
        let budget = egui::Slider::new(&mut settings.budget_ms, 0.5..=100.0);
        let budget = budget.logarithmic(true).suffix(" ms per frame");
        ui.add_enabled(settings.chunked, budget);
        if let Some(chunks) = self.runner.as_ref().and_then(Runner::chunks) {
            ui.weak(chunks);
        }
        let device = self.gpu.info();
        let text = format!("{} ({})", device.name, device.backend);
        ui.label(RichText::new(text).weak());
        if let Some(runner) = &self.runner
            && let Some(warning) = runner.model().network.warning()
        {
            ui.colored_label(ui.visuals().warn_fg_color, warning);
        }
    }
}
