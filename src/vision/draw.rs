//! Boxes with labels, drawn on pictures.

use image::{Rgb, RgbImage};

use super::text::{Font, ink_on};

/// Longer labels are cut off: they would only cover the picture.
const MAX_LETTERS: usize = 80;

/// A colour for a class: always the same one, and clearly another for the classes next to it.
pub fn class_color(class: usize) -> [u8; 3] {
    // Hues a golden section apart never come close again soon.
    let hue = (class as f64 * 0.618_033_988_749_895).fract() * 6.0;
    let channel = |offset: f64| {
        let distance = ((hue + offset) % 6.0 - 3.0).abs() - 1.0;
        (55.0 + 200.0 * distance.clamp(0.0, 1.0)).round() as u8
    };
    [channel(0.0), channel(4.0), channel(2.0)]
}

/// Draws a box (left, top, right, bottom in pixels) with `label` on a strip above it or, where there
/// is no room above, within. Lines and letters grow with the picture; what would lie outside of it is
/// left out. Letters beyond Latin-1 show as `?`.
///
/// ```
/// use shadernet::vision::{class_color, draw_box};
///
/// let mut picture = image::RgbImage::new(320, 240);
/// draw_box(&mut picture, [40.0, 60.0, 200.0, 220.0], "cup 59 %", class_color(41));
/// assert_eq!(picture.get_pixel(40, 140).0, class_color(41));
/// ```
pub fn draw_box(picture: &mut RgbImage, corners: [f32; 4], label: &str, color: [u8; 3]) {
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    // As integers; what is not a number becomes 0.
    let [x0, y0, x1, y1] = corners.map(|x| x.round() as i64);
    let (x0, x1) = (x0.clamp(0, width), x1.clamp(0, width));
    let (y0, y1) = (y0.clamp(0, height), y1.clamp(0, height));
    let shorter = width.min(height);
    let line = (shorter / 150).max(2);

    let mut fill = |x: [i64; 2], y: [i64; 2]| {
        for y in y[0].max(0)..y[1].min(height) {
            for x in x[0].max(0)..x[1].min(width) {
                picture.put_pixel(x as u32, y as u32, Rgb(color));
            }
        }
    };
    // No line is wider than the box.
    let (across, down) = (line.min(x1 - x0), line.min(y1 - y0));
    fill([x0, x1], [y0, y0 + down]);
    fill([x0, x1], [y1 - down, y1]);
    fill([x0, x0 + across], [y0, y1]);
    fill([x1 - across, x1], [y0, y1]);

    let font = Font::for_side(shorter);
    let label: Vec<char> = label.chars().take(MAX_LETTERS).collect();
    let (text_width, text_height) = (font.width() * label.len() as i64, font.height());
    let (margin, strip) = (font.margin(), text_width + font.margin() * 2);
    let left = x0.min(width - strip).max(0);
    let top = match y0 - text_height {
        above if above >= 0 => above,
        _ => y0,
    };
    if !label.is_empty() {
        fill([left, left + strip], [top, top + text_height]);
        font.write(picture, &label, [left + margin, top], ink_on(color));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_box_can_be_drawn_on_any_picture() {
        let values = [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            -5.0,
            0.0,
            3.4,
            1e20,
        ];
        for size in [(0, 0), (1, 1), (3, 2), (40, 30)] {
            let mut picture = RgbImage::new(size.0, size.1);
            for a in values {
                for b in values {
                    draw_box(&mut picture, [a, b, b, a], "cup 100 % – 杯", [200, 10, 10]);
                }
            }
        }
    }

    #[test]
    fn the_label_is_above_the_box_or_within() {
        let color = [10, 20, 200];
        let mut picture = RgbImage::new(300, 200);
        draw_box(&mut picture, [50.0, 60.0, 250.0, 150.0], "cat", color);
        let at = |picture: &RgbImage, x, y| picture.get_pixel(x, y).0;
        assert_eq!(at(&picture, 51, 45), color, "the strip");
        assert_eq!(at(&picture, 249, 149), color, "the corner");
        assert_eq!(at(&picture, 150, 100), [0; 3], "the middle");
        assert_eq!(at(&picture, 150, 50), [0; 3], "beside the strip");
        let ink = picture.pixels().filter(|p| p.0[0] > 150).count();
        assert!(ink > 20, "{ink} pixels of letters");

        let mut picture = RgbImage::new(300, 200);
        draw_box(&mut picture, [0.0, 5.0, 300.0, 200.0], "cat", color);
        assert_eq!(at(&picture, 3, 10), color, "the strip within");
    }

    #[test]
    fn neighbouring_classes_differ() {
        for class in 0..200 {
            let (a, b) = (class_color(class), class_color(class + 1));
            let difference: u32 = (a.iter().zip(b))
                .map(|(a, b)| u32::from(a.abs_diff(b)))
                .sum();
            assert!(difference > 100, "{class}: {a:?} {b:?}");
        }
    }
}
