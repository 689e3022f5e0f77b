//! Sheets of labeled maps: the channels of an activation, the filters of a layer.

use std::borrow::Cow;

use image::{RgbImage, imageops};

use super::color_map::heat_color;
use super::figure::{INK, MIN_LETTERS, TITLE_LINES, canvas, color_bar};
use super::heat_map::HeatMap;
use super::image_limits::MAX_SIDE;
use super::resize::{Axis, Interpolation, resize, resize_window};
use super::text::{Font, short_number, shortened, wrapped};
use crate::error::{Error, Result};

/// Labels of up to this length widen the tiles; longer ones are shortened.
const LABEL_LETTERS: usize = 18;

/// One labeled map of a [`sheet`].
#[derive(Clone, Debug)]
pub struct Tile {
    /// The text above it, such as `#123  max 4.1`. Shortened where it is too long; letters outside
    /// Latin-1 are shown as `?`.
    pub label: String,
    /// The values or colors to draw.
    pub pixels: TilePixels,
}

/// The content of a [`Tile`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TilePixels {
    /// Values, drawn in [`heat_color`]s over the sheet's [`TileRange`].
    Values(HeatMap),
    /// An image, drawn unchanged.
    Image(RgbImage),
}

/// The range of values that a tile's colors represent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TileRange {
    /// From the tile's own smallest to its largest value: shapes are visible however weak they are.
    #[default]
    Own,
    /// From the smallest to the largest value of all tiles: magnitudes can be compared.
    Common,
}

/// How a [`sheet`] is drawn.
///
/// ```
/// use shadernet::vision::{SheetOptions, TileRange};
///
/// let options = SheetOptions::default().side(56).range(TileRange::Common);
/// assert_eq!(options.side, 56);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SheetOptions {
    /// The longest side of a tile, in pixels. Smaller maps are enlarged by integer factors, without
    /// interpolation; larger ones are reduced by averaging areas. Default: 112, a multiple of 7, 14, 28
    /// and 56.
    pub side: u32,
    /// The range of values that the colors represent. Default: [`TileRange::Own`].
    pub range: TileRange,
}

impl Default for SheetOptions {
    fn default() -> Self {
        Self {
            side: 112,
            range: TileRange::Own,
        }
    }
}

impl SheetOptions {
    /// Sets [`Self::side`].
    pub const fn side(mut self, side: u32) -> Self {
        self.side = side;
        self
    }

    /// Sets [`Self::range`].
    pub const fn range(mut self, range: TileRange) -> Self {
        self.range = range;
        self
    }
}

/// Draws labeled tiles in rows under a title, roughly as a square, wider rather than higher. With
/// [`TilePixels::Values`] among them, a color bar is drawn below.
///
/// # Errors
/// [`Error::Inputs`] where there are no tiles, an image has no pixels, the side is not between 1 and
/// [`MAX_SIDE`], or the sheet would have more than [`super::MAX_PIXELS`].
///
/// ```
/// use shadernet::vision::{HeatMap, SheetOptions, Tile, TilePixels, sheet};
///
/// let channel = |i: usize| -> shadernet::Result<Tile> {
///     let values = HeatMap::new(7, 7, (0..49).map(|at| (at * i) as f32).collect())?;
///     let label = format!("#{i}  max {}", values.statistics().max);
///     Ok(Tile { label, pixels: TilePixels::Values(values) })
/// };
/// let channels = (0..32).map(channel).collect::<Result<Vec<_>, _>>()?;
/// let sheet = sheet("features.18, 32 of 1280 channels", &channels, &SheetOptions::default())?;
/// assert!(sheet.width() > 5 * 112 && sheet.width() < 8 * 180);
/// # Ok::<(), shadernet::Error>(())
/// ```
pub fn sheet(title: &str, tiles: &[Tile], options: &SheetOptions) -> Result<RgbImage> {
    if tiles.is_empty() || !(1..=MAX_SIDE).contains(&options.side) {
        return Err(Error::Inputs(format!(
            "at least one tile with a side between 1 and {MAX_SIDE} was expected for a sheet; found \
             {} with a side of {}",
            tiles.len(),
            options.side
        )));
    }
    let common = common_range(tiles);
    let sizes: Vec<[usize; 2]> = tiles
        .iter()
        .map(|tile| tile.drawn_size(options.side))
        .collect();
    if let Some(at) = sizes.iter().position(|size| size.contains(&0)) {
        return Err(Error::Inputs(format!(
            "images with pixels were expected for a sheet; tile {at}, '{}', has none",
            tiles[at].label
        )));
    }

    let font = Font::for_side(options.side.into());
    let (line, gap) = (font.height(), font.height() / 2);
    let longest = |axis: usize| sizes.iter().map(|size| size[axis]).max().unwrap_or(0) as i64;
    let label = tiles.iter().map(|t| t.label.chars().count()).max();
    let label = label.unwrap_or(0).min(LABEL_LETTERS) as i64 * font.width();
    let (across, map_height) = (longest(0).max(label), longest(1));
    let cell = [across + gap, line + map_height + gap];
    let square = (tiles.len() as f64 * cell[1] as f64 / cell[0] as f64).sqrt();
    let columns = (square.ceil() as usize).clamp(1, tiles.len());
    let rows = tiles.len().div_ceil(columns);

    let inner = (columns as i64 * cell[0] - gap).max(MIN_LETTERS * font.width());
    let title = wrapped(title, font.letters(inner), TITLE_LINES);
    let tiles_top = gap + title.len() as i64 * line + gap;
    let bar_top = tiles_top + rows as i64 * cell[1];
    let bar = common.map_or(0, |_| 2 * line);
    let mut canvas = canvas(inner + 2 * gap, bar_top + bar + gap)?;

    for (row, text) in (0..).zip(&title) {
        font.write(&mut canvas, text, [gap, gap + row * line], INK);
    }
    for (i, (tile, size)) in tiles.iter().zip(sizes).enumerate() {
        let left = gap + (i % columns) as i64 * cell[0];
        let top = tiles_top + (i / columns) as i64 * cell[1];
        let label = shortened(&tile.label, font.letters(across));
        font.write(&mut canvas, &label, [left, top], INK);
        let range = common.filter(|_| options.range == TileRange::Common);
        let map = tile.draw(size, range)?;
        imageops::replace(&mut canvas, map.as_ref(), left, top + line);
    }
    if let Some((min, max)) = common {
        let ends = match options.range {
            TileRange::Own => ["smallest of each".into(), "largest of each".into()],
            TileRange::Common => [short_number(min), short_number(max)],
        };
        color_bar(&mut canvas, font, [gap, gap + inner], bar_top, &ends);
    }
    Ok(canvas)
}

/// The smallest and the largest value of all tiles; `None` where no tile has values.
fn common_range(tiles: &[Tile]) -> Option<(f32, f32)> {
    let ranges = tiles.iter().filter_map(|tile| match &tile.pixels {
        TilePixels::Values(values) => Some(values.statistics()),
        TilePixels::Image(_) => None,
    });
    let ranges = ranges.map(|statistics| (statistics.min, statistics.max));
    ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

impl Tile {
    fn size(&self) -> [usize; 2] {
        match &self.pixels {
            TilePixels::Values(values) => [values.width(), values.height()],
            TilePixels::Image(image) => [image.width() as usize, image.height() as usize],
        }
    }

    /// The width and height at which it is drawn; zero where it has no pixels.
    fn drawn_size(&self, side: u32) -> [usize; 2] {
        let (size, side) = (self.size(), side as usize);
        let longer = size[0].max(size[1]);
        if size.contains(&0) {
            [0; 2]
        } else if longer <= side {
            size.map(|s| s * (side / longer))
        } else {
            size.map(|s| ((s as f64 * side as f64 / longer as f64).round() as usize).max(1))
        }
    }

    /// The tile at `width` by `height`; values are drawn over `range`, or over their own range if `None`.
    fn draw(
        &self,
        [width, height]: [usize; 2],
        range: Option<(f32, f32)>,
    ) -> Result<Cow<'_, RgbImage>> {
        let from = self.size();
        let interpolation = match width < from[0] || height < from[1] {
            true => Interpolation::Box,
            false => Interpolation::Nearest,
        };
        // Both are at most `MAX_SIDE`, which fits.
        let (to_width, to_height) = (width as u32, height as u32);
        let values = match &self.pixels {
            TilePixels::Image(image) if from == [width, height] => {
                return Ok(Cow::Borrowed(image));
            }
            TilePixels::Image(image) => {
                return resize(image, to_width, to_height, interpolation).map(Cow::Owned);
            }
            TilePixels::Values(values) => values,
        };
        let (min, max) = range.unwrap_or_else(|| {
            let statistics = values.statistics();
            (statistics.min, statistics.max)
        });
        let (min, span) = (f64::from(min), f64::from(max) - f64::from(min));
        // The color map has 256 colors, so a byte is enough. Where all values are equal, the division
        // gives NaN, which the cast turns into 0.
        let byte = |&value: &f32| ((f64::from(value) - min) / span * 255.0).round() as u8;
        let bytes: Vec<u8> = values.values().iter().map(byte).collect();
        let axis = |from: usize, to: usize| Axis {
            from,
            to,
            start: 0,
            len: to,
        };
        let (x, y) = (axis(from[0], width), axis(from[1], height));
        // Values are averaged, not colors.
        let bytes = resize_window::<1>(&bytes, x, y, interpolation);
        let colors: [_; 256] = std::array::from_fn(|byte| heat_color(byte as f32 / 255.0));
        Ok(Cow::Owned(RgbImage::from_fn(
            to_width,
            to_height,
            |x, y| {
                let byte = bytes[y as usize * width + x as usize];
                image::Rgb(colors[usize::from(byte)])
            },
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(width: usize, height: usize, values: Vec<f32>) -> Tile {
        Tile {
            label: "#1".into(),
            pixels: TilePixels::Values(HeatMap::new(width, height, values).unwrap()),
        }
    }

    #[test]
    fn any_tiles_make_a_sheet() {
        let long = "letters ".repeat(100) + "杯";
        let image = |w, h| Tile {
            label: long.clone(),
            pixels: TilePixels::Image(RgbImage::new(w, h)),
        };
        let mut tiles = vec![image(1, 1), image(3, 900), image(900, 3)];
        tiles.push(values(1, 1, vec![f32::MAX]));
        tiles.push(values(2, 1, vec![f32::MAX, f32::MIN]));
        tiles.push(values(500, 1, vec![0.0; 500]));
        for side in [1, 2, 7, 112, 1000] {
            for range in [TileRange::Own, TileRange::Common] {
                for count in 1..=tiles.len() {
                    sheet(&long, &tiles[..count], &SheetOptions { side, range }).unwrap();
                }
            }
        }
        let options = SheetOptions::default();
        assert!(sheet("", &[], &options).is_err());
        assert!(sheet("", &[image(0, 3)], &options).is_err());
        for side in [0, u32::MAX] {
            assert!(sheet("", &tiles, &SheetOptions { side, ..options }).is_err());
        }
        let many = vec![image(1, 1); 10_000];
        assert!(sheet("", &many, &options).is_err());
    }

    #[test]
    fn maps_keep_their_shape_and_their_values() {
        let drawn = |w, h, side| values(w, h, vec![0.0; w * h]).drawn_size(side);
        assert_eq!(drawn(7, 7, 112), [112, 112]);
        assert_eq!(drawn(7, 5, 100), [98, 70]);
        assert_eq!(drawn(224, 112, 112), [112, 56]);
        assert_eq!(drawn(900, 1, 112), [112, 1]);

        let tile = values(2, 1, vec![-1.0, 3.0]);
        let draw = |size, range| tile.draw(size, range).unwrap().into_owned();
        let own = draw([4, 2], None);
        assert_eq!(own.get_pixel(1, 1).0, heat_color(0.0));
        assert_eq!(own.get_pixel(2, 0).0, heat_color(1.0));
        let common = draw([2, 1], Some((-1.0, 7.0)));
        assert_eq!(common.get_pixel(1, 0).0, heat_color(128.0 / 255.0));
        // The color of the mean value, not the mean of the colors.
        assert_eq!(
            draw([1, 1], None).get_pixel(0, 0).0,
            heat_color(128.0 / 255.0)
        );
    }
}
