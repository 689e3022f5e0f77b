//! A host's device with WebGPU's default limits and no features. (`tests/golden.rs` runs the whole zoo on
//! one.)

use super::common::{place, relative_error, tolerance};
use super::devices::{backends, with_defaults};
use super::support::{Host, small};
use shadernet::device::Device;
use shadernet::gpu::{Gpu, Precision, adapters};
use shadernet::model_folder::ModelFolder;
use shadernet::profile::TimingMethod;
use shadernet::session::{Session, SessionOptions};
use shadernet::tasks::{Classifier, Detector};
use shadernet::vision::decode;
use shadernet::wgpu;

#[test]
fn preferred_limits_are_within_the_adapters() {
    for backend in backends() {
        for adapter in adapters(Some(backend)) {
            let preferred = Gpu::preferred_limits(&adapter);
            assert!(preferred.check_limits(&adapter.limits()), "{backend:?}");
            assert!(
                adapter
                    .features()
                    .contains(Gpu::preferred_features(&adapter))
            );
        }
    }
}

#[test]
fn bundled_models_run_with_webgpus_default_limits() {
    let file = |name: &str| place::repository().join(name);
    let options = SessionOptions::default();
    for backend in backends() {
        let device = with_defaults(backend);
        let folder = ModelFolder::open(file("models/efficientnet_lite0")).unwrap();
        let mut classifier = Classifier::new(&device, &folder, &options).unwrap();
        let cat = decode(file("tests/images/chelsea.png")).unwrap();
        let predictions = classifier.classify(&cat, 1).unwrap();
        assert!(
            predictions[0].label.contains("cat"),
            "{backend:?}: {predictions:?}"
        );
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

/// float16 is a storage format only, which needs no feature.
#[test]
fn float16_needs_no_feature() {
    let (graph, weights, input) = small();
    for backend in backends() {
        let device = with_defaults(backend);
        let run = |precision| {
            let options = SessionOptions::new().precision(precision);
            let shapes = [input.shape().clone()];
            let mut session =
                Session::new(&device, &graph, weights.clone(), &options, &shapes).unwrap();
            // Without timestamps, steps are timed on the CPU.
            let profile = session.profile(std::slice::from_ref(&input), 1).unwrap();
            assert_eq!(profile.method, TimingMethod::WallClock);
            session
                .run(std::slice::from_ref(&input))
                .unwrap()
                .swap_remove(0)
        };
        let error = relative_error(&run(Precision::F16), &run(Precision::F32));
        assert!(
            error < tolerance::network(Precision::F16),
            "{backend:?}: {error}"
        );
    }
}

/// Limits below WebGPU's defaults are insufficient, and the error names the limit.
#[test]
fn insufficient_limits_are_named() {
    let (graph, weights, input) = small();
    let adapter = adapters(Some(backends()[0])).swap_remove(0);
    let descriptor = wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits {
            max_storage_buffers_per_shader_stage: 4,
            ..Default::default()
        },
        ..Default::default()
    };
    let host = Host::with(adapter, &descriptor).unwrap();
    let shapes = [input.shape().clone()];
    let device = Device::from(host.gpu.clone());
    let error = Session::new(&device, &graph, weights, &Default::default(), &shapes)
        .err()
        .unwrap();
    assert!(
        error
            .report()
            .to_string()
            .contains("max_storage_buffers_per_shader_stage"),
        "{error}"
    );
}
