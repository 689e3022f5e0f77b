//! `shadernet segment`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;
use shadernet::weights::{Dtype, Weights};
use shadernet::zoo::{self, ZooOptions};

use crate::common::write_weights;
use crate::devices;
use crate::support::{chelsea, execute, shadernet, small_model, test_image, write_config};

/// The folder of a U-Net with generated weights, made once per process and number of classes.
pub fn unet(classes: usize) -> &'static Path {
    static FOLDERS: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
    FOLDERS[classes - 1].get_or_init(|| {
        let name = format!("unet_{classes}");
        let folder = crate::common::place::scratch().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let graph = zoo::build("unet", &ZooOptions::classes(classes)).unwrap();
        let weights = Weights::generated(&graph, 1.0);
        write_weights(&folder.join("model.safetensors"), &weights, Dtype::F16);
        let names: Vec<String> = (0..classes).map(|class| format!("part {class}")).collect();
        let config = json!({
            "architecture": "unet",
            "num_classes": classes,
            "label_names": names,
            "pretrained_cfg": {"input_size": [3, 48, 64]},
        });
        write_config(&folder, &config.to_string());
        folder
    })
}

fn segment(classes: usize) -> Command {
    let mut command = shadernet();
    command.args(["segment", "--backend", "cpu", "--model"]);
    command.arg(unet(classes));
    command
}

/// The palette indices of a PNG, and its size.
pub fn indices(path: &Path) -> (Vec<u8>, u32, u32) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    assert_eq!(reader.info().color_type, png::ColorType::Indexed);
    // The first colors of PASCAL VOC's map.
    let palette = reader.info().palette.as_ref().unwrap();
    assert_eq!(palette[..6], [0, 0, 0, 128, 0, 0]);
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (reader.info().width, reader.info().height);
    (pixels, width, height)
}

#[test]
fn masks_have_the_images_size_and_overlays_show_the_image() {
    let folder = tempfile::tempdir().unwrap();
    for classes in [1, 2] {
        let mask = folder.path().join("mask.png");
        let overlay = folder.path().join("overlay.png");
        let mut command = segment(classes);
        command
            .args([chelsea().as_str(), "--json", "-o"])
            .arg(&mask);
        command.arg("--overlay").arg(&overlay);
        let run = execute(&mut command).ok();
        let line = &run.json()[0];
        let (pixels, width, height) = indices(&mask);
        let original = image::open(test_image("chelsea.png")).unwrap().to_rgb8();
        assert_eq!((width, height), original.dimensions());
        let total: u64 = (line["classes"].as_array().unwrap().iter())
            .map(|class| {
                let index = class["class"].as_u64().unwrap();
                let found = pixels.iter().filter(|p| u64::from(**p) == index).count() as u64;
                assert_eq!(class["pixels"], found);
                found
            })
            .sum();
        assert_eq!(total, u64::from(width * height));
        // The test needs both classes.
        assert!(pixels.contains(&0) && pixels.contains(&1));
        let blended = image::open(&overlay).unwrap().to_rgb8();
        for (i, (before, after)) in original.pixels().zip(blended.pixels()).enumerate() {
            assert_eq!(before == after, pixels[i] == 0 || before.0 == [128, 0, 0]);
        }
    }
}

#[test]
fn devices_agree_on_the_mask() {
    let masks: Vec<Vec<u8>> = (devices::backends().into_iter().map(|b| b.name()))
        .chain(["cpu", "reference"])
        .map(|backend| {
            let folder = tempfile::tempdir().unwrap();
            let mask = folder.path().join("mask.png");
            let mut command = shadernet();
            command.args(["segment", &chelsea(), "--backend", backend, "--model"]);
            command.arg(unet(2)).arg("-o").arg(&mask);
            execute(&mut command).ok();
            indices(&mask).0
        })
        .collect();
    let (reference, others) = masks.split_last().unwrap();
    for mask in others {
        let differ = mask.iter().zip(reference).filter(|(a, b)| a != b).count();
        // A few pixels may differ, where two classes are nearly equal.
        assert!(
            differ * 1000 < reference.len(),
            "{differ} of {} pixels",
            reference.len()
        );
    }
}

#[test]
fn images_can_be_segmented_at_their_own_size() {
    let folder = tempfile::tempdir().unwrap();
    // The last is smaller than the network's stride, and padded by reflection.
    for (width, height) in [(75, 51), (5, 3)] {
        let small = folder.path().join("small.png");
        let image = image::open(test_image("chelsea.png")).unwrap();
        image.thumbnail_exact(width, height).save(&small).unwrap();
        let mask = folder.path().join("mask.png");
        let mut command = segment(2);
        command
            .args(["--size", "picture", "-o"])
            .arg(&mask)
            .arg(&small);
        execute(&mut command).ok();
        let (_, mask_width, mask_height) = indices(&mask);
        assert_eq!((mask_width, mask_height), (width, height));
    }
}

#[test]
fn invalid_inputs_and_outputs_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    // An invalid image and a valid one.
    let text = folder.path().join("text.png");
    std::fs::write(&text, "not an image").unwrap();
    let mut command = segment(2);
    let mixed = execute(command.arg(&text).arg(test_image("chelsea.png")));
    assert_eq!(mixed.code, 1);
    assert!(mixed.out.contains("part 1"), "{}", mixed.out);
    mixed.says(&["text.png", "an image"]);
    // A model for classification.
    let mut command = shadernet();
    command.args(["segment", &chelsea(), "--backend", "cpu", "--model"]);
    execute(command.arg(small_model())).fails(&["segmentation", "shadernet classify"]);
    // A wrong format for masks, and a file that cannot be written.
    let mut command = segment(2);
    let usage = execute(command.args([&chelsea(), "-o", "mask.jpg"]));
    assert_eq!(usage.code, 2);
    usage.says(&["mask.jpg", ".png"]);
    let mut command = segment(2);
    let missing = folder.path().join("no/such/mask.png");
    execute(command.arg(chelsea()).arg("-o").arg(&missing)).says(&["no/such"]);
    assert!(!folder.path().join("no").exists());
}

#[test]
fn subjects_are_cut_out_and_put_before_backgrounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let original = image::open(test_image("chelsea.png")).unwrap().to_rgb8();
    let (width, height) = original.dimensions();
    let mut command = segment(2);
    command.args([&chelsea(), "--json", "--cutout"]);
    command
        .arg(path("cutout.png"))
        .arg("-o")
        .arg(path("mask.png"));
    let run = execute(&mut command).ok();
    assert_eq!(
        run.json()[0]["cutout"],
        path("cutout.png").to_str().unwrap()
    );
    let cutout = image::open(path("cutout.png")).unwrap().into_rgba8();
    let (classes, ..) = indices(&path("mask.png"));
    assert_eq!(cutout.dimensions(), (width, height));
    for ((pixel, original), class) in cutout.pixels().zip(original.pixels()).zip(&classes) {
        assert_eq!(pixel.0[..3], original.0);
        // One of the two classes has at least half of the probability.
        assert!(match class {
            0 => pixel[3] <= 128,
            _ => pixel[3] >= 127,
        });
    }
    // Outlines are soft.
    assert!(cutout.pixels().any(|pixel| (64..192).contains(&pixel[3])));

    // Only one class, which is the background here.
    let mut command = segment(2);
    command.args([&chelsea(), "--classes", "part 0", "--cutout"]);
    execute(command.arg(path("class.webp"))).ok();
    let class = image::open(path("class.webp")).unwrap().into_rgba8();
    for (pixel, class) in class.pixels().zip(&classes) {
        assert!(*class == 0 || pixel[3] == 0);
    }

    // Before a color, and before an image of another shape.
    let behind = image::RgbImage::from_pixel(40, 300, image::Rgb([0, 255, 0]));
    behind.save(path("green.png")).unwrap();
    for background in ["lime", path("green.png").to_str().unwrap()] {
        let mut command = segment(2);
        command.args([&chelsea(), "--background", background, "--cutout"]);
        execute(command.arg(path("composed.png"))).ok();
        let composed = image::open(path("composed.png")).unwrap();
        assert!(!composed.color().has_alpha());
        for (pixel, front) in composed.into_rgb8().pixels().zip(cutout.pixels()) {
            let alpha = f32::from(front[3]) / 255.0;
            let expected = [0.0, 255.0, 0.0].map(|color| color * (1.0 - alpha));
            for (channel, expected) in expected.iter().enumerate() {
                let expected = expected + f32::from(front[channel]) * alpha;
                assert!((f32::from(pixel[channel]) - expected).abs() <= 0.51);
            }
        }
    }

    // A folder, a format without transparency, an output that is the background, and one that is not an image.
    let mut command = segment(2);
    command.arg(chelsea()).arg(test_image("coffee.png"));
    execute(command.arg("--cutout").arg(path("cutouts"))).ok();
    assert!(path("cutouts/chelsea.png").exists() && path("cutouts/coffee.png").exists());
    let fails = |background: &[&str], cutout: &str, code: i32, says: &[&str]| {
        let mut command = segment(2);
        command.arg(chelsea()).args(background).arg("--cutout");
        let run = execute(command.arg(path(cutout)));
        assert_eq!(run.code, code);
        run.says(says);
    };
    fails(
        &[],
        "cutout.jpg",
        2,
        &["cutout.jpg", "transparency", "--background"],
    );
    let green = path("green.png");
    let green = ["--background", green.to_str().unwrap()];
    fails(&green, "green.png", 1, &["green.png", "input"]);
    let neither = ["no-color", "a color", "an image"];
    fails(&["--background", "no-color"], "new.png", 2, &neither);
    assert!(!path("new.png").exists());
}
