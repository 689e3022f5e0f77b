//! The repository's own classifier on its photographs, on every device, compared with timm.

#[path = "common/devices.rs"]
mod devices;
#[path = "common/place.rs"]
mod place;
#[path = "common/tolerance.rs"]
mod tolerance;

use std::collections::{BTreeMap, BTreeSet};

use devices::all_devices;
use serde::Deserialize;
use shadernet::gpu::Precision;
use shadernet::model_folder::ModelFolder;
use shadernet::session::SessionOptions;
use shadernet::tasks::{Classifier, Prediction};
use shadernet::vision::decode;

#[derive(Deserialize)]
struct Expected {
    /// For each image: class, name and probability, most likely first.
    top5: BTreeMap<String, Vec<(usize, String, f32)>>,
}

fn in_repository(path: &str) -> std::path::PathBuf {
    place::repository().join(path)
}

fn expected() -> Expected {
    let text = std::fs::read_to_string(in_repository("tests/expected/efficientnet_lite0.json"));
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// An image and all classes, most likely first.
type ImagePredictions = (&'static str, Vec<Prediction>);

/// By device, all classes of each image whose most likely classes are clear enough to be compared.
fn predictions(precision: Precision) -> Vec<(String, Vec<ImagePredictions>)> {
    let folder = ModelFolder::open(in_repository("models/efficientnet_lite0")).unwrap();
    (all_devices().into_iter())
        .map(|(name, device)| {
            let options = SessionOptions::new().precision(precision);
            let mut classifier = Classifier::new(&device, &folder, &options).unwrap();
            let predictions = ["chelsea.png", "coffee.png", "rocket.jpg"].map(|image| {
                let decoded = decode(in_repository("tests/images").join(image)).unwrap();
                (image, classifier.classify(&decoded, 1000).unwrap())
            });
            (name, predictions.to_vec())
        })
        .collect()
}

fn probability(predictions: &[Prediction], class: usize) -> f32 {
    predictions
        .iter()
        .find(|p| p.class == class)
        .unwrap()
        .probability
}

fn assert_matches_timm(device: &str, images: &[ImagePredictions]) {
    let expected = expected();
    for (image, predictions) in images {
        let expected = &expected.top5[*image];
        assert_eq!(predictions[0].class, expected[0].0, "{image} on {device}");
        for (class, label, expected) in &expected[..3] {
            let found = probability(predictions, *class);
            println!("{image} on {device}: {label} {found:.4}, expected {expected:.4}");
            assert!(
                (found - expected).abs() < tolerance::FRAMEWORK_SCORE,
                "{image} on {device}: {label}"
            );
        }
    }
}

#[test]
fn photographs_have_the_classes_that_timm_predicts() {
    let by_device = predictions(Precision::F32);
    for (device, images) in &by_device {
        assert_matches_timm(device, images);
    }
    // The devices agree with each other. The last one is the reference backend.
    let (_, reference) = by_device.last().unwrap();
    for (device, images) in &by_device {
        for ((image, found), (_, expected)) in images.iter().zip(reference) {
            for prediction in expected.iter().take(20) {
                let found = probability(found, prediction.class);
                let error = (found - prediction.probability).abs() / prediction.probability;
                assert!(
                    error < tolerance::PROBABILITY,
                    "{image} on {device}: {error:e}"
                );
            }
        }
    }
}

#[test]
fn float16_predicts_the_same_top_5() {
    let in_float32 = predictions(Precision::F32);
    for ((device, images), (_, in_float32)) in predictions(Precision::F16).iter().zip(&in_float32) {
        assert_matches_timm(device, images);
        // The five most likely, in any order.
        for ((image, found), (_, expected)) in images.iter().zip(in_float32) {
            let classes = |predictions: &[Prediction]| -> BTreeSet<usize> {
                predictions.iter().take(5).map(|p| p.class).collect()
            };
            assert_eq!(classes(found), classes(expected), "{image} on {device}");
        }
    }
}
