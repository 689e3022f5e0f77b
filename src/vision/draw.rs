//! Draws labeled boxes on images.

use image::{Rgb, RgbImage};

use super::text::{Font, ink_on};

/// Longer labels are shortened: they would cover the image.
const MAX_LETTERS: usize = 80;

/// The color of a class: always the same, and clearly different from those of neighboring classes.
pub fn class_color(class: usize) -> [u8; 3] {
    // Steps of the golden ratio keep successive hues far apart.
    let hue = (class as f64 * 0.618_033_988_749_895).fract() * 6.0;
    let channel = |offset: f64| {
        let distance = ((hue + offset) % 6.0 - 3.0).abs() - 1.0;
        (55.0 + 200.0 * distance.clamp(0.0, 1.0)).round() as u8
    };
    [channel(0.0), channel(4.0), channel(2.0)]
}

/// Draws a box (left, top, right, bottom in pixels) with `label` on a strip above it or, without room
/// above, inside it. Lines and letters scale with the image; drawing is clipped to it. Letters outside
/// Latin-1 are shown as `?`.
///
/// ```
/// use shadernet::vision::{class_color, draw_box};
///
/// let mut image = image::RgbImage::new(320, 240);
/// draw_box(&mut image, [40.0, 60.0, 200.0, 220.0], "cup 59 %", class_color(41));
/// assert_eq!(image.get_pixel(40, 140).0, class_color(41));
/// ```
pub fn draw_box(image: &mut RgbImage, corners: [f32; 4], label: &str, color: [u8; 3]) {
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    // The cast to integers saturates and turns NaN into 0.
    let [x0, y0, x1, y1] = corners.map(|x| x.round() as i64);
    let (x0, x1) = (x0.clamp(0, width), x1.clamp(0, width));
    let (y0, y1) = (y0.clamp(0, height), y1.clamp(0, height));
    let shorter = width.min(height);
    let line = (shorter / 150).max(2);

    let mut fill = |x: [i64; 2], y: [i64; 2]| {
        for y in y[0].max(0)..y[1].min(height) {
            for x in x[0].max(0)..x[1].min(width) {
                image.put_pixel(x as u32, y as u32, Rgb(color));
            }
        }
    };
    // Lines are at most as wide as the box.
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
        font.write(image, &label, [left + margin, top], ink_on(color));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_box_can_be_drawn_on_any_image() {
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
            let mut image = RgbImage::new(size.0, size.1);
            for a in values {
                for b in values {
                    draw_box(&mut image, [a, b, b, a], "cup 100 % – 杯", [200, 10, 10]);
                }
            }
        }
    }

    #[test]
    fn labels_are_above_the_box_or_inside() {
        let color = [10, 20, 200];
        let mut image = RgbImage::new(300, 200);
        draw_box(&mut image, [50.0, 60.0, 250.0, 150.0], "cat", color);
        let at = |image: &RgbImage, x, y| image.get_pixel(x, y).0;
        assert_eq!(at(&image, 51, 45), color, "the strip");
        assert_eq!(at(&image, 249, 149), color, "the corner");
        assert_eq!(at(&image, 150, 100), [0; 3], "the middle");
        assert_eq!(at(&image, 150, 50), [0; 3], "next to the strip");
        let ink = image.pixels().filter(|p| p.0[0] > 150).count();
        assert!(ink > 20, "{ink} pixels of letters");

        let mut image = RgbImage::new(300, 200);
        draw_box(&mut image, [0.0, 5.0, 300.0, 200.0], "cat", color);
        assert_eq!(at(&image, 3, 10), color, "the strip inside");
    }

    #[test]
    fn neighboring_classes_differ() {
        for class in 0..200 {
            let (a, b) = (class_color(class), class_color(class + 1));
            let difference: u32 = (a.iter().zip(b))
                .map(|(a, b)| u32::from(a.abs_diff(b)))
                .sum();
            assert!(difference > 100, "{class}: {a:?} {b:?}");
        }
    }
}
