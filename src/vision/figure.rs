//! Heat maps over photographs, and several of them side by side with titles and legends.

use image::{Rgb, RgbImage, imageops};
use rayon::prelude::*;

use super::color_map::heat_color;
use super::heat_map::HeatMap;
use super::image_limits::MAX_PIXELS;
use super::resize::{Interpolation, resize};
use super::text::{Font, blend, short_number, shortened, wrapped};
use crate::error::{Error, Result};

pub(super) const INK: [u8; 3] = [0; 3];
const PAPER: [u8; 3] = [255; 3];
/// No text has less room than this many letters; smaller pictures are enlarged towards it.
pub(super) const MIN_LETTERS: i64 = 44;
/// Titles are cut off after so many lines.
pub(super) const TITLE_LINES: usize = 3;
/// Of the photograph's lightness where the network did not see it, in 255ths.
const DIMMED: u32 = 110;

impl HeatMap {
    /// `picture` with the heat laid over it in [`heat_color`]s, from 0 to the map's largest value.
    /// Opacity rises with the heat, from nothing to `opacity` (between 0 and 1): what is cold shows
    /// the photograph. What the network did not see becomes dark and grey.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the picture is not of the map's size; see [`HeatMap::on_picture`].
    ///
    /// ```
    /// use shadernet::vision::{HeatMap, RgbImage, heat_color};
    ///
    /// let picture = RgbImage::from_pixel(2, 1, image::Rgb([90; 3]));
    /// let over = HeatMap::new(2, 1, vec![0.0, 7.0])?.overlay(&picture, 1.0)?;
    /// assert_eq!(over.get_pixel(0, 0).0, [90; 3]);
    /// assert_eq!(over.get_pixel(1, 0).0, heat_color(1.0));
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    pub fn overlay(&self, picture: &RgbImage, opacity: f32) -> Result<RgbImage> {
        let (width, height) = picture.dimensions();
        if (width as usize, height as usize) != (self.width(), self.height()) {
            return Err(Error::Inputs(format!(
                "a picture of {}x{} was expected, as the heat map is; found {width}x{height}",
                self.width(),
                self.height()
            )));
        }
        let largest = self.statistics().max;
        let mut over = picture.clone();
        let row_len = self.width();
        (over.par_chunks_exact_mut(row_len * 3))
            .zip(self.values().par_chunks_exact(row_len))
            .zip(0..height)
            .for_each(|((pixels, heat), y)| {
                let pixels = pixels.as_chunks_mut::<3>().0.iter_mut();
                for ((pixel, &heat), x) in pixels.zip(heat).zip(0..) {
                    if !self.sees(x, y) {
                        let [r, g, b] = pixel.map(u32::from);
                        // ITU-R 601's luma.
                        let luma = (r * 299 + g * 587 + b * 114) / 1000;
                        *pixel = [(luma * DIMMED / 255) as u8; 3];
                    } else if heat > 0.0 {
                        let heat = heat / largest;
                        // A float to a byte saturates.
                        let opacity = (heat * opacity * 255.0).round() as u8;
                        for (under, over) in pixel.iter_mut().zip(heat_color(heat)) {
                            *under = blend(*under, over, opacity);
                        }
                    }
                }
            });
        Ok(over)
    }
}

/// One picture of a [`figure`], with its title and what its colours mean.
#[derive(Clone, Debug)]
pub struct Panel {
    title: String,
    picture: RgbImage,
    legend: Option<Legend>,
}

#[derive(Clone, Debug)]
struct Legend {
    /// What stands at the colour bar's ends.
    ends: [String; 2],
    /// Whether parts of the picture were not seen.
    dimmed: bool,
}

impl Panel {
    /// A picture as it is. Titles longer than three lines are cut off, letters beyond Latin-1 show
    /// as `?`.
    pub fn plain(title: impl Into<String>, picture: RgbImage) -> Self {
        Self {
            title: title.into(),
            picture,
            legend: None,
        }
    }

    /// A picture with heat over it, as [`HeatMap::overlay`] draws it, and below it a colour bar with
    /// the least and the largest value.
    ///
    /// # Errors
    /// As [`HeatMap::overlay`].
    pub fn heat(
        title: impl Into<String>,
        picture: &RgbImage,
        heat: &HeatMap,
        opacity: f32,
    ) -> Result<Self> {
        let found = heat.statistics();
        let least = match found.min < 0.0 {
            true => "0 and less",
            false => "0",
        };
        let largest = match found.max > 0.0 {
            true => format!("largest {}", short_number(found.max)),
            false => "no heat".into(),
        };
        Ok(Self {
            title: title.into(),
            picture: heat.overlay(picture, opacity)?,
            legend: Some(Legend {
                ends: [least.into(), largest],
                dimmed: !heat.sees_all(),
            }),
        })
    }
}

/// Panels side by side: a title above each, its legend below. Letters grow with the pictures; small
/// pictures are enlarged by whole factors to be seen, and what is narrower than its text gets
/// paper beside it.
///
/// # Errors
/// [`Error::Inputs`] where there are no panels or the figure would be of more than [`MAX_PIXELS`].
///
/// ```
/// use shadernet::vision::{HeatMap, Panel, RgbImage, figure};
///
/// let picture = RgbImage::from_pixel(640, 480, image::Rgb([90; 3]));
/// let heat = HeatMap::new(640, 480, (0..640 * 480).map(|i| (i % 640) as f32).collect())?;
/// let both = figure(&[
///     Panel::plain("photograph", picture.clone()),
///     Panel::heat("tabby 17.0 %, Grad-CAM at features.18", &picture, &heat, 0.8)?,
/// ])?;
/// assert!(both.width() > 2 * 640 && both.height() > 480);
/// # Ok::<(), shadernet::Error>(())
/// ```
pub fn figure(panels: &[Panel]) -> Result<RgbImage> {
    let shorter = |panel: &Panel| panel.picture.width().min(panel.picture.height());
    let Some(shorter) = panels.iter().map(shorter).min() else {
        return Err(Error::Inputs(
            "at least one panel was expected for a figure".into(),
        ));
    };
    let font = Font::for_side(shorter.into());
    let line = font.height();
    let gap = line / 2;
    let least_width = MIN_LETTERS * font.width();

    // Where everything lies, before anything of that size is made.
    let factors: Vec<u32> = (panels.iter().map(|p| &p.picture))
        .map(|p| (least_width as u32 / p.width().max(p.height()).max(1)).max(1))
        .collect();
    let sizes: Vec<[i64; 2]> = (panels.iter().zip(&factors))
        .map(|(p, &by)| {
            [p.picture.width(), p.picture.height()].map(|s| i64::from(s) * i64::from(by))
        })
        .collect();
    let widths: Vec<i64> = sizes.iter().map(|s| s[0].max(least_width)).collect();
    let titles: Vec<Vec<Vec<char>>> = (panels.iter().zip(&widths))
        .map(|(panel, &width)| wrapped(&panel.title, font.letters(width), TITLE_LINES))
        .collect();
    let title_lines = titles.iter().map(Vec::len).max().unwrap_or(0) as i64;
    let highest = sizes.iter().map(|s| s[1]).max().unwrap_or(0);
    let legend = (panels.iter().filter_map(|p| p.legend.as_ref()))
        .map(|legend| gap + line * (2 + i64::from(legend.dimmed)))
        .max();
    let pictures_top = gap + title_lines * line + gap;
    let width = widths.iter().map(|w| w + gap).sum::<i64>() + gap;
    let mut paper = paper(width, pictures_top + highest + legend.unwrap_or(0) + gap)?;

    let mut left = gap;
    for (i, panel) in panels.iter().enumerate() {
        // The last line of every title stands on its picture.
        let title_top = pictures_top - gap / 2 - titles[i].len() as i64 * line;
        for (row, text) in (0..).zip(&titles[i]) {
            font.write(&mut paper, text, [left, title_top + row * line], INK);
        }
        let picture_left = left + (widths[i] - sizes[i][0]) / 2;
        if factors[i] > 1 && !panel.picture.is_empty() {
            let [width, height] = sizes[i].map(|s| s as u32);
            let large = resize(&panel.picture, width, height, Interpolation::Nearest)?;
            imageops::replace(&mut paper, &large, picture_left, pictures_top);
        } else {
            imageops::replace(&mut paper, &panel.picture, picture_left, pictures_top);
        }
        if let Some(legend) = &panel.legend {
            let top = pictures_top + sizes[i][1] + gap;
            let across = [left, left + widths[i]];
            color_bar(&mut paper, font, across, top, &legend.ends);
            if legend.dimmed {
                let note = shortened("dark: not seen by the network", font.letters(widths[i]));
                font.write(&mut paper, &note, [left, top + 2 * line], INK);
            }
        }
        left += widths[i] + gap;
    }
    Ok(paper)
}

/// White paper.
///
/// # Errors
/// Where it would be larger than any picture that is read.
pub(super) fn paper(width: i64, height: i64) -> Result<RgbImage> {
    let pixels = width.checked_mul(height).map(i64::unsigned_abs);
    match (u32::try_from(width), u32::try_from(height), pixels) {
        (Ok(width), Ok(height), Some(pixels)) if pixels <= MAX_PIXELS => {
            Ok(RgbImage::from_pixel(width, height, Rgb(PAPER)))
        }
        _ => Err(Error::Inputs(format!(
            "a figure of up to {MAX_PIXELS} pixels was expected; this one would be of \
             {width}x{height}: draw fewer panels or tiles, or smaller ones"
        ))),
    }
}

/// A bar of all colours, a line high, and in the line below it what its ends mean.
pub(super) fn color_bar(
    picture: &mut RgbImage,
    font: Font,
    [left, right]: [i64; 2],
    top: i64,
    ends: &[String; 2],
) {
    let line = font.height();
    let last = (right - left - 1).max(1) as f32;
    for x in left..right {
        let color = heat_color((x - left) as f32 / last);
        for y in top..top + line - font.margin() {
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                && let Some(pixel) = picture.get_pixel_mut_checked(x, y)
            {
                *pixel = Rgb(color);
            }
        }
    }
    // Two letters stay free between both.
    let letters = font.letters(right - left);
    let end = shortened(&ends[1], letters);
    let start = shortened(&ends[0], letters.saturating_sub(end.len() + 2));
    font.write(picture, &start, [left, top + line], INK);
    let end_left = right - font.width() * end.len() as i64;
    font.write(picture, &end, [end_left, top + line], INK);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::Preprocessing;

    #[test]
    fn what_was_not_seen_is_dark_and_grey() {
        let picture = RgbImage::from_pixel(40, 20, Rgb([200, 100, 0]));
        let heat = HeatMap::new(2, 1, vec![0.0, 1.0]).unwrap();
        let preprocessing = Preprocessing {
            crop_pct: 1.0,
            ..Preprocessing::default()
        };
        let heat = heat.on_picture(&preprocessing, 40, 20).unwrap();
        let over = heat.overlay(&picture, 1.0).unwrap();
        assert_eq!(over.get_pixel(10, 5).0, [200, 100, 0], "cold");
        assert_eq!(over.get_pixel(29, 5).0, heat_color(1.0), "hot");
        let [r, g, b] = over.get_pixel(9, 5).0;
        assert!(r == g && g == b && r < 70, "outside: {r}");
        assert!(heat.overlay(&RgbImage::new(20, 40), 1.0).is_err());
    }

    #[test]
    fn any_panels_make_a_figure() {
        let long = "word ".repeat(200) + &"杯".repeat(300);
        let titles = ["", "tabby 17.0 %", &long];
        for [w, h] in [[1, 1], [8, 8], [2, 5000], [5000, 2], [300, 200]] {
            for (title, value) in titles.into_iter().zip([0.0, 1e-30, -1e30]) {
                let picture = RgbImage::new(w, h);
                let heat = HeatMap::new(1, 1, vec![value]).unwrap();
                let heat = heat.on_picture(&Preprocessing::default(), w, h).unwrap();
                for opacity in [0.5, f32::NAN, -1.0, 7.0] {
                    let panel = Panel::heat(title, &picture, &heat, opacity).unwrap();
                    let plain = Panel::plain(title, picture.clone());
                    let empty = Panel::plain(title, RgbImage::new(0, 0));
                    let made = figure(&[plain, panel, empty]).unwrap();
                    assert!(made.width() > 2 * w.max(300) && made.height() > h);
                }
            }
        }
        assert!(figure(&[]).is_err());
        let large = Panel::plain("large", RgbImage::new(16_000, 1000));
        let message = figure(&vec![large; 7]).unwrap_err().to_string();
        assert!(message.contains("draw fewer"), "{message}");
    }
}
