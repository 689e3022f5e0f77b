//! `shadernet segment --tile`, and `--size image` of images that do not fit.

use std::path::Path;
use std::process::Command;

use image::RgbImage;

use crate::segment::{indices, unet};
use crate::support::{execute, shadernet, test_image};

/// `segment` of `image` with the U-Net of two classes.
fn segment(image: &Path, arguments: &[&str]) -> Command {
    let mut command = shadernet();
    command.args(["segment", "--backend", "cpu", "--model"]);
    command.arg(unet(2)).arg(image).args(arguments);
    command
}

/// A part of a photograph.
fn photograph(path: &Path, width: u32, height: u32) {
    let image = image::open(test_image("chelsea.png")).unwrap();
    image.crop_imm(60, 40, width, height).save(path).unwrap();
}

#[test]
fn tiles_make_the_mask_of_the_whole_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let photo = path("photo.png");
    photograph(&photo, 300, 230);
    let mut whole = segment(&photo, &["--size", "image", "--json", "-o"]);
    let whole = execute(whole.arg(path("whole.png"))).ok();
    let mut tiled = segment(&photo, &["--tile", "256", "--json", "-o"]);
    tiled
        .arg(path("tiled.png"))
        .arg("--overlay")
        .arg(path("overlay.png"));
    let tiled = execute(&mut tiled)
        .ok()
        .says(&["photo.png: 1x", "tiles, each of 230x252 pixels"]);

    let (masks, overlay) = (["whole.png", "tiled.png"], image::open(path("overlay.png")));
    let [whole_mask, tiled_mask] = masks.map(|name| indices(&path(name)));
    assert_eq!((tiled_mask.1, tiled_mask.2), (300, 230));
    let pixels = whole_mask.0.iter().zip(&tiled_mask.0);
    let different = pixels.filter(|(a, b)| a != b).count();
    assert!(
        different <= 7,
        "{different} of {} pixels",
        whole_mask.0.len()
    );
    // The test needs both classes.
    assert!(tiled_mask.0.contains(&0) && tiled_mask.0.contains(&1));
    let image = image::open(&photo).unwrap().to_rgb8();
    let overlay: RgbImage = overlay.unwrap().to_rgb8();
    for ((before, after), class) in image.pixels().zip(overlay.pixels()).zip(&tiled_mask.0) {
        assert_eq!(before == after, *class == 0 || before.0 == [128, 0, 0]);
    }
    let [whole, tiled] = [whole, tiled].map(|run| run.json().remove(0));
    for (a, b) in
        (whole["classes"].as_array().unwrap().iter()).zip(tiled["classes"].as_array().unwrap())
    {
        assert_eq!(a["class"], b["class"]);
        let [p, q] = [a, b].map(|class| class["mean_probability"].as_f64().unwrap());
        assert!((p - q).abs() < 1e-4, "{p} and {q}");
    }
}

#[test]
fn tiles_make_the_cutout_of_the_whole_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let photo = path("photo.png");
    photograph(&photo, 300, 230);
    let behind = RgbImage::from_fn(64, 48, |x, y| image::Rgb([4 * x as u8, 5 * y as u8, 90]));
    behind.save(path("behind.png")).unwrap();
    let behind = path("behind.png").to_str().unwrap().to_owned();
    for (name, background) in [("cutout", None), ("composed", Some(behind.as_str()))] {
        let background = background.map(|file| ["--background", file]);
        let background = background.iter().flatten().copied();
        let cutout = |size: [&str; 2], file: &str| {
            let mut command = segment(&photo, &size);
            command.args(background.clone()).arg("--cutout");
            execute(command.arg(path(file))).ok();
            image::open(path(file)).unwrap()
        };
        let whole = cutout(["--size", "image"], &format!("{name}.png"));
        let tiled = cutout(["--tile", "256"], &format!("{name}-tiled.png"));
        assert_eq!(whole.color(), tiled.color());
        let differences = whole.as_bytes().iter().zip(tiled.as_bytes());
        assert!(differences.map(|(a, b)| a.abs_diff(*b)).max() <= Some(1));
    }
}

#[test]
fn tiles_within_the_margin_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let (photo, mask) = (
        folder.path().join("photo.png"),
        folder.path().join("mask.png"),
    );
    photograph(&photo, 300, 230);
    let mut command = segment(&photo, &["--tile", "64", "-o"]);
    execute(command.arg(&mask)).fails(&["tiles of 64 pixels", "margin", "or more"]);
    assert!(!mask.exists());
    // Rows cannot be written into a JPEG one after another.
    let mut command = segment(&photo, &["--tile", "256", "--overlay"]);
    execute(command.arg(folder.path().join("overlay.jpg"))).fails(&["overlay.jpg", ".png"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_image_that_cannot_be_read_leaves_no_mask() {
    let folder = tempfile::tempdir().unwrap();
    let (photo, mask) = (
        folder.path().join("photo.ppm"),
        folder.path().join("mask.png"),
    );
    photograph(&photo, 300, 230);
    let bytes = std::fs::read(&photo).unwrap();
    std::fs::write(&photo, &bytes[..bytes.len() / 2]).unwrap();
    let mut command = segment(&photo, &["--tile", "256", "-o"]);
    execute(command.arg(&mask)).fails(&["photo.ppm", "truncated"]);
    assert!(!mask.exists());
}

#[test]
fn options_that_do_not_fit_tiles_are_usage_errors() {
    let photo = test_image("chelsea.png");
    for (arguments, words) in [
        (
            &["--tile", "--size", "model"][..],
            ["--tile", "leave out --size"],
        ),
        (&["--tile", "--batch", "2"], ["--batch", "larger tiles"]),
        (
            &["--tile", "wide"],
            ["--tile", "expected a number of pixels, or auto"],
        ),
        (
            &["--tile", "0"],
            ["--tile", "expected a number of pixels, or auto"],
        ),
    ] {
        let run = execute(&mut segment(&photo, arguments));
        assert_eq!(run.code, 2, "{arguments:?}");
        run.says(&words);
    }
}

#[test]
fn images_beyond_the_limits_are_done_in_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let (photo, mask) = (
        folder.path().join("strip.png"),
        folder.path().join("mask.png"),
    );
    let strip = RgbImage::from_fn(16_400, 20, |x, y| {
        image::Rgb([(x / 3) as u8, (x / 700 * 12) as u8, (y * 12) as u8])
    });
    strip.save(&photo).unwrap();
    let mut command = segment(&photo, &["--size", "picture", "-o"]);
    let run = execute(command.arg(&mask)).ok();
    run.says(&[
        "strip.png: the image is too large to be segmented as a whole: it is done in tiles",
    ]);
    let (classes, width, height) = indices(&mask);
    assert_eq!((width, height, classes.len()), (16_400, 20, 328_000));
}
