//! NaN is no result: every task fails alike where a network's outputs are not finite numbers.

use std::path::Path;

use serde_json::{Value, json};

use crate::devices::backends;
use crate::support::{chelsea, darknet_model, execute, shadernet, test_image};

/// A classifier of 3 classes: 4 biases and 108 weights, then 3 and 12.
const CLASSIFIER: &str = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n\
                          [convolutional]\nfilters=3\nsize=1\nactivation=linear\n[avgpool]\n[softmax]\n";
/// A detector of 2 classes: 4 biases and 108 weights, then 7 and 28.
const DETECTOR: &str = "[convolutional]\nfilters=4\nsize=3\nstride=2\npad=1\nactivation=leaky\n\
                        [convolutional]\nfilters=7\nsize=1\nactivation=linear\n\
                        [yolo]\nmask=0\nanchors=8,8\nnum=1\nclasses=2\n";
/// The first weight of the second layer.
const SECOND: usize = 112;

/// NaN in the second layer.
fn damaged(i: usize) -> f32 {
    if i == SECOND {
        f32::NAN
    } else {
        0.01 * (i % 7) as f32
    }
}

/// The second layer's outputs are about 1e7.
fn large(i: usize) -> f32 {
    if i < SECOND {
        10.0
    } else {
        1e5 * (1 + i % 3) as f32
    }
}

/// Checks that a task fails, naming the layer.
#[track_caller]
fn fails(task: &[&str], model: &Path, args: &[&str], layer: &str) {
    let mut command = shadernet();
    command.args(task).arg("--model").arg(model).args(args);
    let run = execute(&mut command);
    assert_eq!(run.code, 1, "{task:?}: {}", run.out);
    for part in [
        "error: ",
        "the network's outputs are not numbers (",
        "float16",
        layer,
    ] {
        assert!(run.err.contains(part), "{task:?}: {part}: {}", run.err);
    }
    // No result, and with --json an error of the image.
    assert!(
        !run.out.contains('%') && !run.out.contains("probability"),
        "{}",
        run.out
    );
}

#[test]
fn every_task_refuses_nan() {
    let image = chelsea();
    let cpu = ["--backend", "cpu"];
    let classifier = darknet_model(CLASSIFIER, damaged);
    let detector = darknet_model(DETECTOR, damaged);
    let classifier = classifier.path().join("model");
    let second = "the first layer whose output is not finite is 'layers.1.conv' (Conv2d)";
    fails(&["classify", &image], &classifier, &cpu, second);
    fails(
        &["classify", "--json", &image, &image, "--batch", "2"],
        &classifier,
        &cpu,
        second,
    );
    let methods = [
        &["grad-cam"][..],
        &["saliency"],
        &["occlusion", "--window", "4", "--stride", "4"],
    ];
    for method in methods {
        let arguments = [&["explain", &image, "--method"][..], method].concat();
        fails(&arguments, &classifier, &cpu, second);
    }
    fails(
        &["detect", &image],
        &detector.path().join("model"),
        &cpu,
        second,
    );

    // The layer itself, and the one before it, which is sound.
    let features = ["features", &image, "--layer", "layers.1.conv"];
    fails(&features, &classifier, &cpu, second);
    let mut sound = shadernet();
    sound
        .args(["features", &image, "--layer", "layers.0.conv"])
        .args(cpu);
    execute(sound.arg("--model").arg(&classifier)).ok();
}

/// NaN in the bias of the last layer: of every class of every pixel.
#[test]
fn masks_of_nan_are_refused() {
    let sound = crate::segment::unet(1);
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(sound.join("config.json"), folder.path().join("config.json")).unwrap();
    let mut file = std::fs::read(sound.join("model.safetensors")).unwrap();
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let tensors: Value = serde_json::from_slice(&file[8..8 + header]).unwrap();
    let single = (tensors.as_object().unwrap().iter())
        .find(|(name, tensor)| name.ends_with("bias") && tensor["shape"] == json!([1]));
    let (name, tensor) = single.unwrap();
    let at = 8 + header + tensor["data_offsets"][0].as_u64().unwrap() as usize;
    // NaN in float16 and, followed by zeros, in float32.
    let nan: &[u8] = if tensor["dtype"] == "F16" {
        &[0, 0x7e]
    } else {
        &[0, 0, 0xc0, 0x7f]
    };
    file[at..at + nan.len()].copy_from_slice(nan);
    std::fs::write(folder.path().join("model.safetensors"), file).unwrap();
    let layer = format!("'{}' (Conv2d)", name.strip_suffix(".bias").unwrap());
    fails(
        &["segment", &chelsea()],
        folder.path(),
        &["--backend", "cpu"],
        &layer,
    );
}

/// The rest of a batch is classified.
#[test]
fn one_image_of_a_batch_can_fail() {
    let folder = tempfile::tempdir().unwrap();
    // A black image makes all activations 0, and 0 times these weights is a number; any other is too large.
    let black = folder.path().join("black.png");
    image::RgbImage::new(16, 16).save(&black).unwrap();
    let model = darknet_model(CLASSIFIER, |i| match i {
        0..4 => 0.0,
        4..112 => 1e30,
        _ => 1e30 * (i % 2) as f32,
    });
    let mut command = shadernet();
    command.args([
        "classify",
        "--backend",
        "cpu",
        "--json",
        "--batch",
        "3",
        "--model",
    ]);
    command.arg(model.path().join("model")).arg(&black);
    let run = execute(command.arg(test_image("coffee.png")).arg(&black));
    assert_eq!(run.code, 1);
    let lines = run.json();
    let failed: Vec<bool> = lines
        .iter()
        .map(|line| line.get("error").is_some())
        .collect();
    assert_eq!(failed, [false, true, false], "{}", run.out);
    for line in [&lines[0], &lines[2]] {
        let predictions = line["predictions"].as_array().unwrap();
        assert!(predictions.iter().all(|p| p["probability"].is_number()));
    }
}

#[test]
fn float16_overflow_is_an_error_where_float32_is_not() {
    let (image, model) = (chelsea(), darknet_model(CLASSIFIER, large));
    let model = model.path().join("model");
    for backend in backends() {
        let args = |precision| ["--backend", backend.name(), "--precision", precision];
        fails(
            &["classify", &image],
            &model,
            &args("f16"),
            "'layers.1.conv' (Conv2d)",
        );
        let mut command = shadernet();
        command
            .args(["classify", "--json", &image, "--model"])
            .arg(&model);
        let run = execute(command.args(args("f32"))).ok();
        let first: &Value = &run.json()[0]["predictions"][0]["probability"];
        assert!(first.as_f64().unwrap() > 0.99, "{first}");
    }
}
