//! The model that the repository carries, on its photographs: what timm answers, on every device.

#[path = "common/devices.rs"]
mod devices;
#[path = "common/place.rs"]
mod place;

use std::collections::{BTreeMap, BTreeSet};

use devices::devices_and_cpu;
use serde::Deserialize;
use shadernet::gpu::Precision;
use shadernet::model_folder::ModelFolder;
use shadernet::session::SessionOptions;
use shadernet::tasks::{Classifier, Prediction};
use shadernet::vision::decode;

#[derive(Deserialize)]
struct Expected {
    /// For each picture: class, name, probability, likeliest first.
    top5: BTreeMap<String, Vec<(usize, String, f32)>>,
}

fn in_repository(path: &str) -> std::path::PathBuf {
    place::repository().join(path)
}

fn expected() -> Expected {
    let text = std::fs::read_to_string(in_repository("tests/expected/efficientnet_lite0.json"));
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// A picture and all classes, likeliest first.
type Answer = (&'static str, Vec<Prediction>);

/// All classes of each picture of `expected.json` that is clear enough to be compared.
fn answers(precision: Precision) -> Vec<(String, Vec<Answer>)> {
    let folder = ModelFolder::open(in_repository("models/efficientnet_lite0")).unwrap();
    (devices_and_cpu().into_iter())
        .map(|(name, device)| {
            let options = SessionOptions::new().precision(precision);
            let mut classifier = Classifier::new(&device, &folder, &options).unwrap();
            let answers = ["chelsea.png", "coffee.png", "rocket.jpg"].map(|picture| {
                let decoded = decode(in_repository("tests/images").join(picture)).unwrap();
                (picture, classifier.classify(&decoded, 1000).unwrap())
            });
            (name, answers.to_vec())
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

fn assert_as_timm(device: &str, answers: &[Answer]) {
    let expected = expected();
    for (picture, predictions) in answers {
        let expected = &expected.top5[*picture];
        assert_eq!(predictions[0].class, expected[0].0, "{picture} on {device}");
        for (class, label, wanted) in &expected[..3] {
            let found = probability(predictions, *class);
            println!("{picture} on {device}: {label} {found:.4}, expected {wanted:.4}");
            assert!(
                (found - wanted).abs() < 0.03,
                "{picture} on {device}: {label}"
            );
        }
    }
}

#[test]
fn photographs_are_named_as_timm_names_them() {
    let answers = answers(Precision::F32);
    for (device, answers) in &answers {
        assert_as_timm(device, answers);
    }
    // Vulkan, GL and the CPU agree with each other, each probability relative to itself.
    let (_, twin) = answers.last().unwrap();
    for (device, answers) in &answers {
        for ((picture, found), (_, wanted)) in answers.iter().zip(twin) {
            for prediction in wanted.iter().take(20) {
                let found = probability(found, prediction.class);
                let error = (found - prediction.probability).abs() / prediction.probability;
                assert!(error < 1e-4, "{picture} on {device}: {error:e}");
            }
        }
    }
}

#[test]
fn float16_names_the_same() {
    let single = answers(Precision::F32);
    for ((device, answers), (_, single)) in answers(Precision::F16).iter().zip(&single) {
        assert_as_timm(device, answers);
        // The five likeliest, in whatever order.
        for ((picture, found), (_, wanted)) in answers.iter().zip(single) {
            let classes = |predictions: &[Prediction]| -> BTreeSet<usize> {
                predictions.iter().take(5).map(|p| p.class).collect()
            };
            assert_eq!(classes(found), classes(wanted), "{picture} on {device}");
        }
    }
}
