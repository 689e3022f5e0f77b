//! Detects a file's format from its first bytes, and names the formats that are not decoded.

use image::ImageFormat;

use super::fault::name_of;

/// The bytes of a file from which its format is detected. DICOM's signature ends at 132; an SVG's first
/// element follows a declaration and comments.
pub const HEAD_BYTES: u64 = 1024;

pub const EXPECTED: &str = "an image was expected: PNG, JPEG, WebP, GIF, BMP, TIFF or PNM";

const DECODED: [ImageFormat; 7] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::WebP,
    ImageFormat::Gif,
    ImageFormat::Bmp,
    ImageFormat::Tiff,
    ImageFormat::Pnm,
];

/// Formats that [`image::guess_format`] does not know: where their signature is, and their name.
const OTHERS: [(usize, &[u8], &str); 20] = [
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (128, b"DICM", "DICOM"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"8BPS", "Photoshop (PSD)"),
    (0, b"gimp xcf", "GIMP (XCF)"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file (RAF)"),
    (0, b"IIRO", "a camera's raw file (ORF)"),
    (0, b"IIU\0", "a camera's raw file (RW2)"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x1a\x45\xdf\xa3", "a video (Matroska or WebM)"),
    (0, b"OggS", "Ogg"),
];

/// The format of a file that begins with `head`, or why it is refused.
pub fn detect(head: &[u8]) -> Result<ImageFormat, String> {
    if head.is_empty() {
        return Err(format!("{EXPECTED}; the file is empty (0 bytes)"));
    }
    if head.starts_with(b"II+\0") || head.starts_with(b"MM\0+") {
        return Ok(ImageFormat::Tiff); // BigTIFF
    }
    let name = match other(head) {
        Some(name) => name.to_owned(),
        None => match image::guess_format(head) {
            Ok(format) if DECODED.contains(&format) => return Ok(format),
            Ok(format) => name_of(format),
            Err(_) => {
                let first = head.get(..16).unwrap_or(head).escape_ascii();
                return Err(format!("{EXPECTED}; the file begins with \"{first}\""));
            }
        },
    };
    Err(format!(
        "{EXPECTED}; the file is {name}, which is not supported: convert it"
    ))
}

/// The name of a format that is not decoded.
fn other(head: &[u8]) -> Option<&'static str> {
    let has = |at: usize, signature: &[u8]| {
        head.get(at..)
            .is_some_and(|rest| rest.starts_with(signature))
    };
    if let Some((.., name)) = OTHERS.iter().find(|(at, signature, _)| has(*at, signature)) {
        return Some(name);
    }
    if has(4, b"ftyp") {
        return Some(match head.get(8..12)? {
            b"avif" | b"avis" => "AVIF",
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" => "HEIC",
            b"mif1" | b"msf1" => "HEIF",
            b"crx " => "a camera's raw file (CR3)",
            _ => "a video (MP4 or MOV)",
        });
    }
    let text = head.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let contains = |word: &[u8]| {
        let mut windows = text.windows(word.len());
        windows.any(|window| window.eq_ignore_ascii_case(word))
    };
    if !text.trim_ascii_start().starts_with(b"<") {
        None
    } else if contains(b"<svg") {
        Some("SVG")
    } else if contains(b"<html") || contains(b"<!doctype html") {
        Some("a web page (HTML)")
    } else {
        contains(b"<?xml").then_some("XML")
    }
}
