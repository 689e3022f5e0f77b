//! Decodes image files to RGB pixels: upright, opaque, 8 bits per channel, and of bounded size.
#![warn(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

mod bmp;
mod directory;
mod fault;
mod jpeg;
mod orientation;
mod png;
mod rows;
mod signature;
mod tiff;
mod tiff_container;
mod tiff_samples;
mod webp;

use std::borrow::Cow;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage,
};

use self::fault::Fault;
pub use self::rows::RowReader;
use self::signature::{EXPECTED, HEAD_BYTES};
use super::composite::over_white;
use super::image_limits::{MAX_PIXELS, MAX_SIDE};
use crate::error::{Error, Result};

/// The largest file that [`decode`] reads, in bytes.
pub const MAX_FILE_BYTES: u64 = 512 << 20;

/// The most that a decoder may allocate: [`MAX_PIXELS`] of the largest pixel format (16 bytes).
const MAX_DECODER_BYTES: u64 = MAX_PIXELS * 16;

/// Reads the image at `path` as upright, opaque RGB with 8 bits per channel.
///
/// - The format is detected from the content; the file's extension is ignored.
/// - The orientation of EXIF, or else of XMP, is applied, so that a phone's portrait photo is upright.
/// - Grayscale becomes RGB with three equal channels, palettes are expanded, CMYK and YCCK JPEGs are
///   converted as in Pillow (Adobe's inverted inks; color profiles are ignored).
/// - More than 8 bits per channel are rounded to 8. Floating-point samples are from 0 (black) to 1 (white).
/// - Transparent pixels are composited over white, as the image looks on a page.
///   (`Image.convert("RGB")` in Pillow drops the alpha channel instead, which shows the hidden colors.)
/// - Of an animation, the first frame is read; of a file with several pictures, the first.
///
/// ```
/// let error = shadernet::vision::decode("no/such/image.png").unwrap_err();
/// assert!(error.to_string().starts_with("no/such/image.png: "));
/// ```
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is a folder, is empty,
/// is not an image, is of a kind that is not supported, is truncated or damaged, or exceeds [`MAX_SIDE`],
/// [`MAX_PIXELS`] or [`MAX_FILE_BYTES`]. Dimensions are checked before any pixel is decoded.
pub fn decode(path: impl AsRef<Path>) -> Result<RgbImage> {
    EncodedImage::open(path)?.decode()
}

/// As [`decode`], from a file's bytes in memory. Messages use `name` for the file.
///
/// ```
/// let ppm = b"P6 2 1 255 \xff\x00\x00\x00\x00\xff";
/// let image = shadernet::vision::decode_bytes("two pixels", ppm)?;
/// assert_eq!(image.dimensions(), (2, 1));
/// assert_eq!(image.get_pixel(1, 0).0, [0, 0, 255]);
/// # Ok::<(), shadernet::Error>(())
/// ```
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes(name: impl AsRef<Path>, bytes: &[u8]) -> Result<RgbImage> {
    EncodedImage::new(name, bytes)?.decode()
}

/// An image file whose header was read, and whose pixels were not: its size is known before the memory that
/// they take is needed.
///
/// ```
/// use shadernet::vision::EncodedImage;
///
/// let image = EncodedImage::new("two pixels", b"P6 2 1 255 \xff\x00\x00\x00\x00\xff")?;
/// assert_eq!(image.dimensions(), (2, 1));
/// assert!(image.decoding_bytes() < 100);
/// assert_eq!(image.decode()?.dimensions(), (2, 1));
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EncodedImage<'a> {
    name: PathBuf,
    bytes: Cow<'a, [u8]>,
    format: ImageFormat,
    dimensions: (u32, u32),
    decoding_bytes: u64,
}

impl EncodedImage<'static> {
    /// Reads the file at `path` and its header.
    ///
    /// # Errors
    /// As [`decode`], except that damaged pixels are not found yet.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(Error::io(path))?;
        let metadata = file.metadata().map_err(Error::io(path))?;
        if metadata.is_dir() {
            return Err(Error::file(
                path,
                format!("{EXPECTED}; this is a folder: name the files in it"),
            ));
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(too_large(path));
        }
        let mut bytes = Vec::new();
        let mut read = |limit: u64, bytes: &mut Vec<u8>| {
            (&mut file)
                .take(limit)
                .read_to_end(bytes)
                .map_err(Error::io(path))
        };
        // The head is enough to detect the format: a large file of another format is refused unread.
        read(HEAD_BYTES, &mut bytes)?;
        format_of(path, &bytes)?;
        read(MAX_FILE_BYTES, &mut bytes)?;
        EncodedImage::with_bytes(path, bytes.into())
    }
}

impl<'a> EncodedImage<'a> {
    /// Reads the header of a file's bytes. Messages use `name` for the file.
    ///
    /// # Errors
    /// As [`EncodedImage::open`].
    pub fn new(name: impl AsRef<Path>, bytes: impl Into<Cow<'a, [u8]>>) -> Result<Self> {
        Self::with_bytes(name.as_ref(), bytes.into())
    }

    fn with_bytes(name: &Path, bytes: Cow<'a, [u8]>) -> Result<Self> {
        let format = format_of(name, &bytes)?;
        let file_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if file_bytes > MAX_FILE_BYTES {
            return Err(too_large(name));
        }
        let bytes = match (format, &bytes) {
            (ImageFormat::Bmp, Cow::Borrowed(borrowed)) => bmp::with_known_header(borrowed),
            (ImageFormat::Bmp, Cow::Owned(owned)) => match bmp::with_known_header(owned) {
                Cow::Borrowed(_) => bytes,
                Cow::Owned(converted) => converted.into(),
            },
            _ => bytes,
        };
        let (dimensions, bytes_per_pixel) = header(&bytes, format)
            .map_err(|fault| fault.into_error(name, format, MAX_DECODER_BYTES))?;
        check_dimensions(name, format, dimensions)?;
        let pixels = u64::from(dimensions.0).saturating_mul(dimensions.1.into());
        Ok(Self {
            name: name.to_owned(),
            bytes,
            format,
            dimensions,
            decoding_bytes: pixels
                .saturating_mul(bytes_per_pixel)
                .saturating_add(file_bytes),
        })
    }

    /// The width and height in pixels, as stored: before the orientation is applied.
    pub fn dimensions(&self) -> (u32, u32) {
        self.dimensions
    }

    /// About the most bytes of memory that [`decode`](Self::decode) takes, with those of the file, which this
    /// holds.
    pub fn decoding_bytes(&self) -> u64 {
        self.decoding_bytes
    }

    /// Decodes the pixels, as [`decode`].
    ///
    /// # Errors
    /// [`Error::File`] where the file is truncated or damaged, or of a kind that is not supported.
    pub fn decode(&self) -> Result<RgbImage> {
        let (image, orientation) = pixels(&self.bytes, self.format)
            .map_err(|fault| fault.into_error(&self.name, self.format, MAX_DECODER_BYTES))?;
        let mut image = DynamicImage::ImageRgb8(opaque(image));
        image.apply_orientation(orientation);
        Ok(image.into_rgb8())
    }
}

/// The dimensions, and about how many bytes per pixel decoding takes.
fn header(bytes: &[u8], format: ImageFormat) -> Result<((u32, u32), u64), Fault> {
    /// The result, and the same again, upright.
    const RESULT: u64 = 6;
    let (dimensions, stored) = match format {
        ImageFormat::Jpeg => {
            let header = jpeg::Header::read(bytes)?;
            // A progressive JPEG's coefficients have 16 bits.
            let coefficients = if header.is_progressive() { 6 } else { 0 };
            ((header.width.into(), header.height.into()), coefficients)
        }
        ImageFormat::Tiff => {
            let header = tiff::Header::read(bytes)?;
            // The samples as they are in the file, and as 16-bit ones.
            let samples = header.samples.saturating_mul(4);
            ((header.width, header.height), samples)
        }
        _ => {
            let decoder = decoder(bytes, format)?;
            let color = decoder.color_type();
            // Eight bits per channel are next to the stored pixels for a while.
            let converted = match color.into() {
                ExtendedColorType::Rgb8 => 0,
                _ => u64::from(color.channel_count()),
            };
            let stored = u64::from(color.bytes_per_pixel()).saturating_add(converted);
            (decoder.dimensions(), stored)
        }
    };
    Ok((dimensions, stored.saturating_add(RESULT)))
}

/// The pixels as stored, and how to turn them upright.
fn pixels(bytes: &[u8], format: ImageFormat) -> Result<(DynamicImage, Orientation), Fault> {
    match format {
        ImageFormat::Jpeg => {
            let header = jpeg::Header::read(bytes)?;
            let image = jpeg::decode(bytes, &header, MAX_DECODER_BYTES)?;
            Ok((image, orientation::orientation(header.exif, header.xmp)))
        }
        ImageFormat::Tiff => {
            let header = tiff::Header::read(bytes)?;
            let image = tiff::decode(bytes, &header, MAX_DECODER_BYTES)?;
            Ok((image.into(), header.orientation()))
        }
        _ => {
            let mut decoder = decoder(bytes, format)?;
            // Damaged metadata does not affect the pixels: they are then left as stored.
            let metadata = match format {
                ImageFormat::Png => png::metadata(bytes),
                ImageFormat::WebP => webp::metadata(bytes),
                _ => orientation::Metadata {
                    exif: decoder.exif_metadata().unwrap_or_default(),
                    xmp: decoder.xmp_metadata().unwrap_or_default(),
                },
            };
            let mut image = DynamicImage::from_decoder(decoder)?;
            if format == ImageFormat::Bmp {
                image = bmp::without_unset_alpha(bytes, image);
            }
            let orientation =
                orientation::orientation(metadata.exif.as_deref(), metadata.xmp.as_deref());
            Ok((image, orientation))
        }
    }
}

/// A decoder of the image crate.
fn decoder(bytes: &[u8], format: ImageFormat) -> Result<impl ImageDecoder + '_, Fault> {
    if format == ImageFormat::Png && !png::has_valid_palette(bytes) {
        return Err(Fault::Damaged(None));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    Ok(reader.into_decoder()?)
}

/// The format of a file that begins with `head`, detected from its signature.
fn format_of(name: &Path, head: &[u8]) -> Result<ImageFormat> {
    signature::detect(head).map_err(|reason| Error::file(name, reason))
}

fn check_dimensions(name: &Path, format: ImageFormat, (width, height): (u32, u32)) -> Result<()> {
    let format = fault::name_of(format);
    let pixels = u64::from(width).saturating_mul(u64::from(height));
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(Error::file(
            name,
            format!(
                "an image of at most {MAX_SIDE} pixels per side and {} million in total was \
                 expected; this {format} is {width}x{height}: scale it down first",
                MAX_PIXELS / 1_000_000
            ),
        ));
    }
    if pixels == 0 {
        return Err(Error::file(
            name,
            format!("{EXPECTED}; this {format} is {width}x{height} and has no pixels"),
        ));
    }
    Ok(())
}

fn too_large(name: &Path) -> Error {
    Error::file(
        name,
        format!(
            "an image file of at most {} MiB was expected; this one is larger: scale it down or compress it",
            MAX_FILE_BYTES >> 20
        ),
    )
}

/// 8-bit RGB, with transparent pixels composited over white.
fn opaque(image: DynamicImage) -> RgbImage {
    if image.color().has_alpha() {
        over_white(&image.into_rgba8())
    } else {
        image.into_rgb8()
    }
}

#[cfg(test)]
mod tests {
    use image::RgbaImage;

    use super::*;

    #[test]
    fn transparency_shows_white() {
        let image = RgbaImage::from_raw(3, 1, vec![10, 20, 30, 255, 0, 0, 0, 0, 0, 100, 255, 51])
            .expect("three pixels of four bytes");
        let opaque = over_white(&image);
        assert_eq!(opaque.as_raw(), &[10, 20, 30, 255, 255, 255, 204, 224, 255]);
    }
}
