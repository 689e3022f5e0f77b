//! Compares decoding and resizing with Pillow, and checks the errors for invalid images.
//!
//! `tests/images/make_fixtures.py` made the images in `tests/images/fixtures/` and recorded Pillow's
//! results in `expected.json`.

#[path = "common/place.rs"]
mod place;
#[path = "common/tolerance.rs"]
mod tolerance;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use shadernet::Error;
use shadernet::vision::{ChannelOrder, Preprocessing, RgbImage, decode, decode_bytes, resize};

fn images() -> PathBuf {
    place::repository().join("tests/images")
}

fn fixture(name: &str) -> PathBuf {
    images().join("fixtures").join(name)
}

fn expected() -> Value {
    let text = fs::read_to_string(fixture("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// The largest difference from Pillow over all recorded pixels.
fn difference(name: &str, image: &RgbImage, pillow: &Value) -> u8 {
    let size = [image.width(), image.height()].map(u64::from);
    let expected: Vec<u64> = pillow["size"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_u64().unwrap())
        .collect();
    assert_eq!(size[..], expected[..], "{name}");
    let step = number(&pillow["step"]);
    let sampled = image.rows().skip(step / 2).step_by(step).flat_map(|row| {
        let pixels: Vec<_> = row
            .skip(step / 2)
            .step_by(step)
            .flat_map(|pixel| pixel.0)
            .collect();
        pixels
    });
    let pillow = pillow["pixels"].as_array().unwrap();
    assert_eq!(sampled.clone().count(), pillow.len(), "{name}");
    sampled
        .zip(pillow)
        .map(|(ours, pillow)| ours.abs_diff(number(pillow) as u8))
        .max()
        .unwrap()
}

/// The checksum of Python's `zlib.adler32`.
fn adler32(bytes: &[u8]) -> u64 {
    let (a, b) = bytes.iter().fold((1_u64, 0_u64), |(a, b), &byte| {
        let a = (a + u64::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

#[test]
fn every_kind_of_image_decodes_as_in_pillow() {
    for (name, pillow) in expected()["pictures"].as_object().unwrap() {
        let image = decode(fixture(name)).unwrap();
        let difference = difference(name, &image, pillow);
        let is_jpeg = name.ends_with(".jpg") && name != "png_called.jpg";
        let allowed = if is_jpeg { tolerance::JPEG_BYTE } else { 0 };
        assert!(difference <= allowed, "{name}: differs by {difference}");
    }
}

#[test]
fn resizing_equals_pillow_to_the_byte() {
    for case in expected()["resized"].as_array().unwrap() {
        let image = decode(images().join(case[0].as_str().unwrap())).unwrap();
        let [width, height] = [0, 1].map(|i| number(&case[1][i]) as u32);
        let interpolation = case[2].as_str().unwrap().parse().unwrap();
        let resized = resize(&image, width, height, interpolation).unwrap();
        let checksum = adler32(resized.as_raw());
        assert_eq!(checksum, case[3].as_u64().unwrap(), "{case}");
    }
}

#[test]
fn crops_equal_timm_to_the_byte() {
    for case in expected()["cropped"].as_array().unwrap() {
        let image = decode(images().join(case["image"].as_str().unwrap())).unwrap();
        let mean = case["mean"].as_f64().unwrap() as f32;
        let input_size = [0, 1, 2].map(|i| number(&case["input_size"][i]));
        let preprocessing = Preprocessing {
            input_size,
            channel_order: ChannelOrder::Rgb,
            mean: vec![mean; input_size[0]],
            std: vec![1.0; input_size[0]],
            interpolation: case["interpolation"].as_str().unwrap().parse().unwrap(),
            crop_pct: case["crop_pct"].as_f64().unwrap(),
            crop_mode: case["crop_mode"].as_str().unwrap().parse().unwrap(),
        };
        let tensor = preprocessing.apply(&image).unwrap();
        // Back to bytes with interleaved channels, as in Pillow.
        let [channels, height, width] = input_size;
        let byte = |i: usize| {
            let value = tensor.data()[i % channels * height * width + i / channels];
            ((value + mean) * 255.0).round() as u8
        };
        let bytes: Vec<u8> = (0..tensor.data().len()).map(byte).collect();
        assert_eq!(adler32(&bytes), case["adler32"].as_u64().unwrap(), "{case}");
    }
}

/// The message of an error that must be an [`Error::File`] about `name`.
#[track_caller]
fn refusal(name: &str, bytes: &[u8]) -> String {
    let error = decode_bytes(name, bytes).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    let message = error.report().to_string();
    assert!(message.starts_with(&format!("{name}: ")), "{message}");
    message
}

#[test]
fn files_that_are_not_images_are_refused() {
    let message = refusal("notes.png", b"Dear diary,\ntoday I saw a cat");
    assert!(
        message.contains("an image was expected: PNG, JPEG"),
        "{message}"
    );
    assert!(message.contains(r#""Dear diary,\ntoda""#), "{message}");

    let message = refusal("empty.jpg", b"");
    assert!(message.contains("the file is empty (0 bytes)"), "{message}");

    // An AVIF, for which there is no decoder.
    let message = refusal("new.avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf");
    assert!(message.contains("convert it"), "{message}");

    let error = decode(images()).unwrap_err().to_string();
    assert!(error.contains("this is a folder"), "{error}");

    let error = decode(images().join("none.png")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("none.png"), "{error}");
}

#[test]
fn huge_dimensions_are_refused_before_decoding() {
    let error = decode(fixture("huge.png")).unwrap_err().to_string();
    assert!(error.contains("huge.png: "), "{error}");
    assert!(
        error.contains("at most 16384 pixels per side and 100 million"),
        "{error}"
    );
    assert!(error.contains("60000x60000"), "{error}");

    // Each side is within its limit, the area is not.
    let message = refusal("wide.ppm", b"P6 16384 16384 255\n");
    assert!(message.contains("16384x16384"), "{message}");
    refusal("none.ppm", b"P6 0 4 255\n");
}

#[test]
fn truncated_and_damaged_images_are_refused() {
    for entry in fs::read_dir(fixture("")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if ["expected.json", "huge.png", "png_called.jpg"].contains(&name) {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        // No prefix panics, and none that lacks a relevant part of the pixels is accepted.
        for length in 1..bytes.len() {
            let result = decode_bytes(name, &bytes[..length]);
            // These may be missing: half of a JPEG's end marker, a PNG's end chunk, a WebP's EXIF.
            let tail = match name.rsplit('.').next() {
                Some("jpg") => 2,
                Some("webp") => 48,
                _ => 24,
            };
            assert!(
                result.is_err() || length + tail > bytes.len(),
                "{name}: {length} bytes of {} are accepted",
                bytes.len()
            );
        }
        let message = refusal(name, &bytes[..bytes.len() * 2 / 3]);
        assert!(message.contains("get the file again"), "{message}");
        // Damaged bytes do not panic either.
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 200) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let _ = decode_bytes(name, &damaged);
        }
    }
}
