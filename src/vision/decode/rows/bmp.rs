//! BMP without compression: 1, 4, 8 or 24 bits per pixel, none of which is alpha.

use std::io::{Read, Seek, SeekFrom};

use image::ImageFormat;

use super::super::fault::Fault;
use super::{Input, Opened, Rows, decode_row, read_fault, row_bytes};

/// Bytes of the headers and the palette at most.
const MAX_HEADER_BYTES: u32 = 1 << 16;
/// Where the fields of a header of 40 bytes or more are.
const PIXELS_AT: usize = 10;
const HEADER_SIZE_AT: usize = 14;
const WIDTH_AT: usize = 18;
const HEIGHT_AT: usize = 22;
const BITS_AT: usize = 28;
const COMPRESSION_AT: usize = 30;
const SIZE_AT: usize = 34;

const LEAST_HEADER: u32 = 40;
/// OS/2's, which has other fields.
const OS2_HEADER: u32 = 64;

pub fn open(mut input: Box<dyn Input>) -> Result<Opened, Fault> {
    let mut file = Vec::new();
    let most = u64::from(MAX_HEADER_BYTES);
    (&mut input)
        .take(most)
        .read_to_end(&mut file)
        .map_err(read_fault)?;
    let number = |at: usize| {
        let (bytes, _) = file.get(at..)?.split_first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let fields = [
        PIXELS_AT,
        HEADER_SIZE_AT,
        WIDTH_AT,
        HEIGHT_AT,
        COMPRESSION_AT,
    ]
    .map(number);
    let bits = file.get(BITS_AT).copied().unwrap_or(0);
    let [
        Some(begin),
        Some(header),
        Some(width),
        Some(height),
        Some(0),
    ] = fields
    else {
        return Ok(Opened::Whole(input));
    };
    let is_known = header >= LEAST_HEADER && header != OS2_HEADER && begin <= MAX_HEADER_BYTES;
    if !is_known || !matches!(bits, 1 | 4 | 8 | 24) {
        return Ok(Opened::Whole(input));
    }
    // A negative height is that of rows from the top.
    let is_from_top = height > i32::MAX.unsigned_abs();
    let height = if is_from_top {
        height.wrapping_neg()
    } else {
        height
    };
    let row = row_bytes(width, bits.into())?.next_multiple_of(4);
    let begin_at = usize::try_from(begin).unwrap_or(usize::MAX);
    file.resize(begin_at, 0);
    for (at, value) in [(HEIGHT_AT, 1_u32), (SIZE_AT, 0)] {
        if let Some(field) = file.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *field = value.to_le_bytes();
        }
    }
    let rows = BmpRows {
        input,
        file,
        row,
        begin: begin.into(),
        height,
        next: 0,
        is_from_top,
    };
    Ok(Opened::Rows((width, height), Box::new(rows)))
}

struct BmpRows {
    input: Box<dyn Input>,
    /// The headers of a file of one row, and after them, for a moment, the row.
    file: Vec<u8>,
    /// Bytes of a row.
    row: usize,
    /// Where the pixels are.
    begin: u64,
    height: u32,
    next: u32,
    is_from_top: bool,
}

impl Rows for BmpRows {
    fn read(&mut self, row: &mut [u8]) -> Result<(), Fault> {
        let stored = match self.is_from_top {
            true => self.next,
            false => self.height.saturating_sub(self.next).saturating_sub(1),
        };
        self.next = self.next.saturating_add(1);
        let bytes = u64::try_from(self.row).unwrap_or(u64::MAX);
        let at = u64::from(stored)
            .saturating_mul(bytes)
            .saturating_add(self.begin);
        self.input.seek(SeekFrom::Start(at)).map_err(read_fault)?;
        let headers = self.file.len();
        self.file.resize(headers.saturating_add(self.row), 0);
        let pixels = self.file.get_mut(headers..).unwrap_or_default();
        self.input.read_exact(pixels).map_err(read_fault)?;
        let decoded = decode_row(&self.file, ImageFormat::Bmp, row);
        self.file.truncate(headers);
        decoded
    }
}
