//! A host's device with nothing but WebGPU's defaults. (All of the zoo runs on one in `tests/golden.rs`.)

use super::common::place;
use super::devices::{backends, with_defaults};
use shadernet::gpu::{Gpu, adapters};
use shadernet::model_folder::ModelFolder;
use shadernet::session::SessionOptions;
use shadernet::tasks::{Classifier, Detector};
use shadernet::vision::decode;

#[test]
fn wanted_limits_can_be_had() {
    for backend in backends() {
        for adapter in adapters(Some(backend)) {
            let wanted = Gpu::wanted_limits(&adapter);
            assert!(wanted.check_limits(&adapter.limits()), "{backend:?}");
            assert!(adapter.features().contains(Gpu::wanted_features(&adapter)));
        }
    }
}

#[test]
fn bundled_models_run_on_webgpus_defaults() {
    let file = |name: &str| place::repository().join(name);
    let options = SessionOptions::default();
    for backend in backends() {
        let device = with_defaults(backend);
        let folder = ModelFolder::open(file("models/efficientnet_lite0")).unwrap();
        let mut classifier = Classifier::new(&device, &folder, &options).unwrap();
        let cat = decode(file("tests/images/chelsea.png")).unwrap();
        let answers = classifier.classify(&cat, 1).unwrap();
        assert!(answers[0].label.contains("cat"), "{backend:?}: {answers:?}");
        let folder = ModelFolder::open(file("models/yolov3_tiny")).unwrap();
        let mut detector = Detector::new(&device, &folder, &options).unwrap();
        let coffee = decode(file("tests/images/coffee.png")).unwrap();
        let found = detector.detect(&coffee, &Default::default()).unwrap();
        assert!(
            found.iter().any(|d| d.label == "cup"),
            "{backend:?}: {found:?}"
        );
    }
}
