//! Means of predictions over crops and networks.

#[path = "common/devices.rs"]
mod devices;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/place.rs"]
mod place;

use std::path::Path;

use model_folders::model_folder;
use serde_json::json;
use shadernet::Result;
use shadernet::device::Device;
use shadernet::model_folder::ModelFolder;
use shadernet::tasks::{Average, Classifier, Ensemble, Prediction};
use shadernet::tensor::Tensor;
use shadernet::vision::{Crops, RgbImage, decode};

const CLASSES: usize = 6;

fn image(name: &str) -> RgbImage {
    decode(place::repository().join("tests/images").join(name)).unwrap()
}

/// A ResNet-18, whose names say which class is which.
fn resnet(place: &Path) -> ModelFolder {
    let names = ["a", "b", "c", "d", "e", "f"];
    let labels = [("label_names", json!(names))];
    model_folder(place, "resnet", "resnet18", CLASSES, [3, 64, 64], &labels)
}

/// A network with another preprocessing, and other outputs.
fn mobilenet(place: &Path) -> ModelFolder {
    let config = [
        ("label_names", json!(["a", "b", "c", "d", "e", "f"])),
        (
            "pretrained_cfg",
            json!({"input_size": [3, 48, 64], "crop_pct": 0.7, "mean": [0.5, 0.5, 0.5]}),
        ),
    ];
    let name = "mobilenet_v3_small";
    model_folder(place, "mobilenet", name, CLASSES, [3, 48, 64], &config)
}

fn classifier(device: &Device, folder: &ModelFolder) -> Classifier {
    Classifier::new(device, folder, &Default::default()).unwrap()
}

fn bits(predictions: &[Prediction]) -> Vec<(usize, String, u32)> {
    let bits = |p: &Prediction| (p.class, p.label.clone(), p.probability.to_bits());
    predictions.iter().map(bits).collect()
}

/// By class.
fn probabilities(predictions: &[Prediction]) -> Vec<f64> {
    let mut all = vec![f64::NAN; CLASSES];
    for prediction in predictions {
        all[prediction.class] = f64::from(prediction.probability);
    }
    all
}

#[test]
fn a_network_with_itself_is_itself_to_the_bit() {
    let place = tempfile::tempdir().unwrap();
    let folder = resnet(place.path());
    let chelsea = image("chelsea.png");
    for (name, device) in devices::all_devices() {
        let mut single = classifier(&device, &folder);
        let expected = bits(&single.classify(&chelsea, CLASSES).unwrap());
        let ensemble = |weights: &[f32], average| {
            let networks = weights.iter().map(|_| classifier(&device, &folder));
            let ensemble = Ensemble::new(networks.collect()).unwrap();
            let ensemble = ensemble.with_weights(weights).unwrap();
            ensemble.with_average(average).unwrap()
        };
        for average in [Average::Probabilities, Average::Logits] {
            for weights in [&[1.0][..], &[0.3, 7.0]] {
                let mut ensemble = ensemble(weights, average);
                let found = bits(&ensemble.classify(&chelsea, CLASSES).unwrap());
                assert_eq!(found, expected, "{name} {average} {weights:?}");
            }
        }
        let mut ensemble = ensemble(&[2.0, 1.0], Average::Probabilities);
        let views = ensemble.preprocessing().apply(&chelsea).unwrap();
        assert_eq!(views.len(), 1, "equal preprocessing is done once");
        let run = ensemble.predict_async(&[views]).unwrap();
        for found in ensemble.predictions(run, CLASSES).unwrap() {
            assert_eq!(bits(&found), expected, "{name}");
        }
    }
}

/// One view after the other, and the mean of the results.
#[test]
fn means_are_those_of_single_passes() {
    let place = tempfile::tempdir().unwrap();
    let folders = [resnet(place.path()), mobilenet(place.path())];
    let weights = [2.0_f32, 0.5];
    let device = Device::cpu();
    let images = [image("coffee.png"), image("rocket.jpg")];
    for crops in [Crops::ONE.with_flip(), Crops::TEN, Crops::GRID.with_flip()] {
        let mut expected = vec![vec![0.0; CLASSES]; 2];
        for (folder, weight) in folders.iter().zip(weights) {
            let mut single = classifier(&device, folder);
            let [channels, height, width] = folder.preprocessing.input_size;
            for (image, expected) in images.iter().zip(&mut expected) {
                let views = single.preprocessing().apply_crops(image, crops).unwrap();
                for view in views.data().chunks(channels * height * width) {
                    let view = Tensor::new([1, channels, height, width], view.to_vec()).unwrap();
                    let found = single.predict(view, CLASSES).unwrap().swap_remove(0);
                    for (sum, p) in expected.iter_mut().zip(probabilities(&found)) {
                        *sum += f64::from(weight) * p / (2.5 * crops.count() as f64);
                    }
                }
            }
        }
        let networks = folders.iter().map(|folder| classifier(&device, folder));
        let ensemble = Ensemble::new(networks.collect()).unwrap();
        let ensemble = ensemble.with_weights(&weights).unwrap();
        let mut ensemble = ensemble.with_crops(crops).unwrap();
        ensemble.prepare(2).unwrap();
        let views = images
            .each_ref()
            .map(|image| ensemble.preprocessing().apply(image));
        let views: Vec<Vec<Tensor>> = views.into_iter().collect::<Result<_>>().unwrap();
        assert_eq!(views[0].len(), 2);
        let found = ensemble.predict(&views, CLASSES).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            let sum: f64 = expected.iter().sum();
            assert!((sum - 1.0).abs() < 1e-6);
            let found = probabilities(found);
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{crops}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn networks_of_other_classes_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let device = Device::reference();
    let folder = |name: &str, labels: &[&str]| {
        let config = [("label_names", json!(labels))];
        let classifier_of = model_folder(
            place.path(),
            name,
            "small_cnn",
            labels.len(),
            [3, 128, 128],
            &config,
        );
        classifier(&device, &classifier_of)
    };
    let refused = |a: Classifier, b: Classifier| {
        let error = Ensemble::new(vec![a, b]).unwrap_err().to_string();
        let [a, b] = ["one", "two"].map(|name| place.path().join(name).display().to_string());
        assert!(error.contains(&a) && error.contains(&b), "{error}");
        std::fs::remove_dir_all(b).unwrap();
        error
    };
    let one = || {
        classifier(
            &device,
            &ModelFolder::open(place.path().join("one")).unwrap(),
        )
    };
    drop(folder("one", &["cat", "dog", "bird"]));
    let error = refused(one(), folder("two", &["cat", "bird", "dog"]));
    assert!(
        error.ends_with("its class 1 is 'dog', here it is 'bird'"),
        "{error}"
    );
    let error = refused(one(), folder("two", &["cat", "dog"]));
    assert!(error.ends_with("that has 3 classes, this one 2"), "{error}");
    let none = Ensemble::new(Vec::new()).unwrap_err().to_string();
    assert!(none.contains("at least one network"), "{none}");

    // These end in a softmax.
    let error = Ensemble::new(vec![one()])
        .unwrap()
        .with_average(Average::Logits);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("one: a network that returns logits"),
        "{error}"
    );
}

#[test]
fn what_does_not_fit_an_ensemble_is_named() {
    let place = tempfile::tempdir().unwrap();
    let device = Device::cpu();
    let folder = resnet(place.path());
    let ensemble = || Ensemble::new(vec![classifier(&device, &folder)]).unwrap();
    for (weights, expected) in [
        (&[][..], "1 weights were expected"),
        (&[1.0, 2.0], "found 2"),
        (&[0.0], "found 0"),
        (&[-1.0], "found -1"),
        (&[f32::NAN], "found NaN"),
        (&[f32::INFINITY], "found inf"),
    ] {
        let error = ensemble().with_weights(weights).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let whole = model_folder(
        place.path(),
        "whole",
        "resnet18",
        CLASSES,
        [3, 64, 64],
        &[(
            "pretrained_cfg",
            json!({"input_size": [3, 64, 64], "crop_mode": "squash", "crop_pct": 1.0}),
        )],
    );
    let whole = Ensemble::new(vec![classifier(&device, &whole)]).unwrap();
    let error = whole.with_crops(Crops::FIVE).unwrap_err().to_string();
    assert!(
        error.contains("whole: all crops of an image would be equal"),
        "{error}"
    );

    let mut ten = ensemble().with_crops(Crops::TEN).unwrap();
    let one = ensemble()
        .preprocessing()
        .apply(&image("coffee.png"))
        .unwrap();
    for images in [vec![one], vec![Vec::new()]] {
        let error = ten.predict(&images, 1).unwrap_err().to_string();
        assert!(
            error.contains("the views of an image for this ensemble"),
            "{error}"
        );
    }
    assert_eq!(ten.warnings().count(), 0);
}
