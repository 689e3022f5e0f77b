//! What the samples of a TIFF mean: colors, palettes and alpha.

use super::super::composite::over;
use super::fault::Fault;

/// The color model.
#[derive(Debug)]
pub enum Colors {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    /// The red, green and blue of 16 bits of all entries.
    Palette(Vec<u64>),
    Cmyk,
    YCbCr,
}

/// What a pixel's samples mean: colors, then perhaps alpha, then what is left out.
#[derive(Debug)]
pub struct Meaning {
    colors: Colors,
    alpha: Alpha,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Alpha {
    None,
    /// The colors are those over black.
    Associated,
    Unassociated,
}

impl Colors {
    /// The number of a pixel's samples that are colors.
    fn count(&self) -> usize {
        match self {
            Self::WhiteIsZero | Self::BlackIsZero | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Cmyk => 4,
        }
    }
}

/// The meaning of `samples` samples. `extra`: the tag of those that are no colors.
pub fn meaning(colors: Colors, samples: u64, extra: Option<&[u64]>) -> Result<Meaning, Fault> {
    const MOST: usize = 64;
    let count = usize::try_from(samples).unwrap_or(usize::MAX);
    if count < colors.count() || count > MOST {
        return Err(Fault::unsupported(format!(
            "{samples} samples of {} colors",
            colors.count()
        )));
    }
    let has_more = count > colors.count();
    let alpha = match extra.and_then(|extra| extra.first()) {
        Some(1) if has_more => Alpha::Associated,
        Some(2) if has_more => Alpha::Unassociated,
        // Writers that leave the tag out mean RGBA.
        None if matches!(colors, Colors::Rgb) && count == 4 => Alpha::Unassociated,
        _ => Alpha::None,
    };
    Ok(Meaning { colors, alpha })
}

/// Samples of `bits` bits, the most significant first, from rows of `stride` bytes with `row` samples.
pub fn unpack(bytes: &[u8], stride: u32, row: u64, bits: u64) -> Vec<u16> {
    let stride = usize::try_from(stride).unwrap_or(usize::MAX).max(1);
    let row = usize::try_from(row).unwrap_or(usize::MAX);
    let mut samples = Vec::new();
    for line in bytes.chunks(stride) {
        let (mut held, mut available) = (0_u32, 0_u64);
        let mut line = line.iter();
        let unpacked = std::iter::from_fn(|| {
            while available < bits {
                held = held << 8 | u32::from(*line.next()?);
                available = available.saturating_add(8);
            }
            available = available.saturating_sub(bits);
            let sample = held >> available & (1_u32 << bits).wrapping_sub(1);
            u16::try_from(sample).ok()
        });
        samples.extend(unpacked.take(row));
    }
    samples
}

/// Floating-point samples from 0 (black) to 1 (white) as 16-bit ones.
pub fn levels(samples: impl Iterator<Item = f64>) -> Result<Vec<u16>, Fault> {
    // What rounding and resizing overshoot is clipped; other ranges are not guessed.
    const OVERSHOOT: f64 = 0.25;
    let level = |sample: f64| {
        if !(-OVERSHOOT..=1.0 + OVERSHOOT).contains(&sample) {
            return Err(Fault::unsupported(format!(
                "floating-point samples beyond 0 (black) to 1 (white), such as {sample}"
            )));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped"
        )]
        let level = (sample.clamp(0.0, 1.0) * 65_535.0).round() as u16;
        Ok(level)
    };
    samples.map(level).collect()
}

/// The samples of planes, pixel by pixel.
pub fn interleave(planes: &[Vec<u16>]) -> Vec<u16> {
    let pixels = planes.iter().map(Vec::len).min().unwrap_or_default();
    (0..pixels)
        .flat_map(|pixel| planes.iter().filter_map(move |plane| plane.get(pixel)))
        .copied()
        .collect()
}

/// Opaque pixels from samples of `bits` bits.
pub fn to_rgb(samples: &[u16], count: u64, bits: u64, meaning: &Meaning) -> Result<Vec<u8>, Fault> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let most = 1_u32
        .checked_shl(u32::try_from(bits).unwrap_or(u32::MAX))
        .unwrap_or(0)
        .saturating_sub(1)
        .max(1);
    let byte = |sample: u16| match u8::try_from(sample) {
        Ok(byte) if most == 255 => byte,
        _ => scale(u32::from(sample), most),
    };
    let mut rgb = Vec::with_capacity(samples.len().div_ceil(count).saturating_mul(3));
    for pixel in samples.chunks_exact(count) {
        let color = match (&meaning.colors, pixel) {
            (Colors::WhiteIsZero, &[gray, ..]) => [byte(gray); 3].map(|gray| !gray),
            (Colors::BlackIsZero, &[gray, ..]) => [byte(gray); 3],
            (Colors::Rgb, &[r, g, b, ..]) => [r, g, b].map(byte),
            (Colors::YCbCr, &[y, cb, cr, ..]) => from_ycbcr([y, cb, cr].map(byte)),
            (Colors::Cmyk, &[c, m, y, k, ..]) => {
                let light = |ink: u16| u32::from(!byte(ink));
                [c, m, y].map(|ink| scale(light(ink).saturating_mul(light(k)), 255 * 255))
            }
            (Colors::Palette(map), &[index, ..]) => from_palette(map, index, most)?,
            _ => return Err(Fault::Damaged(None)),
        };
        let alpha = pixel.get(meaning.colors.count()).copied().map(byte);
        rgb.extend(match (meaning.alpha, alpha) {
            (Alpha::Unassociated, Some(alpha)) => color.map(|value| over(value, u8::MAX, alpha)),
            (Alpha::Associated, Some(alpha)) => color.map(|value| value.saturating_add(!alpha)),
            _ => color,
        });
    }
    Ok(rgb)
}

/// A level from 0 to `most` as one from 0 to 255, rounded.
fn scale(level: u32, most: u32) -> u8 {
    let level = u64::from(level).saturating_mul(255);
    let rounded = level
        .saturating_add(u64::from(most / 2))
        .checked_div(u64::from(most));
    rounded
        .and_then(|level| u8::try_from(level).ok())
        .unwrap_or(u8::MAX)
}

fn from_palette(map: &[u64], index: u16, last: u32) -> Result<[u8; 3], Fault> {
    let entries = usize::try_from(last)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    let entry = |color: usize| {
        let at = entries
            .checked_mul(color)?
            .checked_add(usize::from(index))?;
        Some(scale(u32::try_from(*map.get(at)?).ok()?, 65_535))
    };
    match (entry(0), entry(1), entry(2)) {
        (Some(r), Some(g), Some(b)) => Ok([r, g, b]),
        _ => Err(Fault::Truncated(
            Some("colors of its palette are missing"),
            None,
        )),
    }
}

/// JFIF's conversion.
fn from_ycbcr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = [f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0];
    let rgb = [
        y + 1.402 * cr,
        y - 0.344_136 * cb - 0.714_136 * cr,
        y + 1.772 * cb,
    ];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped"
    )]
    rgb.map(|value| value.round().clamp(0.0, 255.0) as u8)
}
