//! Draws the image with the results on it, and the results in words.

use eframe::egui::{
    self, Align2, Color32, CornerRadius, FontId, Pos2, Rect, Sense, Stroke, StrokeKind, TextureId,
    Vec2, pos2, vec2,
};
use shadernet::tasks::{Detection, Prediction};
use shadernet::vision::mask_color;

/// The texture coordinates of a whole texture.
const WHOLE: Rect = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));

/// Draws an image as large as it fits, and returns its rectangle.
pub fn image(ui: &mut egui::Ui, texture: TextureId, size: [u32; 2]) -> Rect {
    let (area, _) = ui.allocate_exact_size(ui.available_size(), Sense::hover());
    let rect = fitted(area, size);
    ui.painter().image(texture, rect, WHOLE, Color32::WHITE);
    rect
}

/// The largest rectangle in the middle of `area` with the proportions of `size`.
fn fitted(area: Rect, size: [u32; 2]) -> Rect {
    let size = vec2(size[0] as f32, size[1] as f32);
    let scale = (area.size() / size).min_elem().max(0.0);
    Rect::from_center_size(area.center(), size * scale)
}

/// Draws a mask over the image at `rect`.
pub fn mask(ui: &egui::Ui, rect: Rect, texture: TextureId, opacity: f32) {
    let tint = Color32::WHITE.gamma_multiply(opacity);
    ui.painter().image(texture, rect, WHOLE, tint);
}

/// Draws boxes over the image of `size` at `rect`.
pub fn boxes(ui: &egui::Ui, rect: Rect, size: [u32; 2], found: &[Detection]) {
    let painter = ui.painter().with_clip_rect(rect);
    let scale = rect.size() / vec2(size[0] as f32, size[1] as f32);
    // The most confident last, over the others.
    for detection in found.iter().rev() {
        let [left, top, right, bottom] = detection.corners;
        let place = |x: f32, y: f32| rect.min + vec2(x, y) * scale;
        let outline = Rect::from_min_max(place(left, top), place(right, bottom));
        let color = class_color(detection.class);
        let stroke = Stroke::new(2.0, color);
        painter.rect_stroke(outline, CornerRadius::ZERO, stroke, StrokeKind::Inside);
        let text = format!("{} {:.0} %", detection.label, 100.0 * detection.score);
        let galley = painter.layout_no_wrap(text, FontId::proportional(14.0), text_color(color));
        let at = Align2::LEFT_TOP.anchor_size(outline.min, galley.size() + Vec2::splat(6.0));
        painter.rect_filled(at, CornerRadius::ZERO, color);
        painter.galley(at.min + Vec2::splat(3.0), galley, color);
    }
}

/// Marks a pixel of the image of `size` at `rect`.
pub fn mark(ui: &egui::Ui, rect: Rect, size: [u32; 2], [x, y]: [usize; 2]) {
    let scale = rect.size() / vec2(size[0] as f32, size[1] as f32);
    let center = rect.min + vec2(x as f32 + 0.5, y as f32 + 0.5) * scale;
    // White with a black outline is visible on any image.
    for (width, color) in [(4.0, Color32::BLACK), (2.0, Color32::WHITE)] {
        ui.painter().circle_stroke(center, 8.0, (width, color));
    }
}

/// Lists classes with a bar each, `shown` as selected. Returns the class that was clicked.
pub fn predictions(
    ui: &mut egui::Ui,
    predictions: &[Prediction],
    shown: Option<usize>,
) -> Option<usize> {
    let mut clicked = None;
    for prediction in predictions {
        let Prediction {
            class,
            label,
            probability,
            ..
        } = prediction;
        let entry = egui::Button::selectable(shown == Some(*class), label).truncate();
        if ui.add(entry).on_hover_text("Why?").clicked() {
            clicked = Some(*class);
        }
        let text = format!("{:.1} %", 100.0 * probability);
        ui.add(egui::ProgressBar::new(*probability).text(text));
        ui.add_space(4.0);
    }
    clicked
}

/// Lists detections.
pub fn detections(ui: &mut egui::Ui, found: &[Detection]) {
    if found.is_empty() {
        ui.weak("no known objects");
    }
    for detection in found {
        ui.horizontal(|ui| {
            swatch(ui, class_color(detection.class));
            ui.label(format!("{:.0} %", 100.0 * detection.score));
            ui.add(egui::Label::new(&detection.label).truncate());
        });
    }
}

/// Lists the classes of a mask with their colors.
pub fn legend(ui: &mut egui::Ui, labels: &[String]) {
    for (class, label) in labels.iter().enumerate() {
        ui.horizontal(|ui| {
            // As in `ColorTable::default`: the first class is background.
            match class {
                0 => swatch(ui, Color32::TRANSPARENT),
                _ => swatch(ui, class_color_of_mask(class)),
            }
            ui.add(egui::Label::new(label).truncate());
        });
    }
}

fn swatch(ui: &mut egui::Ui, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(14.0), Sense::hover());
    let outline = ui.visuals().widgets.noninteractive.bg_stroke;
    let painter = ui.painter();
    painter.rect(rect, 3.0, color, outline, StrokeKind::Inside);
}

/// The color of a box: the mask's colors, without the black of class 0.
fn class_color(class: usize) -> Color32 {
    class_color_of_mask(1 + class % 255)
}

fn class_color_of_mask(class: usize) -> Color32 {
    // A mask stores classes as bytes.
    let [r, g, b] = mask_color((class % 256) as u8).0;
    Color32::from_rgb(r, g, b)
}

/// Black or white, whichever is more readable on `color`.
fn text_color(color: Color32) -> Color32 {
    match color.intensity() > 0.4 {
        true => Color32::BLACK,
        false => Color32::WHITE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_fill_their_area_in_one_direction() {
        let area = Rect::from_min_size(pos2(10.0, 20.0), vec2(400.0, 300.0));
        let wide = fitted(area, [200, 100]);
        assert_eq!(wide.size(), vec2(400.0, 200.0));
        assert_eq!(wide.center(), area.center());
        let high = fitted(area, [100, 200]);
        assert_eq!(high.size(), vec2(150.0, 300.0));
    }
}
