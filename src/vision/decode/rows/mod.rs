//! Reads image files row by row, where their format allows.

mod bmp;
mod png;
mod pnm;
mod tiff;

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, RgbImage};

use super::fault::{Fault, name_of};
use super::signature::{EXPECTED, HEAD_BYTES};
use super::{EncodedImage, MAX_FILE_BYTES, format_of, opaque, pixels};
use crate::error::{Error, Result};
use crate::vision::RowSource;

/// The longest side of an image that is read by rows: a row takes a few megabytes.
const MAX_ROW_SIDE: u32 = 1 << 20;
/// The most bytes that a part of a file which is decoded at once may take, such as a TIFF's strip.
const MAX_PART_BYTES: u64 = 64 << 20;

/// An image file that is read row by row, as [`decode`](super::decode) decodes it: PNG without interlacing, binary PNM,
/// BMP without compression or alpha, and TIFF of 8 or 16 bits per sample in gray or RGB without alpha. Other files, and
/// those that have to be rotated, are decoded as a whole, within the limits of [`decode`](super::decode).
///
/// ```
/// use shadernet::vision::{RowReader, RowSource};
///
/// let mut rows = RowReader::from_bytes("two rows", b"P6 1 2 255 \xff\x00\x00\x00\x00\xff".to_vec())?;
/// assert_eq!(rows.dimensions(), (1, 2));
/// let mut row = [0; 3];
/// rows.read_row(&mut row)?;
/// assert_eq!(row, [255, 0, 0]);
/// # Ok::<(), shadernet::Error>(())
/// ```
pub struct RowReader {
    name: PathBuf,
    format: ImageFormat,
    dimensions: (u32, u32),
    rows: Box<dyn Rows + Send>,
}

/// A decoder of rows.
trait Rows {
    /// Writes the next row of RGB.
    fn read(&mut self, row: &mut [u8]) -> Result<(), Fault>;
}

/// A file, or bytes in memory.
trait Input: BufRead + Seek + Send + 'static {}

impl<T: BufRead + Seek + Send + 'static> Input for T {}

/// What a file is read by.
enum Opened {
    Rows((u32, u32), Box<dyn Rows + Send>),
    /// It has to be decoded as a whole.
    Whole(Box<dyn Input>),
}

impl RowReader {
    /// Opens the image at `path`. The format is detected from the content.
    ///
    /// # Errors
    /// As [`EncodedImage::open`] and, where the file is decoded as a whole, [`EncodedImage::decode`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::io(path))?;
        if file.metadata().map_err(Error::io(path))?.is_dir() {
            let reason = format!("{EXPECTED}; this is a folder: name the files in it");
            return Err(Error::file(path, reason));
        }
        Self::new(path, Box::new(BufReader::new(file)))
    }

    /// Opens an image in memory. Messages use `name` for the file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(name: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) -> Result<Self> {
        Self::new(name.as_ref(), Box::new(Cursor::new(bytes.into())))
    }

    fn new(name: &Path, mut input: Box<dyn Input>) -> Result<Self> {
        let mut head = Vec::new();
        (&mut input)
            .take(HEAD_BYTES)
            .read_to_end(&mut head)
            .map_err(Error::io(name))?;
        let format = format_of(name, &head)?;
        input.rewind().map_err(Error::io(name))?;
        let opened = match format {
            ImageFormat::Png => png::open(input),
            ImageFormat::Pnm => pnm::open(input),
            ImageFormat::Bmp => bmp::open(input),
            ImageFormat::Tiff => tiff::open(input),
            _ => Ok(Opened::Whole(input)),
        };
        let opened = opened.map_err(|fault| fault.into_error(name, format, MAX_PART_BYTES))?;
        let (dimensions, rows) = match opened {
            Opened::Rows(dimensions, rows) => (dimensions, rows),
            Opened::Whole(input) => {
                let image = whole(name, input)?;
                (image.dimensions(), Whole::rows(image))
            }
        };
        let (width, height) = dimensions;
        if !(1..=MAX_ROW_SIDE).contains(&width) || !(1..=MAX_ROW_SIDE).contains(&height) {
            return Err(Error::file(
                name,
                format!(
                    "an image of 1 to {MAX_ROW_SIDE} pixels per side was expected; this {} is {width}x{height}",
                    name_of(format)
                ),
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            format,
            dimensions,
            rows,
        })
    }
}

impl RowSource for RowReader {
    fn dimensions(&self) -> (u32, u32) {
        self.dimensions
    }

    fn read_row(&mut self, row: &mut [u8]) -> Result<()> {
        let read = self.rows.read(row);
        read.map_err(|fault| fault.into_error(&self.name, self.format, MAX_PART_BYTES))
    }
}

impl fmt::Debug for RowReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowReader")
            .field("name", &self.name)
            .field("format", &self.format)
            .field("dimensions", &self.dimensions)
            .finish_non_exhaustive()
    }
}

fn whole(name: &Path, mut input: Box<dyn Input>) -> Result<RgbImage> {
    let mut bytes = Vec::new();
    input
        .rewind()
        .and_then(|()| {
            input
                .take(MAX_FILE_BYTES.saturating_add(1))
                .read_to_end(&mut bytes)
        })
        .map_err(Error::io(name))?;
    EncodedImage::with_bytes(name, bytes.into())?.decode()
}

/// The rows of a decoded image.
struct Whole {
    bytes: Vec<u8>,
    next: usize,
}

impl Whole {
    fn rows(image: RgbImage) -> Box<dyn Rows + Send> {
        Box::new(Self {
            bytes: image.into_raw(),
            next: 0,
        })
    }
}

impl Rows for Whole {
    fn read(&mut self, row: &mut [u8]) -> Result<(), Fault> {
        copy_next(&self.bytes, &mut self.next, row)
    }
}

/// Copies the next row of `bytes`, which begins at `next`.
fn copy_next(bytes: &[u8], next: &mut usize, row: &mut [u8]) -> Result<(), Fault> {
    let end = next.saturating_add(row.len());
    let from = bytes.get(*next..end).ok_or(Fault::Damaged(None))?;
    row.copy_from_slice(from);
    *next = end;
    Ok(())
}

/// Writes decoded pixels as opaque RGB.
fn write_opaque(image: DynamicImage, row: &mut [u8]) -> Result<(), Fault> {
    copy_next(opaque(image).as_raw(), &mut 0, row)
}

/// Decodes a file of one row.
fn decode_row(file: &[u8], format: ImageFormat, row: &mut [u8]) -> Result<(), Fault> {
    let (image, _) = pixels(file, format)?;
    write_opaque(image, row)
}

/// A row's bytes, of this many bits per pixel; none where they are more than fit.
fn row_bytes(width: u32, bits: u64) -> Result<usize, Fault> {
    let bytes = u64::from(width).saturating_mul(bits).div_ceil(8);
    match usize::try_from(bytes) {
        Ok(bytes) if u64::try_from(bytes).is_ok_and(|bytes| bytes <= MAX_PART_BYTES) => Ok(bytes),
        _ => Err(Fault::TooLarge(None)),
    }
}

/// What a failure to read is: an input that ends too early, or an error of the system.
fn read_fault(error: std::io::Error) -> Fault {
    Fault::Truncated(None, Some(error.into()))
}
