//! Binary PNM: bitmaps (P4), gray (P5), RGB (P6) and PAM (P7).

use std::io::{BufRead, Read};

use image::ImageFormat;

use super::super::fault::Fault;
use super::{Input, Opened, Rows, decode_row, read_fault, row_bytes};

/// Bytes of a header at most, with its comments.
const MAX_HEADER_BYTES: usize = 1 << 16;

pub fn open(mut input: Box<dyn Input>) -> Result<Opened, Fault> {
    let header = Header::read(&mut input).map_err(read_fault)?;
    let Some(header) = header else {
        return Ok(Opened::Whole(input));
    };
    let size = (header.width, header.height);
    let bytes = row_bytes(header.width, header.bits)?;
    let rows = PnmRows {
        input,
        file: header.of_one_row,
        bytes,
    };
    Ok(Opened::Rows(size, Box::new(rows)))
}

struct Header {
    width: u32,
    height: u32,
    /// Of a pixel.
    bits: u64,
    /// The header of a file of one such row.
    of_one_row: Vec<u8>,
}

impl Header {
    /// Reads a header up to the pixels. `None` where they are text, or the header is not as it should be.
    fn read(input: &mut Box<dyn Input>) -> std::io::Result<Option<Self>> {
        let mut magic = [0; 2];
        input.read_exact(&mut magic)?;
        Ok(match &magic {
            b"P4" => Self::numbers(input, 2)?.and_then(|numbers| {
                let [width, height] = numbers.try_into().ok()?;
                Some(Self {
                    width,
                    height,
                    bits: 1,
                    of_one_row: format!("P4 {width} 1\n").into_bytes(),
                })
            }),
            b"P5" | b"P6" => Self::numbers(input, 3)?.and_then(|numbers| {
                let [width, height, max] = numbers.try_into().ok()?;
                let kind = char::from(magic[1]);
                let samples = if kind == '6' { 3 } else { 1 };
                Some(Self {
                    width,
                    height,
                    bits: bits(max)?.saturating_mul(samples),
                    of_one_row: format!("P{kind} {width} 1 {max}\n").into_bytes(),
                })
            }),
            b"P7" => Self::pam(input)?,
            _ => None,
        })
    }

    /// Numbers with white space and comments before each, and one white space after the last.
    fn numbers(input: &mut Box<dyn Input>, count: usize) -> std::io::Result<Option<Vec<u32>>> {
        let mut numbers = Vec::new();
        let mut digits = String::new();
        let mut is_comment = false;
        for byte in input.take(1 << 16).bytes() {
            let byte = byte?;
            match byte {
                b'\n' | b'\r' if is_comment => is_comment = false,
                _ if is_comment => {}
                b'#' => is_comment = true,
                b'0'..=b'9' => digits.push(char::from(byte)),
                _ if byte.is_ascii_whitespace() && digits.is_empty() => {}
                _ if byte.is_ascii_whitespace() => {
                    let Ok(number) = digits.parse() else {
                        return Ok(None);
                    };
                    numbers.push(number);
                    digits.clear();
                    if numbers.len() == count {
                        return Ok(Some(numbers));
                    }
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The lines of a PAM's header.
    fn pam(input: &mut Box<dyn Input>) -> std::io::Result<Option<Self>> {
        let mut of_one_row = b"P7".to_vec();
        let [mut width, mut height, mut depth, mut max] = [None::<u32>; 4];
        loop {
            let mut line = Vec::new();
            let limit = u64::try_from(MAX_HEADER_BYTES).unwrap_or(u64::MAX);
            (&mut *input).take(limit).read_until(b'\n', &mut line)?;
            let text = String::from_utf8_lossy(&line).into_owned();
            let mut words = text.split_ascii_whitespace();
            let (key, value) = (words.next(), words.next());
            let number = || value.and_then(|value| value.parse().ok());
            match key {
                Some("HEIGHT") => {
                    height = number();
                    line = b"HEIGHT 1\n".to_vec();
                }
                Some("WIDTH") => width = number(),
                Some("DEPTH") => depth = number(),
                Some("MAXVAL") => max = number(),
                _ => {}
            }
            let is_last = key == Some("ENDHDR");
            if line.is_empty() || of_one_row.len() > MAX_HEADER_BYTES {
                return Ok(None);
            }
            of_one_row.extend(line);
            if is_last {
                break;
            }
        }
        let (Some(width), Some(height), Some(depth), Some(max)) = (width, height, depth, max)
        else {
            return Ok(None);
        };
        let bits = bits(max).map(|bits| bits.saturating_mul(depth.into()));
        Ok(bits.map(|bits| Self {
            width,
            height,
            bits,
            of_one_row,
        }))
    }
}

/// Bits of a sample.
fn bits(max: u32) -> Option<u64> {
    match max {
        1..=255 => Some(8),
        256..=65_535 => Some(16),
        _ => None,
    }
}

struct PnmRows {
    input: Box<dyn Input>,
    /// The header of a file of one row, and after it, for a moment, the row.
    file: Vec<u8>,
    bytes: usize,
}

impl Rows for PnmRows {
    fn read(&mut self, row: &mut [u8]) -> Result<(), Fault> {
        let header = self.file.len();
        let end = header.saturating_add(self.bytes);
        self.file.resize(end, 0);
        let pixels = self.file.get_mut(header..).unwrap_or_default();
        self.input.read_exact(pixels).map_err(read_fault)?;
        let decoded = decode_row(&self.file, ImageFormat::Pnm, row);
        self.file.truncate(header);
        decoded
    }
}
