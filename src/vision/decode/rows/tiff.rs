//! TIFF of 8 or 16 bits per sample in gray or RGB without alpha, a row of strips or tiles at a time.

use std::io::Seek;

use ::tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits};
use ::tiff::tags::Tag;

use super::super::fault::Fault;
use super::super::tiff_samples::{self, Colors, Meaning};
use super::{Input, MAX_PART_BYTES, Opened, Rows, copy_next, read_fault};

const UNSIGNED: u64 = 1;
const CHUNKY: u64 = 1;
/// None, LZW, Deflate, the older number of that, and PackBits.
const COMPRESSIONS: [u64; 5] = [1, 5, 8, 32_946, 32_773];

pub fn open(mut input: Box<dyn Input>) -> Result<Opened, Fault> {
    let layout = Decoder::new(&mut input)
        .ok()
        .and_then(|decoder| Layout::read(decoder).ok()?);
    input.rewind().map_err(read_fault)?;
    let Some(layout) = layout else {
        return Ok(Opened::Whole(input));
    };
    let bytes = usize::try_from(MAX_PART_BYTES).unwrap_or(usize::MAX);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = bytes;
    limits.intermediate_buffer_size = bytes;
    limits.ifd_value_size = bytes;
    let decoder = Decoder::new(input)?.with_limits(limits);
    let size = (layout.width, layout.height);
    let rows = TiffRows {
        decoder,
        layout,
        next_part: 0,
        rows: Vec::new(),
        next: 0,
    };
    Ok(Opened::Rows(size, Box::new(rows)))
}

/// How the pixels are stored.
struct Layout {
    width: u32,
    height: u32,
    bits: u64,
    samples: u64,
    meaning: Meaning,
    /// The width and height of strips or tiles.
    chunk: (u32, u32),
}

impl Layout {
    /// `None` where the file has to be decoded as a whole.
    fn read<R: std::io::Read + Seek>(mut decoder: Decoder<R>) -> Result<Option<Self>, Fault> {
        let mut number = |tag, default| -> Result<u64, Fault> {
            let values: Option<Vec<u64>> = decoder.find_tag_unsigned_vec(tag)?;
            let values = values.unwrap_or_default();
            let first = values.first().copied().unwrap_or(default);
            // Samples that differ are none of those below.
            Ok(if values.iter().all(|value| *value == first) {
                first
            } else {
                u64::MAX
            })
        };
        let bits = number(Tag::BitsPerSample, 1)?;
        let samples = number(Tag::SamplesPerPixel, 1)?;
        let colors = match number(Tag::PhotometricInterpretation, u64::MAX)? {
            1 if samples == 1 => Colors::BlackIsZero,
            2 if samples == 3 => Colors::Rgb,
            // The crate does not know all kinds of further samples.
            _ => return Ok(None),
        };
        let is_plain = matches!(bits, 8 | 16)
            && number(Tag::SampleFormat, UNSIGNED)? == UNSIGNED
            && number(Tag::PlanarConfiguration, CHUNKY)? == CHUNKY
            && number(Tag::FillOrder, 1)? == 1
            && number(Tag::Orientation, 1)? == 1
            && COMPRESSIONS.contains(&number(Tag::Compression, 1)?);
        // Its XMP may have an orientation.
        if !is_plain || decoder.find_tag(Tag::Unknown(700))?.is_some() {
            return Ok(None);
        }
        let (width, height) = decoder.dimensions()?;
        let chunk = decoder.chunk_dimensions();
        let across = width.div_ceil(chunk.0.max(1));
        // Samples are 16 bits wide once they are decoded.
        let part = u64::from(chunk.0)
            .saturating_mul(across.into())
            .saturating_mul(chunk.1.into())
            .saturating_mul(samples.saturating_mul(2));
        if part > MAX_PART_BYTES || chunk.0 == 0 || chunk.1 == 0 {
            return Ok(None);
        }
        let is_strips = decoder.get_chunk_type() == ChunkType::Strip;
        Ok(Some(Self {
            width,
            height,
            bits,
            samples,
            meaning: tiff_samples::meaning(colors, samples, None)?,
            chunk: if is_strips { (width, chunk.1) } else { chunk },
        }))
    }
}

struct TiffRows {
    decoder: Decoder<Box<dyn Input>>,
    layout: Layout,
    /// The first strip or tile of the next row of them.
    next_part: u32,
    /// Decoded rows, of which the next begins at `next`.
    rows: Vec<u8>,
    next: usize,
}

impl TiffRows {
    /// Decodes the next strip, or row of tiles.
    fn read_part(&mut self) -> Result<(), Fault> {
        let Layout {
            width,
            bits,
            samples,
            chunk,
            ..
        } = self.layout;
        let pixel = usize::try_from(samples).map_err(|_| Fault::TooLarge(None))?;
        let row = usize::try_from(width).map_err(|_| Fault::TooLarge(None))?;
        let row = row.saturating_mul(pixel);
        let mut part: Vec<u16> = Vec::new();
        let mut left = 0_usize;
        for _ in 0..width.div_ceil(chunk.0) {
            let (own_width, own_height) = self.decoder.chunk_data_dimensions(self.next_part);
            let words: Vec<u16> = match self.decoder.read_chunk(self.next_part)? {
                DecodingResult::U8(bytes) => bytes.into_iter().map(u16::from).collect(),
                DecodingResult::U16(words) => words,
                _ => return Err(Fault::Unsupported(None, None)),
            };
            self.next_part = self.next_part.saturating_add(1);
            let own = usize::try_from(own_width).map_err(|_| Fault::TooLarge(None))?;
            let own = own.saturating_mul(pixel).max(1);
            let height = usize::try_from(own_height).map_err(|_| Fault::TooLarge(None))?;
            part.resize(row.saturating_mul(height), 0);
            let end = left.saturating_add(own);
            for (to, from) in part.chunks_mut(row.max(1)).zip(words.chunks(own)) {
                let to = to.get_mut(left..end).ok_or(Fault::Damaged(None))?;
                to.copy_from_slice(from.get(..own).ok_or(Fault::Damaged(None))?);
            }
            left = end;
        }
        self.rows = tiff_samples::to_rgb(&part, samples, bits, &self.layout.meaning)?;
        self.next = 0;
        Ok(())
    }
}

impl Rows for TiffRows {
    fn read(&mut self, row: &mut [u8]) -> Result<(), Fault> {
        if self.next >= self.rows.len() {
            self.read_part()?;
        }
        copy_next(&self.rows, &mut self.next, row)
    }
}
