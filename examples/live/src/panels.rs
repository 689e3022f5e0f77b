//! The window's panels.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Instant;

use eframe::egui::{self, Align2, Color32, FontId, RichText};
use shadernet::zoo::Task;

use crate::app::Live;
use crate::inference::{Answer, Runner};
use crate::plots::{self, History};
use crate::views;

/// What a dialog is to choose.
#[derive(Clone, Copy)]
enum Choice {
    Picture,
    ModelFolder,
}

impl Live {
    /// Everything that is seen.
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
        egui::Panel::right("answer")
            .resizable(true)
            .default_size(300.0)
            .min_size(200.0)
            .show(ui, |ui| {
                // As wide as the panel, whatever is in it.
                let area = egui::ScrollArea::vertical().auto_shrink(false);
                area.show(ui, |ui| self.answer(ui));
            });
        egui::CentralPanel::default().show(ui, |ui| self.picture_area(ui));
    }

    /// Choosing models and pictures.
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
                    let path = found.path.display().to_string();
                    let entry = ui.selectable_label(false, &found.name);
                    if entry.on_hover_text(path).clicked() {
                        load = Some(found.path.clone());
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
        if ui.button("Picture…").clicked() {
            self.choose(Choice::Picture, &ctx);
        }
        let moving = self.picture.is_none();
        if ui.selectable_label(moving, "Moving scene").clicked() {
            self.show_scene();
        }
        if let Some((picture, _)) = &self.picture {
            ui.label(&picture.name);
        }
        ui.separator();
        // Not every desktop has dialogs for choosing files.
        let hint = "path of a picture or model folder";
        let field = egui::TextEdit::singleline(&mut self.typed).hint_text(hint);
        let field = ui.add(field.desired_width(220.0));
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if entered && !self.typed.is_empty() {
            let path = PathBuf::from(std::mem::take(&mut self.typed));
            self.open(path, &ctx);
        }
    }

    /// Asks for a file or folder, in the desktop's own dialog, which must be begun on this thread and
    /// is waited for on another.
    fn choose(&mut self, choice: Choice, ctx: &egui::Context) {
        let dialog = rfd::AsyncFileDialog::new();
        let (sender, receiver) = mpsc::channel();
        let ctx = ctx.clone();
        let answer = async move {
            let chosen = match choice {
                Choice::Picture => dialog.set_title("Picture").pick_file().await,
                Choice::ModelFolder => dialog.set_title("Model folder").pick_folder().await,
            };
            if let Some(chosen) = chosen {
                // Another dialog may have been opened meanwhile, and this one is then not listened to.
                drop(sender.send(chosen.path().to_owned()));
            }
            ctx.request_repaint();
        };
        std::thread::spawn(move || pollster::block_on(answer));
        self.chosen = Some(receiver);
    }

    /// The picture, with what was found on it.
    fn picture_area(&mut self, ui: &mut egui::Ui) {
        ui.horizontal_wrapped(|ui| {
            ui.selectable_value(&mut self.why.open, false, "What");
            let why = ui.selectable_value(&mut self.why.open, true, "Why");
            why.on_hover_text("Where in the picture the evidence for a class lies");
            if self.why.open {
                ui.separator();
                self.why.bar(ui);
            }
        });
        let (texture, size) = self.shown();
        let evidence = self.why.found().filter(|_| self.why.open);
        let rect = views::picture(ui, evidence.map_or(texture, |(_, heat)| *heat), size);
        if self.why.open {
            if let Some([x, y]) = evidence.and_then(|(evidence, _)| evidence.hottest) {
                views::mark(ui, rect, size, [x, y]);
            }
        } else if let Some(runner) = &self.runner {
            if let Some(mask) = runner.mask() {
                views::mask(ui, rect, mask.id, self.settings.opacity);
            }
            if let Answer::Boxes(found) = runner.answer() {
                views::boxes(ui, rect, size, found);
            }
        }
        if ui.input(|input| !input.raw.hovered_files.is_empty()) {
            let painter = ui.painter();
            painter.rect_filled(rect, 0.0, Color32::from_black_alpha(160));
            let text = "Drop a picture or a model folder";
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

    /// The answer in words, and what changes it.
    fn answer(&mut self, ui: &mut egui::Ui) {
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
            match runner.answer() {
                Answer::None => {
                    ui.weak("no answer yet");
                }
                Answer::Classes(predictions) => {
                    let shown = self.why.found().filter(|_| self.why.open);
                    let shown = shown.map(|(evidence, _)| evidence.class);
                    if let Some(class) = views::predictions(ui, predictions, shown) {
                        self.why.class = Some(class);
                        self.why.open = true;
                    }
                }
                Answer::Boxes(found) => views::detections(ui, found),
                Answer::Mask => views::legend(ui, &model.mask_labels()),
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
        ui.checkbox(&mut settings.sliced, "cut passes over frames")
            .on_hover_text(
                "A large network then runs over several frames, each of which stays short",
            );
        let budget = egui::Slider::new(&mut settings.budget_ms, 0.5..=100.0);
        let budget = budget.logarithmic(true).suffix(" ms a frame");
        ui.add_enabled(settings.sliced, budget);
        if let Some(pieces) = self.runner.as_ref().and_then(Runner::pieces) {
            ui.weak(pieces);
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
