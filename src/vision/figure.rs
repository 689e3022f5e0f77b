//! Heat maps over photographs, and figures of several images with titles and legends.

use image::{Rgb, RgbImage, imageops};
use rayon::prelude::*;

use super::color_map::heat_color;
use super::heat_map::HeatMap;
use super::image_limits::MAX_PIXELS;
use super::resize::{Interpolation, resize};
use super::text::{Font, blend, short_number, shortened, wrapped};
use crate::error::{Error, Result};

pub(super) const INK: [u8; 3] = [0; 3];
const BACKGROUND: [u8; 3] = [255; 3];
/// The least room for text, in letters; smaller images are enlarged towards it.
pub(super) const MIN_LETTERS: i64 = 44;
/// Titles are shortened to this many lines.
pub(super) const TITLE_LINES: usize = 3;
/// The brightness of the regions that the network did not see, in 255ths of the photograph's.
const DIMMED_BRIGHTNESS: u32 = 110;

impl HeatMap {
    /// `image` with the heat drawn over it in [`heat_color`]s, from 0 to the map's largest value. The
    /// opacity rises with the heat, from 0 to `opacity` (between 0 and 1), so that cold regions show the
    /// photograph. Regions that the network did not see become dark gray.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the image does not have the map's size; see [`HeatMap::on_image`].
    ///
    /// ```
    /// use shadernet::vision::{HeatMap, RgbImage, heat_color};
    ///
    /// let image = RgbImage::from_pixel(2, 1, image::Rgb([90; 3]));
    /// let over = HeatMap::new(2, 1, vec![0.0, 7.0])?.overlay(&image, 1.0)?;
    /// assert_eq!(over.get_pixel(0, 0).0, [90; 3]);
    /// assert_eq!(over.get_pixel(1, 0).0, heat_color(1.0));
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    pub fn overlay(&self, image: &RgbImage, opacity: f32) -> Result<RgbImage> {
        let (width, height) = image.dimensions();
        if (width as usize, height as usize) != (self.width(), self.height()) {
            return Err(Error::Inputs(format!(
                "an image of the heat map's size, {}x{}, was expected; found {width}x{height}",
                self.width(),
                self.height()
            )));
        }
        let largest = self.statistics().max;
        let mut over = image.clone();
        let row_len = self.width();
        (over.par_chunks_exact_mut(row_len * 3))
            .zip(self.values().par_chunks_exact(row_len))
            .zip(0..height)
            .for_each(|((pixels, heat), y)| {
                let pixels = pixels.as_chunks_mut::<3>().0.iter_mut();
                for ((pixel, &heat), x) in pixels.zip(heat).zip(0..) {
                    if !self.sees(x, y) {
                        let [r, g, b] = pixel.map(u32::from);
                        // ITU-R 601 luma.
                        let luma = (r * 299 + g * 587 + b * 114) / 1000;
                        *pixel = [(luma * DIMMED_BRIGHTNESS / 255) as u8; 3];
                    } else if heat > 0.0 {
                        let heat = heat / largest;
                        // The cast to a byte saturates.
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

/// One image of a [`figure`], with its title and legend.
#[derive(Clone, Debug)]
pub struct Panel {
    title: String,
    image: RgbImage,
    legend: Option<Legend>,
}

#[derive(Clone, Debug)]
struct Legend {
    /// The labels of the color bar's ends.
    ends: [String; 2],
    /// Whether the network did not see all of the image.
    dimmed: bool,
}

impl Panel {
    /// An image without a legend. Titles are shortened to three lines; letters outside Latin-1 are
    /// shown as `?`.
    pub fn plain(title: impl Into<String>, image: RgbImage) -> Self {
        Self {
            title: title.into(),
            image,
            legend: None,
        }
    }

    /// An image with heat drawn over it by [`HeatMap::overlay`], and below it a color bar with the
    /// smallest and the largest value.
    ///
    /// # Errors
    /// As [`HeatMap::overlay`].
    pub fn heat(
        title: impl Into<String>,
        image: &RgbImage,
        heat: &HeatMap,
        opacity: f32,
    ) -> Result<Self> {
        let statistics = heat.statistics();
        let smallest = match statistics.min < 0.0 {
            true => "0 and less",
            false => "0",
        };
        let largest = match statistics.max > 0.0 {
            true => format!("largest {}", short_number(statistics.max)),
            false => "no heat".into(),
        };
        Ok(Self {
            title: title.into(),
            image: heat.overlay(image, opacity)?,
            legend: Some(Legend {
                ends: [smallest.into(), largest],
                dimmed: !heat.sees_all(),
            }),
        })
    }
}

/// Sizes of a figure's text and space.
struct Spacing {
    font: Font,
    /// The height of a line of text.
    line: i64,
    gap: i64,
    /// The least width of a panel.
    min_width: i64,
}

impl Spacing {
    /// For panels whose shorter side is `shorter` pixels or more.
    fn new(shorter: u32) -> Self {
        let font = Font::for_side(shorter.into());
        Self {
            line: font.height(),
            gap: font.height() / 2,
            min_width: MIN_LETTERS * font.width(),
            font,
        }
    }
}

/// The factor by which a small image is enlarged.
fn enlargement(min_width: i64, (width, height): (u32, u32)) -> u32 {
    (min_width as u32 / width.max(height).max(1)).max(1)
}

/// Height and width of the images in a [`figure`] of `panels` equal panels of an image of `width` by `height`:
/// those of the image, or less where the figure would otherwise exceed [`MAX_PIXELS`], or `max_side` pixels
/// along one side. To be called before the work that the figure shows.
///
/// ```
/// use shadernet::vision::panel_size;
///
/// assert_eq!(panel_size(3, 640, 480, u32::MAX)?, [480, 640]);
/// // 100 million pixels leave no space for the title.
/// let [height, width] = panel_size(1, 10_000, 10_000, u32::MAX)?;
/// assert!(height == width && (1..10_000).contains(&height));
/// # Ok::<(), shadernet::Error>(())
/// ```
///
/// # Errors
/// [`Error::Inputs`] where not even the smallest images leave enough space.
pub fn panel_size(panels: usize, width: u32, height: u32, max_side: u32) -> Result<[u32; 2]> {
    let fits = |width: u32, height: u32| {
        let Spacing {
            line,
            gap,
            min_width,
            ..
        } = Spacing::new(width.min(height));
        let factor = i64::from(enlargement(min_width, (width, height)));
        let [width, height] = [width, height].map(|side| i64::from(side) * factor);
        // Titles and legends of the largest possible height.
        let text = (TITLE_LINES as i64 + 3) * line + 4 * gap;
        let panels = i64::try_from(panels).unwrap_or(i64::MAX);
        let total = width.max(min_width).saturating_add(gap);
        let total = total.saturating_mul(panels).saturating_add(gap);
        let (height, max_side) = (height.saturating_add(text), i64::from(max_side));
        let pixels = total.saturating_mul(height).unsigned_abs();
        pixels <= MAX_PIXELS && total <= max_side && height <= max_side
    };
    for percent in (1..=100).rev() {
        let part = |side: u32| (u64::from(side) * percent / 100).max(1) as u32;
        if fits(part(width), part(height)) {
            return Ok([part(height), part(width)]);
        }
    }
    Err(Error::Inputs(format!(
        "a figure of {panels} panels would have more than {MAX_PIXELS} pixels, or more than {max_side} along \
         one side, however small they are: draw fewer panels"
    )))
}

/// Draws panels side by side: a title above each, its legend below. Letters scale with the images;
/// small images are enlarged by integer factors, and images narrower than their text are centered in
/// white space.
///
/// # Errors
/// [`Error::Inputs`] where there are no panels or the figure would have more than [`MAX_PIXELS`].
///
/// ```
/// use shadernet::vision::{HeatMap, Panel, RgbImage, figure};
///
/// let image = RgbImage::from_pixel(640, 480, image::Rgb([90; 3]));
/// let heat = HeatMap::new(640, 480, (0..640 * 480).map(|i| (i % 640) as f32).collect())?;
/// let both = figure(&[
///     Panel::plain("photograph", image.clone()),
///     Panel::heat("tabby 17.0 %, Grad-CAM at features.18", &image, &heat, 0.8)?,
/// ])?;
/// assert!(both.width() > 2 * 640 && both.height() > 480);
/// # Ok::<(), shadernet::Error>(())
/// ```
pub fn figure(panels: &[Panel]) -> Result<RgbImage> {
    let shorter = |panel: &Panel| panel.image.width().min(panel.image.height());
    let Some(shorter) = panels.iter().map(shorter).min() else {
        return Err(Error::Inputs(
            "at least one panel was expected for a figure".into(),
        ));
    };
    let Spacing {
        font,
        line,
        gap,
        min_width,
    } = Spacing::new(shorter);

    // The layout comes first: the size is checked before anything is allocated.
    let factors: Vec<u32> = (panels.iter())
        .map(|p| enlargement(min_width, p.image.dimensions()))
        .collect();
    let sizes: Vec<[i64; 2]> = (panels.iter().zip(&factors))
        .map(|(p, &by)| [p.image.width(), p.image.height()].map(|s| i64::from(s) * i64::from(by)))
        .collect();
    let widths: Vec<i64> = sizes.iter().map(|s| s[0].max(min_width)).collect();
    let titles: Vec<Vec<Vec<char>>> = (panels.iter().zip(&widths))
        .map(|(panel, &width)| wrapped(&panel.title, font.letters(width), TITLE_LINES))
        .collect();
    let title_lines = titles.iter().map(Vec::len).max().unwrap_or(0) as i64;
    let highest = sizes.iter().map(|s| s[1]).max().unwrap_or(0);
    let legend = (panels.iter().filter_map(|p| p.legend.as_ref()))
        .map(|legend| gap + line * (2 + i64::from(legend.dimmed)))
        .max();
    let images_top = gap + title_lines * line + gap;
    let width = widths.iter().map(|w| w + gap).sum::<i64>() + gap;
    let mut canvas = canvas(width, images_top + highest + legend.unwrap_or(0) + gap)?;

    let mut left = gap;
    for (i, panel) in panels.iter().enumerate() {
        // Titles are aligned at their last lines, just above the images.
        let title_top = images_top - gap / 2 - titles[i].len() as i64 * line;
        for (row, text) in (0..).zip(&titles[i]) {
            font.write(&mut canvas, text, [left, title_top + row * line], INK);
        }
        let image_left = left + (widths[i] - sizes[i][0]) / 2;
        if factors[i] > 1 && !panel.image.is_empty() {
            let [width, height] = sizes[i].map(|s| s as u32);
            let large = resize(&panel.image, width, height, Interpolation::Nearest)?;
            imageops::replace(&mut canvas, &large, image_left, images_top);
        } else {
            imageops::replace(&mut canvas, &panel.image, image_left, images_top);
        }
        if let Some(legend) = &panel.legend {
            let top = images_top + sizes[i][1] + gap;
            let across = [left, left + widths[i]];
            color_bar(&mut canvas, font, across, top, &legend.ends);
            if legend.dimmed {
                let note = shortened("dark: not seen by the network", font.letters(widths[i]));
                font.write(&mut canvas, &note, [left, top + 2 * line], INK);
            }
        }
        left += widths[i] + gap;
    }
    Ok(canvas)
}

/// A white image.
///
/// # Errors
/// [`Error::Inputs`] where it would have more than [`MAX_PIXELS`].
pub(super) fn canvas(width: i64, height: i64) -> Result<RgbImage> {
    let pixels = width.checked_mul(height).map(i64::unsigned_abs);
    match (u32::try_from(width), u32::try_from(height), pixels) {
        (Ok(width), Ok(height), Some(pixels)) if pixels <= MAX_PIXELS => {
            Ok(RgbImage::from_pixel(width, height, Rgb(BACKGROUND)))
        }
        _ => Err(Error::Inputs(format!(
            "a figure of up to {MAX_PIXELS} pixels was expected; this one would have \
             {width}x{height}: draw fewer panels or tiles, or smaller ones"
        ))),
    }
}

/// Draws a color bar of one line's height, and the labels of its ends in the line below.
pub(super) fn color_bar(
    image: &mut RgbImage,
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
                && let Some(pixel) = image.get_pixel_mut_checked(x, y)
            {
                *pixel = Rgb(color);
            }
        }
    }
    // At least two letters of space between both labels.
    let letters = font.letters(right - left);
    let end = shortened(&ends[1], letters);
    let start = shortened(&ends[0], letters.saturating_sub(end.len() + 2));
    font.write(image, &start, [left, top + line], INK);
    let end_left = right - font.width() * end.len() as i64;
    font.write(image, &end, [end_left, top + line], INK);
}

#[cfg(test)]
mod tests;
