//! Decodes every file of `tests/images/suite` and compares with Pillow, or holds the reason why it is refused.
//!
//! `tests/images/suite/make/make.py` made the files, `suite.txt` and `expected.png`.

#[path = "common/place.rs"]
mod place;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;

use shadernet::vision::{RgbImage, RowReader, RowSource, decode, decode_bytes};

/// The largest difference of a byte from Pillow's.
const ALLOWED: u8 = 3;

/// Files that differ by more, and why.
const DIFFERENT: [(&str, u8); 1] = [
    // zune-jpeg 0.5.15 interpolates the colors of the last row with a row beyond the picture.
    ("jpeg_pillow_coarse.jpg", 8),
];

/// The files that are refused, by the start of their names, and what the message says. The first that fits
/// counts.
const REFUSED: &[(&str, &str)] = &[
    ("bmp_16_header", "Unknown bitmap header type (size=16)"),
    ("bmp_of_jpeg", "JPEG compression"),
    ("bmp_of_png", "PNG compression"),
    ("format.avif", "AVIF, which is not supported: convert it"),
    ("format.container.jxl", "JPEG XL, which is not"),
    ("format.cr3", "a camera's raw file (CR3)"),
    ("format.dcm", "DICOM, which is not"),
    ("format.dds", "DDS, which is not"),
    ("format.declared.svg", "SVG, which is not"),
    ("format.eps", "PostScript, which is not"),
    ("format.exr", "OpenEXR, which is not"),
    ("format.fits", "FITS, which is not"),
    ("format.gz", "a gzip archive, which is not"),
    ("format.h5", "HDF5, which is not"),
    ("format.hdr", "HDR, which is not"),
    ("format.heic", "HEIC, which is not"),
    ("format.heif", "HEIF, which is not"),
    ("format.html", "a web page (HTML), which is not"),
    ("format.ico", "ICO, which is not"),
    ("format.j2k", "JPEG 2000, which is not"),
    ("format.jp2", "JPEG 2000, which is not"),
    ("format.jxl", "JPEG XL, which is not"),
    ("format.mov", "a video (MP4 or MOV), which is not"),
    ("format.mp4", "a video (MP4 or MOV), which is not"),
    ("format.npy", "a NumPy array, which is not"),
    ("format.pdf", "PDF, which is not"),
    ("format.psd", "Photoshop (PSD), which is not"),
    ("format.qoi", "QOI, which is not"),
    ("format.raf", "a camera's raw file (RAF)"),
    ("format.svg", "SVG, which is not"),
    ("format.xcf", "GIMP (XCF), which is not"),
    ("format.zip", "a ZIP archive, which is not"),
    ("jpeg_12_bits", "12 bits per sample"),
    // Pillow decodes those of them that are not progressive; jpeg-decoder 0.3.2 reads too many blocks.
    (
        "jpeg_2x2_of_4x2_luma_alone.jpg",
        "this sampling in separate scans",
    ),
    (
        "jpeg_2x2_of_4x2_reversed.jpg",
        "this sampling in separate scans",
    ),
    (
        "jpeg_2x2_of_4x2_separate.jpg",
        "this sampling in separate scans",
    ),
    (
        "jpeg_4x1_2x1_luma_alone.jpg",
        "this sampling in separate scans",
    ),
    (
        "jpeg_4x1_2x1_reversed.jpg",
        "this sampling in separate scans",
    ),
    (
        "jpeg_4x1_2x1_separate.jpg",
        "this sampling in separate scans",
    ),
    (
        "jpeg_3x1_2x1",
        "components whose numbers of samples are no multiples",
    ),
    ("jpeg_arithmetic", "arithmetic coding"),
    ("jpeg_cmyk_separate", "four colors in separate scans"),
    (
        "jpeg_cmyk_without_adobe_separate",
        "four colors in separate scans",
    ),
    ("jpeg_hierarchical", "hierarchical coding"),
    ("jpeg_lossless", "lossless coding"),
    ("jpeg_two_components", "2 components, or more than 4"),
    ("jpeg_ycck_separate", "four colors in separate scans"),
    ("tiff_fill_order_3", "order of bits 3"),
    (
        "tiff_float_nan",
        "beyond 0 (black) to 1 (white), such as NaN",
    ),
    (
        "tiff_float_to_255",
        "beyond 0 (black) to 1 (white), such as 9",
    ),
    ("tiff_gray_int8", "signed samples"),
    ("tiff_gray_int16", "signed samples"),
    ("tiff_gray_uint32", "32 bits per sample"),
    ("tiff_lab", "L*a*b* colors"),
    ("tiff_mask", "color model 4"),
    ("tiff_palette_float", "a palette and floating-point samples"),
    ("tiff_pillow_group3", "compression Group 3 fax"),
    ("tiff_pillow_int32", "signed samples"),
    ("tiff_pillow_lzma", "compression LZMA"),
    ("tiff_pillow_tiff_ccitt", "compression Group 3 fax"),
    ("tiff_ycbcr_subsampled", "YCbCr with subsampled colors"),
];

/// A file of the suite.
struct Case {
    name: String,
    /// The pixels. None where Pillow refuses the file.
    expected: Option<RgbImage>,
}

fn suite() -> PathBuf {
    place::repository().join("tests/images/suite")
}

fn cases() -> Vec<Case> {
    let file = BufReader::new(File::open(suite().join("expected.png")).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let mut rest = pixels.as_slice();
    let mut case = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let sides = words[1].parse::<u32>().ok().zip(words[2].parse().ok());
        let expected = sides.map(|(width, height)| {
            let (pixels, after) = rest.split_at((width * height * 3) as usize);
            rest = after;
            RgbImage::from_raw(width, height, pixels.to_vec()).unwrap()
        });
        Case {
            name: words[0].to_owned(),
            expected,
        }
    };
    let list = fs::read_to_string(suite().join("suite.txt")).unwrap();
    list.lines().map(&mut case).collect()
}

/// The largest difference of a byte. None for another size.
fn difference(image: &RgbImage, expected: &RgbImage) -> Option<u8> {
    let bytes = image.as_raw().iter().zip(expected.as_raw());
    (image.dimensions() == expected.dimensions())
        .then(|| bytes.map(|(a, b)| a.abs_diff(*b)).max().unwrap())
}

/// Whether libjpeg-turbo decodes a file: a JPEG that has not four colors, with the feature.
fn is_by_libjpeg(name: &str) -> bool {
    let has_four_colors = name.contains("cmyk") || name.contains("ycck");
    cfg!(feature = "libjpeg-turbo") && name.starts_with("jpeg_") && !has_four_colors
}

#[test]
fn every_file_decodes_as_in_pillow_or_is_refused() {
    let (mut decoded, mut largest) = (0, 0);
    let mut refused = BTreeMap::<&str, Vec<String>>::new();
    let mut wrong = Vec::new();
    for Case { name, expected } in cases() {
        let expects_refusal = REFUSED.iter().find(|(start, _)| name.starts_with(start));
        match (decode(suite().join(&name)), expects_refusal) {
            (Ok(_), Some((_, reason))) => {
                wrong.push(format!("{name}: decoded, not refused ({reason})"))
            }
            (Ok(image), None) => {
                let Some(expected) = expected else {
                    wrong.push(format!("{name}: decoded, and Pillow refuses it"));
                    continue;
                };
                decoded += 1;
                let known = DIFFERENT.iter().find(|(different, _)| *different == name);
                let allowed = match known {
                    // Pillow has the same decoder.
                    _ if is_by_libjpeg(&name) => 0,
                    Some(&(_, allowed)) => allowed,
                    None => ALLOWED,
                };
                match difference(&image, &expected) {
                    None => wrong.push(format!("{name}: {:?}", image.dimensions())),
                    Some(difference) if difference > allowed => {
                        wrong.push(format!("{name}: differs by {difference}"));
                    }
                    Some(difference) if known.is_none() => largest = largest.max(difference),
                    Some(_) => {}
                }
            }
            (Err(error), expects) => {
                let message = error.report().to_string();
                match expects {
                    Some((_, reason)) if message.contains(reason) => {
                        refused.entry(reason).or_default().push(name);
                    }
                    _ => wrong.push(message),
                }
            }
        }
    }
    println!("{decoded} files are decoded; the largest difference from Pillow is {largest} of 255");
    for (reason, names) in &refused {
        println!("{reason}: {}", names.join(", "));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(decoded > 700, "{decoded}");
    // Each reason is that of a file.
    for (start, reason) in REFUSED {
        let is_used = refused
            .get(reason)
            .is_some_and(|names| names.iter().any(|name| name.starts_with(start)));
        assert!(is_used, "{start}: {reason}");
    }
}

#[test]
fn damaged_files_do_not_panic() {
    for Case { name, .. } in cases() {
        let bytes = fs::read(suite().join(&name)).unwrap();
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 40) {
            let _ = decode_bytes(&name, &bytes[..length]);
        }
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 80) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let _ = decode_bytes(&name, &damaged);
        }
    }
}

/// The image of a file that is read by rows.
fn by_rows(mut rows: RowReader) -> shadernet::Result<RgbImage> {
    let (width, height) = rows.dimensions();
    let mut image = RgbImage::new(width, height);
    for row in image.as_mut().chunks_exact_mut(3 * width as usize) {
        rows.read_row(row)?;
    }
    Ok(image)
}

#[test]
fn rows_are_those_of_the_decoded_image() {
    let mut compared = 0;
    for Case { name, .. } in cases() {
        let path = suite().join(&name);
        let rows = RowReader::open(&path).and_then(by_rows);
        match (rows, decode(&path)) {
            (Ok(rows), Ok(image)) => {
                compared += 1;
                assert!(rows == image, "{name}");
            }
            (Err(error), Err(_)) => assert!(error.to_string().contains(&name), "{error}"),
            (Err(error), Ok(_)) => panic!("{name}: {error}"),
            (Ok(_), Err(error)) => panic!("{name} has rows: {error}"),
        }
    }
    assert!(compared > 700, "{compared}");
}

#[test]
fn damaged_files_with_rows_do_not_panic() {
    let is_by_rows = |name: &str| {
        let kinds = ["bmp", "png", "pbm", "pgm", "ppm", "pam", "pnm", "tif"];
        kinds
            .iter()
            .any(|kind| name.starts_with(kind) || name.ends_with(kind))
    };
    for Case { name, .. } in cases().into_iter().filter(|case| is_by_rows(&case.name)) {
        let bytes = fs::read(suite().join(&name)).unwrap();
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 20) {
            let _ = RowReader::from_bytes(&name, &bytes[..at]).and_then(by_rows);
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            // A header that is damaged may promise more pixels than are worth reading here.
            let rows = RowReader::from_bytes(&name, damaged);
            let _ = rows.map(|rows| {
                let (width, height) = rows.dimensions();
                (u64::from(width) * u64::from(height) < 1 << 22).then(|| by_rows(rows))
            });
        }
    }
}

#[test]
fn images_beyond_the_limits_have_rows() {
    // A bitmap, whose rows are small.
    let (width, height) = (40_000, 17_000);
    let mut bytes = format!("P4 {width} {height}\n").into_bytes();
    let first = bytes.len();
    bytes.resize(first + width / 8 * height, 0);
    bytes[first] = 0x80;
    assert!(decode_bytes("large.pbm", &bytes).is_err());
    let mut rows = RowReader::from_bytes("large.pbm", bytes).unwrap();
    assert_eq!(rows.dimensions(), (40_000, 17_000));
    let mut row = vec![7; 3 * width];
    rows.read_row(&mut row).unwrap();
    // One is black.
    assert_eq!(row[..6], [0, 0, 0, 255, 255, 255]);
}
