//! PNG without interlacing.

use std::io::{Read, Seek, SeekFrom};

use image::metadata::Orientation;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, RgbaImage};
use png::{BitDepth, ColorType, Decoder, DecodingError, Reader, Transformations};

use super::super::fault::Fault;
use super::super::{orientation, png as whole};
use super::{Input, Opened, Rows, copy_next, read_fault, write_opaque};

/// Chunks with metadata that are longer are left out: an orientation takes a few bytes.
const MAX_CHUNK_BYTES: u32 = 1 << 20;
/// All of them together.
const MAX_METADATA_BYTES: usize = 16 << 20;

pub fn open(mut input: Box<dyn Input>) -> Result<Opened, Fault> {
    let chunks = chunks_without_pixels(&mut input).map_err(read_fault)?;
    if !whole::has_valid_palette(&chunks) {
        return Err(Fault::Damaged(None));
    }
    let metadata = whole::metadata(&chunks);
    let turned = orientation::orientation(metadata.exif.as_deref(), metadata.xmp.as_deref());
    // The last byte of the header, after the signature and a chunk's length and type.
    let is_interlaced = chunks.get(28) != Some(&0);
    if turned != Orientation::NoTransforms || is_interlaced {
        return Ok(Opened::Whole(input));
    }
    input.rewind().map_err(read_fault)?;
    let mut decoder = Decoder::new(input);
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info()?;
    let size = reader.info().size();
    Ok(Opened::Rows(size, Box::new(PngRows { reader })))
}

struct PngRows {
    reader: Reader<Box<dyn Input>>,
}

impl Rows for PngRows {
    fn read(&mut self, row: &mut [u8]) -> Result<(), Fault> {
        let (color, depth) = self.reader.output_color_type();
        let width = self.reader.info().width;
        let data = self
            .reader
            .next_row()?
            .ok_or(Fault::Truncated(None, None))?;
        let data = data.data();
        let words = || -> Vec<u16> {
            data.as_chunks()
                .0
                .iter()
                .map(|pair| u16::from_be_bytes(*pair))
                .collect()
        };
        let image = match (color, depth) {
            (ColorType::Rgb, BitDepth::Eight) => return copy_next(data, &mut 0, row),
            (ColorType::Grayscale, BitDepth::Eight) => {
                GrayImage::from_raw(width, 1, data.to_vec()).map(DynamicImage::from)
            }
            (ColorType::GrayscaleAlpha, BitDepth::Eight) => {
                GrayAlphaImage::from_raw(width, 1, data.to_vec()).map(DynamicImage::from)
            }
            (ColorType::Rgba, BitDepth::Eight) => {
                RgbaImage::from_raw(width, 1, data.to_vec()).map(DynamicImage::from)
            }
            (ColorType::Grayscale, BitDepth::Sixteen) => {
                ImageBuffer::from_raw(width, 1, words()).map(DynamicImage::ImageLuma16)
            }
            (ColorType::GrayscaleAlpha, BitDepth::Sixteen) => {
                ImageBuffer::from_raw(width, 1, words()).map(DynamicImage::ImageLumaA16)
            }
            (ColorType::Rgb, BitDepth::Sixteen) => {
                ImageBuffer::from_raw(width, 1, words()).map(DynamicImage::ImageRgb16)
            }
            (ColorType::Rgba, BitDepth::Sixteen) => {
                ImageBuffer::from_raw(width, 1, words()).map(DynamicImage::ImageRgba16)
            }
            _ => return Err(Fault::Unsupported(None, None)),
        };
        write_opaque(image.ok_or(Fault::Damaged(None))?, row)
    }
}

/// The file without its pixels, for what is known of its chunks.
fn chunks_without_pixels(input: &mut Box<dyn Input>) -> std::io::Result<Vec<u8>> {
    let mut file = vec![0; 8];
    input.read_exact(&mut file)?;
    loop {
        let mut head = [0; 8];
        // A file may end without its last chunk.
        if input.read_exact(&mut head).is_err() {
            return Ok(file);
        }
        let [a, b, c, d, kind @ ..] = head;
        let length = u32::from_be_bytes([a, b, c, d]);
        // With the checksum.
        let rest = u64::from(length).saturating_add(4);
        if &kind == b"IDAT" || &kind == b"fdAT" || length > MAX_CHUNK_BYTES {
            let rest = i64::try_from(rest).unwrap_or(i64::MAX);
            input.seek(SeekFrom::Current(rest))?;
            continue;
        }
        file.extend(head);
        input.take(rest).read_to_end(&mut file)?;
        if file.len() > MAX_METADATA_BYTES || &kind == b"IEND" {
            return Ok(file);
        }
    }
}

impl From<DecodingError> for Fault {
    fn from(error: DecodingError) -> Self {
        match error {
            DecodingError::IoError(_) => Self::Truncated(None, Some(error.into())),
            DecodingError::LimitsExceeded => Self::TooLarge(Some(error.into())),
            _ => Self::Damaged(Some(error.into())),
        }
    }
}
