//! Text drawn on images.

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// The font's heights, in pixels.
const HEIGHTS: [RasterHeight; 4] = [
    RasterHeight::Size16,
    RasterHeight::Size20,
    RasterHeight::Size24,
    RasterHeight::Size32,
];
const WEIGHT: FontWeight = FontWeight::Bold;
const ELLIPSIS: &str = "...";

/// Black or white, whichever is legible on `color`.
pub(super) fn ink_on([r, g, b]: [u8; 3]) -> [u8; 3] {
    let luma = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    match luma > 140_000 {
        true => [0; 3],
        false => [255; 3],
    }
}

/// The monospaced font at one size.
#[derive(Clone, Copy)]
pub(super) struct Font {
    raster: RasterHeight,
    /// Image pixels per font pixel, in both directions.
    scale: i64,
}

impl Font {
    /// The largest size up to a thirtieth of the image's shorter side, scaled by an integer factor beyond the
    /// largest height; at least the smallest height.
    pub fn for_side(shorter: i64) -> Self {
        let height = shorter / 30;
        let largest = HEIGHTS.iter().rev().find(|h| h.val() as i64 <= height);
        Self {
            raster: largest.copied().unwrap_or(HEIGHTS[0]),
            scale: (height / HEIGHTS[3].val() as i64).max(1),
        }
    }

    pub fn height(&self) -> i64 {
        self.raster.val() as i64 * self.scale
    }

    pub fn width(&self) -> i64 {
        get_raster_width(WEIGHT, self.raster) as i64 * self.scale
    }

    /// The free space next to letters.
    pub fn margin(&self) -> i64 {
        self.scale * 3
    }

    /// The number of letters that fit into `width` pixels.
    pub fn letters(&self, width: i64) -> usize {
        (width / self.width()).max(0) as usize
    }

    /// Writes `text` with its top left corner at `left`, `top`. Letters outside Latin-1 are shown as `?`;
    /// the text is clipped to the image.
    pub fn write(&self, image: &mut RgbImage, text: &[char], [left, top]: [i64; 2], ink: [u8; 3]) {
        for (i, &letter) in text.iter().enumerate() {
            let glyph = get_raster(letter, WEIGHT, self.raster);
            let Some(glyph) = glyph.or_else(|| get_raster('?', WEIGHT, self.raster)) else {
                continue;
            };
            for y in 0..self.height() {
                for x in 0..self.width() {
                    let from = ((x / self.scale) as usize, (y / self.scale) as usize);
                    let opacity = glyph.pixel(from.0, from.1).unwrap_or(0);
                    let (x, y) = (left + i as i64 * self.width() + x, top + y);
                    if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                        && let Some(Rgb(pixel)) = image.get_pixel_mut_checked(x, y)
                    {
                        for (under, over) in pixel.iter_mut().zip(ink) {
                            *under = blend(*under, over, opacity);
                        }
                    }
                }
            }
        }
    }
}

/// `over` composited on `under`; an `opacity` of 255 is opaque.
pub(super) fn blend(under: u8, over: u8, opacity: u8) -> u8 {
    let (under, over, opacity) = (u32::from(under), u32::from(over), u32::from(opacity));
    ((over * opacity + under * (255 - opacity) + 127) / 255) as u8
}

/// `text` shortened to at most `letters` letters, with an ellipsis where something is cut off.
pub(super) fn shortened(text: &str, letters: usize) -> Vec<char> {
    let mut short: Vec<char> = text.chars().take(letters + 1).collect();
    if short.len() > letters {
        short.truncate(letters.saturating_sub(ELLIPSIS.len()));
        short.extend(ELLIPSIS.chars());
        short.truncate(letters);
    }
    short
}

/// `text` in at most `lines` lines of at most `letters` letters, with an ellipsis where something is
/// cut off. Lines break between words; words longer than a line are split.
pub(super) fn wrapped(text: &str, letters: usize, lines: usize) -> Vec<Vec<char>> {
    let letters = letters.max(1);
    let mut wrapped: Vec<Vec<char>> = Vec::new();
    for word in text.split_whitespace() {
        let word: Vec<char> = word.chars().collect();
        match wrapped.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= letters => {
                line.push(' ');
                line.extend(word);
            }
            _ => wrapped.extend(word.chunks(letters).map(<[char]>::to_vec)),
        }
    }
    if let Some((kept, cut)) = wrapped.split_at_checked(lines)
        && let (Some(last), Some(next)) = (kept.last(), cut.first())
    {
        let text: String = last.iter().chain(&[' ']).chain(next).collect();
        wrapped[lines - 1] = shortened(&text, letters);
        wrapped.truncate(lines);
    }
    wrapped
}

/// A number with about three significant digits: `0`, `4.12`, `3.2e-2`.
pub(super) fn short_number(value: f32) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size @ 0.1..10_000.0 => {
            let decimals = (2.0 - size.log10().floor()).clamp(0.0, 2.0);
            format!("{value:.*}", decimals as usize)
        }
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        let lines = |text, letters, lines| -> Vec<String> {
            let wrapped = wrapped(text, letters, lines);
            wrapped.into_iter().map(String::from_iter).collect()
        };
        let title = "tabby 17.0 %, Grad-CAM";
        assert_eq!(lines(title, 22, 3), [title]);
        assert_eq!(lines(title, 13, 3), ["tabby 17.0 %,", "Grad-CAM"]);
        assert_eq!(lines(title, 13, 1), ["tabby 17.0..."]);
        assert_eq!(
            lines("Großmuttermörder", 6, 3),
            ["Großmu", "ttermö", "rder"]
        );
        assert_eq!(lines("abcdef", 2, 2), ["ab", ".."]);
        assert_eq!(lines("abc", 0, 2), ["a", "."]);
        assert!(lines(" ", 5, 3).is_empty());
    }

    #[test]
    fn numbers_have_three_digits() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (0.032, "3.2e-2"),
            (0.5, "0.50"),
            (4.123, "4.12"),
            (-17.04, "-17.0"),
            (999.7, "1000"),
            (123_456.0, "1.2e5"),
        ];
        for (value, text) in cases {
            assert_eq!(short_number(value), text);
        }
    }
}
