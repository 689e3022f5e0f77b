//! The repository's own detector on its photographs, on every device, compared with Darknet.

#[path = "common/devices.rs"]
mod devices;
#[path = "common/place.rs"]
mod place;
#[path = "common/tolerance.rs"]
mod tolerance;

use std::collections::BTreeMap;

use devices::all_devices;
use serde::Deserialize;
use shadernet::Error;
use shadernet::device::Device;
use shadernet::gpu::Precision;
use shadernet::model_folder::ModelFolder;
use shadernet::session::SessionOptions;
use shadernet::tasks::{Classifier, Detection, DetectionOptions, Detector};
use shadernet::vision::{RgbImage, decode};

#[derive(Deserialize)]
struct Expected {
    threshold: f32,
    nms_iou: f32,
    /// For each image: class, score, left, top, right, bottom.
    boxes_xyxy_in_image_pixels: BTreeMap<String, Vec<(String, f32, [f32; 4])>>,
}

fn in_repository(path: &str) -> std::path::PathBuf {
    place::repository().join(path)
}

fn folder() -> ModelFolder {
    ModelFolder::open(in_repository("models/yolov3_tiny")).unwrap()
}

fn image(name: &str) -> RgbImage {
    decode(in_repository("tests/images").join(name)).unwrap()
}

fn assert_matches_darknet(precision: Precision) {
    let text = std::fs::read_to_string(in_repository("tests/expected/yolov3_tiny.json")).unwrap();
    let expected: Expected = serde_json::from_str(&text).unwrap();
    assert_eq!(expected.boxes_xyxy_in_image_pixels["coffee.png"].len(), 1);
    let options = DetectionOptions::new()
        .threshold(expected.threshold)
        .iou(expected.nms_iou);
    let mut devices = all_devices();
    // The CPU and the reference backend compute in float32, whatever is requested.
    devices.retain(|(_, device)| precision == Precision::F32 || matches!(device, Device::Gpu(_)));
    for (device, opened) in devices {
        let mut detector = Detector::new(
            &opened,
            &folder(),
            &SessionOptions::new().precision(precision),
        )
        .unwrap();
        for (name, boxes) in &expected.boxes_xyxy_in_image_pixels {
            let found = detector.detect(&image(name), &options).unwrap();
            println!("{name} on {device}: {found:?}");
            assert_eq!(found.len(), boxes.len(), "{name} on {device}");
            for (found, (label, score, corners)) in found.iter().zip(boxes) {
                assert_eq!(found.label, *label, "{name} on {device}");
                let error = (found.score - score).abs();
                assert!(error < tolerance::FRAMEWORK_SCORE, "{name} on {device}");
                for (found, expected) in found.corners.iter().zip(corners) {
                    let error = (found - expected).abs();
                    assert!(error < tolerance::DARKNET_CORNER, "{name} on {device}");
                }
            }
        }
    }
}

#[test]
fn photographs_have_the_boxes_that_darknet_finds() {
    assert_matches_darknet(Precision::F32);
}

#[test]
fn float16_finds_the_same_boxes() {
    assert_matches_darknet(Precision::F16);
}

fn detector() -> Detector {
    Detector::new(&Device::cpu(), &folder(), &Default::default()).unwrap()
}

/// All boxes, whatever their score and overlap.
fn all_boxes(image: &RgbImage) -> Vec<Detection> {
    let options = DetectionOptions::new().threshold(0.0).iou(1.0);
    detector().detect(image, &options).unwrap()
}

#[test]
fn boxes_lie_within_images_of_any_size() {
    for (width, height) in [(1, 1), (3, 200), (640, 5), (31, 31), (1000, 700)] {
        let image = RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 7 % 256) as u8, (y * 13 % 256) as u8, 90])
        });
        let found = all_boxes(&image);
        assert!(!found.is_empty());
        for detection in &found {
            let [x0, y0, x1, y1] = detection.corners;
            assert!(0.0 <= x0 && x0 < x1 && x1 <= width as f32, "{detection:?}");
            assert!(0.0 <= y0 && y0 < y1 && y1 <= height as f32, "{detection:?}");
            assert!((0.0..=1.0).contains(&detection.score), "{detection:?}");
        }
        assert!(found.is_sorted_by(|a, b| a.score >= b.score));
    }
}

#[test]
fn threshold_and_iou_reduce_the_boxes() {
    let coffee = image("coffee.png");
    let mut detector = detector();
    let mut count = |threshold, iou| {
        let options = DetectionOptions::new().threshold(threshold).iou(iou);
        detector.detect(&coffee, &options).unwrap().len()
    };
    // The network finds the cup, and with lower scores a bowl in its place (classes are not exclusive) and a
    // dining table.
    assert_eq!(
        [count(0.1, 0.45), count(0.25, 0.45), count(0.7, 0.45)],
        [3, 1, 0]
    );
    assert_eq!(count(1.0, 1.0), 0);
    assert!(count(0.1, 1.0) > count(0.1, 0.45));
    for (threshold, iou, name) in [
        (-0.1, 0.5, "threshold"),
        (0.5, 1.1, "iou"),
        (f32::NAN, 0.5, "threshold"),
    ] {
        let error = detector.detect(
            &coffee,
            &DetectionOptions::new().threshold(threshold).iou(iou),
        );
        let text = error.unwrap_err().to_string();
        assert!(
            text.starts_with(&format!("{name}: a number between 0 and 1")),
            "{text}"
        );
    }
}

/// The error of opening a detector whose `config.json` was changed.
fn refusal(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let temporary = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(folder().path.join("config.json")).unwrap();
    let mut config = serde_json::from_str(&text).unwrap();
    change(&mut config);
    std::fs::write(temporary.path().join("config.json"), config.to_string()).unwrap();
    std::fs::hard_link(
        folder().weights_path().unwrap(),
        temporary.path().join("model.safetensors"),
    )
    .or_else(|_| {
        let to = temporary.path().join("model.safetensors");
        std::fs::copy(folder().weights_path().unwrap(), to).map(drop)
    })
    .unwrap();
    let detector = ModelFolder::open(temporary.path())
        .and_then(|folder| Detector::new(&Device::cpu(), &folder, &Default::default()));
    match detector {
        Err(error @ (Error::File { .. } | Error::Weights { .. })) => error.to_string(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("the folder was accepted"),
    }
}

#[test]
fn heads_that_do_not_fit_are_refused() {
    use serde_json::json;
    type Change = fn(&mut serde_json::Value);
    let cases: [(&str, Change); 12] = [
        ("key 'heads': 2 objects were expected", |c| {
            c["heads"] = json!([])
        }),
        ("found 1; convert_darknet", |c| {
            c["heads"].as_array_mut().unwrap().truncate(1);
        }),
        ("'heads': a list of objects expected, found 3", |c| {
            c["heads"] = json!(3)
        }),
        ("'heads': a list of objects", |c| c["heads"] = json!([1, 2])),
        (
            "'heads.type': \"yolo\", \"region\", \"detection\" or \"decoded\" expected, found \"ssd\"",
            |c| {
                c["heads"][0]["type"] = json!("ssd");
            },
        ),
        (
            "'heads.mask': a list of anchors, 0 to below 6 expected, found [6]",
            |c| {
                c["heads"][0]["mask"] = json!([6]);
            },
        ),
        ("key 'heads[0]': an output [N, 170, H, W]", |c| {
            c["heads"][0]["mask"] = json!([1, 2]);
        }),
        (
            "'heads.anchors': a list of [width, height], above zero, expected",
            |c| {
                c["heads"][1]["anchors"] = json!([[1, 2, 3]]);
            },
        ),
        ("'heads.anchors'", |c| {
            c["heads"][1]["anchors"] = json!([[1, -2]])
        }),
        ("'heads.anchors'", |c| c["heads"][1]["anchors"] = json!([])),
        ("expected shape", |c| {
            c["num_classes"] = json!(20);
            c["label_names"] = json!({});
        }),
        ("is one for classification", |c| {
            c["architecture"] = json!("resnet18");
        }),
    ];
    for (part, change) in cases {
        let text = refusal(change);
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
}

#[test]
fn a_detector_is_refused_as_a_classifier() {
    let text = match Classifier::new(&Device::cpu(), &folder(), &Default::default()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("the folder was accepted"),
    };
    assert!(text.contains("yolov3_tiny is one for detection"), "{text}");
    assert!(!text.contains('`'), "{text}");
}
