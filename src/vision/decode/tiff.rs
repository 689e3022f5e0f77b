//! Decodes the first picture of a TIFF or BigTIFF.
//!
//! The tiff crate decompresses and puts strips and tiles together. It knows few meanings of samples, one order
//! of bits, and no Zstandard in Rust, so that it is given a TIFF of plain samples, made here: a new directory
//! before the same data. What the samples mean is the matter of `tiff_samples`.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use ::tiff::decoder::{Decoder, DecodingResult, Limits};
use image::RgbImage;
use image::metadata::Orientation;
use ruzstd::decoding::StreamingDecoder;

use super::directory::Directory;
use super::fault::Fault;
use super::jpeg;
use super::orientation;
use super::tiff_container::{self, Container};
use super::tiff_samples::{self, Colors, Meaning};
use crate::vision::MAX_SIDE;

/// What the directory says.
#[derive(Debug)]
pub struct Header<'a> {
    directory: Directory<'a>,
    pub width: u32,
    pub height: u32,
    bits: u64,
    pub samples: u64,
    /// 1: unsigned, 2: signed, 3: floating point.
    format: u64,
    compression: u64,
    predictor: u64,
    is_planar: bool,
    /// The width and height of a strip or tile.
    chunk: (u32, u32),
    is_tiled: bool,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

const FLOAT: u64 = 3;
const NO_COMPRESSION: u64 = 1;
const GROUP_4: u64 = 4;
const LZW: u64 = 5;
const JPEG: u64 = 7;
const DEFLATE: u64 = 8;
const OLD_DEFLATE: u64 = 32_946;
const PACK_BITS: u64 = 32_773;
const ZSTD: u64 = 50_000;

impl<'a> Header<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let directory =
            Directory::read(bytes).ok_or(Fault::Truncated(Some("no directory"), None))?;
        let first = |tag| directory.integer(tag);
        let required = |tag, missing| first(tag).ok_or(Fault::Truncated(Some(missing), None));
        let uniform = |tag, default, what: &str| {
            let values = directory.integers(tag).unwrap_or_default();
            let value = values.first().copied().unwrap_or(default);
            if values.iter().any(|&other| other != value) {
                return Err(Fault::unsupported(format!("samples of different {what}")));
            }
            Ok(value)
        };
        let side = |value| u32::try_from(value).map_err(|_| Fault::TooLarge(None));
        let width = side(required(256, "no width")?)?;
        let height = side(required(257, "no height")?)?;
        let is_tiled = directory.has(324);
        let chunk = if is_tiled {
            let tile_width = required(322, "no tile width")?;
            let tile = (side(tile_width)?, side(required(323, "no tile height")?)?);
            if tile.0 > MAX_SIDE || tile.1 > MAX_SIDE {
                return Err(Fault::unsupported("tiles larger than any image"));
            }
            tile
        } else {
            let rows = first(278).unwrap_or(u64::MAX).min(u64::from(height));
            (width, side(rows)?)
        };
        let array = |strips, tiles, missing| {
            let values = directory.integers(if is_tiled { tiles } else { strips });
            values.ok_or(Fault::Truncated(Some(missing), None))
        };
        Ok(Self {
            width,
            height,
            bits: uniform(258, 1, "numbers of bits")?,
            samples: first(277).unwrap_or(1),
            format: uniform(339, 1, "formats")?,
            compression: first(259).unwrap_or(NO_COMPRESSION),
            predictor: first(317).unwrap_or(1),
            is_planar: first(284) == Some(2),
            chunk,
            is_tiled,
            offsets: array(273, 324, "no offsets of its data")?,
            lengths: array(279, 325, "no lengths of its data")?,
            directory,
        })
    }

    /// How the samples are packed is what the crate is told, unless it does not know their size: then each
    /// row's bytes are its samples.
    fn is_read_as_bytes(&self) -> bool {
        !matches!((self.bits, self.samples), (1, 1) | (8 | 16 | 32 | 64, _))
    }

    /// Refuses what would be decoded wrongly, and says what the samples mean.
    fn meaning(&self) -> Result<Meaning, Fault> {
        let of_bits = |bits| format!("{bits} bits per sample");
        match (self.format, self.bits) {
            (1 | 4, 1..=16) | (FLOAT, 16 | 32 | 64) => {}
            (FLOAT, bits) => return Err(Fault::unsupported(format!("floats of {bits} bits"))),
            (1 | 4, bits) => return Err(Fault::unsupported(of_bits(bits))),
            (2, _) => return Err(Fault::unsupported("signed samples")),
            _ => return Err(Fault::unsupported("samples of an unknown format")),
        }
        let compression = match self.compression {
            NO_COMPRESSION | LZW | JPEG | DEFLATE | OLD_DEFLATE | PACK_BITS | GROUP_4 | ZSTD => {
                None
            }
            2 | 3 => Some("Group 3 fax".to_owned()),
            6 => Some("old JPEG".to_owned()),
            34_925 => Some("LZMA".to_owned()),
            50_001 => Some("WebP".to_owned()),
            other => Some(format!("number {other}")),
        };
        if let Some(compression) = compression {
            return Err(Fault::unsupported(format!("compression {compression}")));
        }
        if self.is_read_as_bytes() && self.predictor != 1 {
            return Err(Fault::unsupported(format!(
                "{} and a predictor",
                of_bits(self.bits)
            )));
        }
        let photometric = self.directory.integer(262);
        let photometric = photometric.ok_or(Fault::Truncated(Some("no color model"), None))?;
        let sampling = self.directory.integers(530);
        let is_subsampled = self.compression != JPEG && sampling.is_none_or(|s| s != [1, 1]);
        let colors = match photometric {
            0 => Colors::WhiteIsZero,
            1 => Colors::BlackIsZero,
            2 => Colors::Rgb,
            3 if self.format == FLOAT => {
                return Err(Fault::unsupported("a palette and floating-point samples"));
            }
            3 => Colors::Palette(self.directory.integers(320).unwrap_or_default()),
            5 => Colors::Cmyk,
            6 if is_subsampled => {
                return Err(Fault::unsupported("YCbCr with subsampled colors"));
            }
            6 => Colors::YCbCr,
            8..=10 => return Err(Fault::unsupported("L*a*b* colors")),
            32_803 | 34_892 => return Err(Fault::unsupported("a camera's raw samples")),
            other => return Err(Fault::unsupported(format!("color model {other}"))),
        };
        let extra = self.directory.integers(338);
        tiff_samples::meaning(colors, self.samples, extra.as_deref())
    }

    /// The data of each strip or tile, with the usual order of bits and without Zstandard; together at most
    /// `most` bytes, although strips may overlap and Zstandard may expand without a bound.
    fn chunks(&self, bytes: &'a [u8], most: u64) -> Result<Vec<Cow<'a, [u8]>>, Fault> {
        // Bits are not reversed in a JPEG.
        let is_reversed = match self.directory.integer(266).unwrap_or(1) {
            1 => false,
            2 => self.compression != JPEG,
            order => return Err(Fault::unsupported(format!("order of bits {order}"))),
        };
        let samples = if self.is_planar { 1 } else { self.samples };
        let bits_per_row = u64::from(self.chunk.0)
            .checked_mul(self.bits)
            .and_then(|bits| bits.checked_mul(samples));
        let chunk_bytes = bits_per_row
            .and_then(|bits| bits.div_ceil(8).checked_mul(u64::from(self.chunk.1)))
            .ok_or(Fault::TooLarge(None))?;
        if self.offsets.len() != self.lengths.len() {
            return Err(Fault::Damaged(None));
        }
        let mut left = most;
        let chunk = |(&offset, &length): (&u64, &u64)| {
            let cut = Fault::Truncated(Some("a part of its data is missing"), None);
            let start = usize::try_from(offset).ok();
            let end = start.and_then(|start| start.checked_add(usize::try_from(length).ok()?));
            let range = start
                .zip(end)
                .and_then(|(start, end)| bytes.get(start..end));
            let mut data = Cow::Borrowed(range.ok_or(cut)?);
            if is_reversed {
                data.to_mut()
                    .iter_mut()
                    .for_each(|byte| *byte = byte.reverse_bits());
            }
            if self.compression == ZSTD {
                data = Cow::Owned(expand(&data, chunk_bytes.min(left))?);
            }
            if self.compression == JPEG {
                let jpeg = jpeg::Header::read(&data)?;
                if !jpeg.is_fast() {
                    return Err(Fault::unsupported("this kind of JPEG in it"));
                }
                if u32::from(jpeg.width) > self.chunk.0 || u32::from(jpeg.height) > self.chunk.1 {
                    return Err(Fault::Damaged(None));
                }
            }
            left = u64::try_from(data.len())
                .ok()
                .and_then(|bytes| left.checked_sub(bytes))
                .ok_or(Fault::TooLarge(None))?;
            Ok(data)
        };
        self.offsets.iter().zip(&self.lengths).map(chunk).collect()
    }

    /// The samples of strips or tiles of one plane, or of all samples.
    fn samples(&self, chunks: &[Cow<[u8]>], samples: u64, most: u64) -> Result<Vec<u16>, Fault> {
        let row_bytes = |pixels: u32| {
            let bits = u64::from(pixels)
                .checked_mul(self.bits)?
                .checked_mul(samples)?;
            // A row of tiles has no padding in between.
            let is_even = !self.is_tiled || bits.is_multiple_of(8);
            is_even
                .then(|| u32::try_from(bits.div_ceil(8)).ok())
                .flatten()
        };
        let bytes_of = |pixels| row_bytes(pixels).ok_or(Fault::unsupported("such tiles"));
        let mut container = Container {
            is_big_endian: self.directory.is_big_endian,
            width: self.width,
            height: self.height,
            bits: self.bits,
            samples,
            format: self.format,
            compression: if self.compression == ZSTD {
                NO_COMPRESSION
            } else {
                self.compression
            },
            predictor: self.predictor,
            chunk: self.chunk,
            is_tiled: self.is_tiled,
            jpeg_tables: self.directory.bytes(347),
        };
        if self.is_read_as_bytes() {
            let chunk_width = bytes_of(self.chunk.0)?;
            let across = if self.is_tiled {
                self.width.div_ceil(self.chunk.0.max(1))
            } else {
                1
            };
            container.width = chunk_width
                .checked_mul(across)
                .ok_or(Fault::TooLarge(None))?;
            container.chunk.0 = chunk_width;
            (container.bits, container.samples, container.format) = (8, 1, 1);
        }
        let file = tiff_container::write(&container, chunks).ok_or(Fault::TooLarge(None))?;
        let bytes = usize::try_from(most).unwrap_or(usize::MAX);
        let mut limits = Limits::default();
        limits.decoding_buffer_size = bytes;
        limits.intermediate_buffer_size = bytes;
        limits.ifd_value_size = bytes;
        let mut decoder = Decoder::new(Cursor::new(file))?.with_limits(limits);
        let row = u64::from(self.width)
            .checked_mul(samples)
            .ok_or(Fault::TooLarge(None))?;
        Ok(match decoder.read_image()? {
            DecodingResult::U8(bytes) if self.bits == 8 => {
                bytes.into_iter().map(u16::from).collect()
            }
            DecodingResult::U8(bytes) => {
                let stride = match self.is_read_as_bytes() {
                    true => container.width,
                    false => self.width.div_ceil(8),
                };
                tiff_samples::unpack(&bytes, stride, row, self.bits)
            }
            DecodingResult::U16(words) => words,
            DecodingResult::F16(floats) => tiff_samples::levels(floats.into_iter().map(f64::from))?,
            DecodingResult::F32(floats) => tiff_samples::levels(floats.into_iter().map(f64::from))?,
            DecodingResult::F64(floats) => tiff_samples::levels(floats.into_iter())?,
            _ => return Err(Fault::Unsupported(None, None)),
        })
    }

    pub fn orientation(&self) -> Orientation {
        orientation::of_tiff(&self.directory)
    }
}

/// Decompresses Zstandard to at most `most` bytes, the size of a strip or tile.
fn expand(data: &[u8], most: u64) -> Result<Vec<u8>, Fault> {
    let damaged = |error: Box<dyn std::error::Error + Send + Sync>| Fault::Damaged(Some(error));
    let decoder = StreamingDecoder::new(data).map_err(|error| damaged(error.to_string().into()))?;
    let mut expanded = Vec::new();
    decoder
        .take(most)
        .read_to_end(&mut expanded)
        .map_err(|error| damaged(error.into()))?;
    Ok(expanded)
}

/// Decodes a TIFF as it is stored. `most` is the number of bytes that the decoder may take.
pub fn decode(bytes: &[u8], header: &Header, most: u64) -> Result<RgbImage, Fault> {
    let meaning = header.meaning()?;
    let chunks = header.chunks(bytes, most)?;
    let bits = if header.format == FLOAT {
        16
    } else {
        header.bits
    };
    let samples = if header.is_planar && header.samples > 1 {
        let planes = usize::try_from(header.samples).map_err(|_| Fault::TooLarge(None))?;
        if chunks.is_empty() || !chunks.len().is_multiple_of(planes) {
            return Err(Fault::Damaged(None));
        }
        let planes = chunks.chunks(chunks.len().div_ceil(planes));
        let planes: Result<Vec<_>, _> =
            planes.map(|plane| header.samples(plane, 1, most)).collect();
        tiff_samples::interleave(&planes?)
    } else {
        header.samples(&chunks, header.samples, most)?
    };
    let pixels = tiff_samples::to_rgb(&samples, header.samples, bits, &meaning)?;
    RgbImage::from_raw(header.width, header.height, pixels).ok_or(Fault::Damaged(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TIFF of one row of bytes, whose strips all have this place and length.
    fn strips(count: u16, length: u32) -> Vec<u8> {
        let entry = |tag: u16, kind: u16, count: u32, value: u32| {
            let numbers = [tag.to_le_bytes(), kind.to_le_bytes()].concat();
            [
                numbers,
                count.to_le_bytes().to_vec(),
                value.to_le_bytes().to_vec(),
            ]
            .concat()
        };
        let tags = 6;
        let arrays = 8 + 2 + 12 * tags + 4;
        let rows = u32::from(count);
        let mut file = b"II*\0\x08\0\0\0\x06\0".to_vec();
        file.extend(entry(256, 4, 1, length));
        file.extend(entry(257, 4, 1, rows));
        file.extend(entry(258, 3, 1, 8));
        file.extend(entry(273, 4, rows, arrays));
        file.extend(entry(278, 4, 1, 1));
        file.extend(entry(279, 4, rows, arrays + 4 * rows));
        file.extend([0; 4]);
        file.extend(0_u32.to_le_bytes().repeat(count.into()));
        file.extend(length.to_le_bytes().repeat(count.into()));
        file
    }

    #[test]
    fn strips_that_overlap_take_bounded_memory() {
        let file = strips(1000, 1000);
        let header = Header::read(&file).unwrap();
        assert_eq!(header.chunks(&file, 1_000_000).unwrap().len(), 1000);
        let error = header.chunks(&file, 999_999).unwrap_err();
        assert!(matches!(error, Fault::TooLarge(_)), "{error:?}");
    }
}
