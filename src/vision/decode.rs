//! Decodes image files to RGB pixels: upright, opaque, 8 bits per channel, and of bounded size.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::error::ImageError;
use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage,
    metadata::Orientation,
};

use super::image_limits::{MAX_PIXELS, MAX_SIDE};
use crate::error::{Error, Result};

/// The largest file that [`decode`] reads, in bytes.
pub const MAX_FILE_BYTES: u64 = 512 << 20;

/// The most that a decoder may allocate: [`MAX_PIXELS`] of the largest pixel format (16 bytes).
const MAX_DECODER_BYTES: u64 = MAX_PIXELS * 16;
/// The bytes from which a file's format is detected.
const HEAD_BYTES: u64 = 64;
const EXPECTED: &str = "an image was expected: PNG, JPEG, WebP, GIF, BMP, TIFF or PNM";

/// Reads the image at `path` as upright, opaque RGB with 8 bits per channel.
///
/// - The format is detected from the content; the file's extension is ignored.
/// - EXIF orientation is applied, so that a phone's portrait photo is upright.
/// - Grayscale becomes RGB with three equal channels, palettes are expanded, CMYK and YCCK JPEGs are
///   converted as in Pillow (Adobe's inverted inks; color profiles are ignored).
/// - 16 bits per channel are rounded to 8.
/// - Transparent pixels are composited over white, as the image looks on a page.
///   (`Image.convert("RGB")` in Pillow drops the alpha channel instead, which shows the hidden colors.)
/// - Of an animation, the first frame is read.
///
/// ```
/// let error = shadernet::vision::decode("no/such/image.png").unwrap_err();
/// assert!(error.to_string().starts_with("no/such/image.png: "));
/// ```
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is a folder, is empty,
/// is not an image, is truncated or damaged, or exceeds [`MAX_SIDE`], [`MAX_PIXELS`] or
/// [`MAX_FILE_BYTES`]. Dimensions are checked before any pixel is decoded.
pub fn decode(path: impl AsRef<Path>) -> Result<RgbImage> {
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
    decode_bytes(path, &bytes)
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
    let name = name.as_ref();
    let format = format_of(name, bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(name));
    }
    let damaged = |error: ImageError| Error::file_caused_by(name, describe(format, &error), error);

    // Some decoders read past the header before they report the size, and would report a huge image as
    // truncated. Where `imagesize` does not know the format, the decoder's own size is checked below.
    if let Ok(size) = imagesize::blob_size(bytes) {
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        check_dimensions(name, format, (side(size.width), side(size.height)))?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    check_dimensions(name, format, decoder.dimensions())?;
    // A damaged EXIF block does not affect the pixels: they are then left as stored.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    if format == ImageFormat::Jpeg && !jpeg_has_end(bytes) {
        return Err(Error::file(name, truncated(format, "no end marker")));
    }
    image.apply_orientation(orientation);
    Ok(opaque(image))
}

/// The format of a file that begins with `head`, detected from its signature.
fn format_of(name: &Path, head: &[u8]) -> Result<ImageFormat> {
    if head.is_empty() {
        return Err(Error::file(
            name,
            format!("{EXPECTED}; the file is empty (0 bytes)"),
        ));
    }
    let format = image::guess_format(head).map_err(|_| {
        Error::file(
            name,
            format!("{EXPECTED}; the file begins with {}", quote(head)),
        )
    })?;
    if !format.reading_enabled() {
        return Err(Error::file(
            name,
            format!("{EXPECTED}; the file is {format:?}, which is not supported: convert it"),
        ));
    }
    Ok(format)
}

/// The first few bytes, readable: escaped and in quotes.
fn quote(head: &[u8]) -> String {
    let head = &head[..head.len().min(16)];
    format!("\"{}\"", head.escape_ascii())
}

fn check_dimensions(name: &Path, format: ImageFormat, (width, height): (u32, u32)) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(Error::file(
            name,
            format!(
                "an image of at most {MAX_SIDE} pixels per side and {} million in total was \
                 expected; this {format:?} is {width}x{height}: scale it down first",
                MAX_PIXELS / 1_000_000
            ),
        ));
    }
    if pixels == 0 {
        return Err(Error::file(
            name,
            format!("{EXPECTED}; this {format:?} is {width}x{height} and has no pixels"),
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

fn describe(format: ImageFormat, error: &ImageError) -> String {
    match error {
        // Reading from memory fails only at the end of the bytes.
        ImageError::IoError(_) => {
            format!("a complete {format:?} was expected; this one is truncated: get the file again")
        }
        ImageError::Limits(_) => format!(
            "an image that decodes within {} MiB was expected; this {format:?} does not",
            MAX_DECODER_BYTES >> 20
        ),
        ImageError::Unsupported(_) => {
            format!("this kind of {format:?} is not supported: convert it to PNG")
        }
        _ => format!(
            "a complete {format:?} was expected; this one is damaged or truncated: get the file again"
        ),
    }
}

fn truncated(format: ImageFormat, found: &str) -> String {
    format!(
        "a complete {format:?} was expected; this one is truncated ({found}): get the file again"
    )
}

/// Whether a JPEG's pixel data ends with its end marker (EOI).
///
/// The decoder fills missing pixels with gray and reports success, so that half an image would be
/// classified as if it were complete. Within pixel data a 0xFF is always followed by a stuffed zero, so
/// that FF D9 after the first scan's header can only be the end. Before it, thumbnails may hold other
/// end markers.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    let mut at = 2; // past SOI
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        const START_OF_SCAN: u8 = 0xda;
        if marker == 0xff {
            at += 1; // fill byte
            continue;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        if marker == START_OF_SCAN {
            break;
        }
    }
    bytes
        .get(at..)
        .is_some_and(|scan| scan.windows(2).any(|pair| pair == [0xff, 0xd9]))
}

/// 8-bit RGB, with transparent pixels composited over white.
fn opaque(image: DynamicImage) -> RgbImage {
    if image.color().has_alpha() {
        over_white(&image.into_rgba8())
    } else {
        image.into_rgb8()
    }
}

fn over_white(image: &RgbaImage) -> RgbImage {
    let blend = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [r, g, b, a] = image.get_pixel(x, y).0;
        image::Rgb([blend(r, a), blend(g, a), blend(b, a)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparency_shows_white() {
        let image = RgbaImage::from_raw(3, 1, vec![10, 20, 30, 255, 0, 0, 0, 0, 0, 100, 255, 51])
            .expect("three pixels of four bytes");
        let opaque = over_white(&image);
        assert_eq!(opaque.as_raw(), &[10, 20, 30, 255, 255, 255, 204, 224, 255]);
    }

    #[test]
    fn end_markers_in_jpeg_headers_are_skipped() {
        // SOI, an APP1 segment with a thumbnail's end marker, a scan.
        let mut jpeg = b"\xff\xd8\xff\xe1\x00\x04\xff\xd9\xff\xda\x00\x02\x12\x34".to_vec();
        assert!(!jpeg_has_end(&jpeg));
        jpeg.extend(b"\xff\xd9trailing bytes");
        assert!(jpeg_has_end(&jpeg));
        assert!(!jpeg_has_end(b"\xff\xd8"));
        assert!(!jpeg_has_end(b""));
    }
}
