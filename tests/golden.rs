//! Whole networks, loaded from files, against the outputs of PyTorch.

mod common;
#[path = "common/devices.rs"]
mod devices;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use common::golden::{alone, precisions};
use common::tolerance::{REFERENCE_F32, network};
use common::{Golden, golden_file, parameter_shapes, relative_error};
use devices::{all_devices, with_defaults};
use shadernet::device::Device;
use shadernet::gpu::Precision;
use shadernet::graph::Graph;
use shadernet::passes::{self, PassOptions};
use shadernet::reference::Reference;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::generate::generated_input;
use shadernet::weights::{Dtype, Weights};
use shadernet::zoo::{self, ZooOptions};

/// Which GPUs run a network, besides the CPU and the reference backend.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gpus {
    /// All but OpenGL, whose software driver takes minutes for a large network.
    AllButGl,
    /// All.
    All,
}

impl Gpus {
    /// These devices, the CPU and the reference backend.
    fn devices(self) -> Vec<(String, Device)> {
        let mut devices = all_devices();
        devices.retain(|(name, _)| self == Self::All || !name.starts_with("gl "));
        // A host's device with default limits and no features.
        let first = devices::backends()[0];
        devices.push((
            "a host's with WebGPU's defaults".to_owned(),
            with_defaults(first),
        ));
        devices
    }
}

/// Cases whose tensors have other names or shapes in the file than in the graph.
const DIALECTS: [&str; 5] = [
    "mnasnet_100",
    "efficientnet_b0_timm",
    "convnext_tiny",
    "torchvision_convnext_tiny",
    "torchvision_regnet_y_400mf",
];

/// Runs a case from a file of weights on every device and compares its outputs.
fn check(case: &str, gpus: Gpus) {
    let _alone = alone();
    let golden = Golden::load(case);
    let architecture = golden.architecture();
    let graph = architecture.build(&ZooOptions::default()).unwrap();
    match DIALECTS.contains(&case) {
        false => assert_eq!(parameter_shapes(&graph), golden.tensors),
        true => assert_ne!(parameter_shapes(&graph), golden.tensors),
    }
    assert_eq!(graph.parameter_count(), golden.parameters);

    let folder = tempfile::tempdir().unwrap();
    let path = golden.write_weights(folder.path(), Dtype::F32);
    let weights = Weights::open(&path).unwrap();
    let weights = Arc::new(architecture.adapt(weights, &graph).unwrap());
    assert!(weights.check(&graph).unwrap().unused.is_empty());
    let input = golden.input();
    let expected = golden.outputs();
    for (name, device) in gpus.devices() {
        for precision in precisions(&name, &device) {
            let start = Instant::now();
            let outputs = run_in(precision, &device, &graph, &weights, &input);
            assert_eq!(outputs.len(), expected.len());
            for (i, (found, expected)) in outputs.iter().zip(&expected).enumerate() {
                let error = relative_error(&golden.stored(found), expected);
                let what =
                    format!("{case} {precision:?} on {name}: error {error:.1e} of output {i}");
                println!("{what}, {:.2?}", start.elapsed());
                assert!(error < network(precision), "{what}");
            }
        }
    }
}

/// Runs a network at a size that its strides do not divide, and compares with the reference backend.
fn check_size(name: &str, size: [usize; 2], gpus: Gpus) {
    let _alone = alone();
    let graph = zoo::build(name, &ZooOptions::default()).unwrap();
    let weights = Arc::new(Weights::generated(&graph, 1.0));
    let input = generated_input([1, 3, size[0], size[1]]);
    let expected = run(&Device::reference(), &graph, &weights, &input);
    for (device_name, device) in gpus.devices() {
        let outputs = run(&device, &graph, &weights, &input);
        let error = relative_error(&outputs[0], &expected[0]);
        println!("{name} {size:?} on {device_name}: error {error:.1e}");
        assert!(
            error < network(Precision::F32),
            "{name} {size:?} on {device_name}: {error:.1e}"
        );
    }
}

fn run(device: &Device, graph: &Graph, weights: &Arc<Weights>, input: &Tensor) -> Vec<Tensor> {
    run_in(Precision::F32, device, graph, weights, input)
}

fn run_in(
    precision: Precision,
    device: &Device,
    graph: &Graph,
    weights: &Arc<Weights>,
    input: &Tensor,
) -> Vec<Tensor> {
    let options = SessionOptions::new().precision(precision);
    let shapes = [input.shape().clone()];
    let mut session = Session::new(device, graph, weights.clone(), &options, &shapes).unwrap();
    session.run(std::slice::from_ref(input)).unwrap()
}

/// A test for each golden case, with the devices that run it.
macro_rules! golden {
    ($($case:ident: $gpus:ident,)*) => {
        mod golden {
            $(#[test]
            fn $case() {
                super::check(stringify!($case), super::Gpus::$gpus);
            })*
        }
    };
}

golden! {
    mlp: All,
    small_cnn: All,
    small_cnn_separable: All,
    alexnet: AllButGl,
    alexnet_paper: AllButGl,
    vgg11_bn: AllButGl,
    resnet18: AllButGl,
    resnet50: AllButGl,
    plain34: AllButGl,
    densenet121: AllButGl,
    mobilenet_v1: All,
    mobilenet_v2: All,
    mobilenetv3_small_100: All,
    mobilenet_v3_large: AllButGl,
    tf_mobilenetv3_large_075: AllButGl,
    mnasnet1_0: All,
    mnasnet_100: AllButGl,
    semnasnet_075: AllButGl,
    efficientnet_b0: All,
    efficientnet_b0_timm: AllButGl,
    tf_efficientnet_b0: AllButGl,
    tf_efficientnetv2_b0: All,
    efficientnetv2_rw_t: AllButGl,
    ghostnet_050: All,
    deeplabv3_mobilenet_v3_large: AllButGl,
    lraspp_mobilenet_v3_large: All,
    unet: AllButGl,
    unet_bilinear: AllButGl,
    unet_paper: AllButGl,
    darknet19: AllButGl,
    darknet53: AllButGl,
    yolov1_tiny: AllButGl,
    yolov2: AllButGl,
    yolov3: AllButGl,
    yolov3_tiny: All,
    resnet26d: AllButGl,
    seresnet18: AllButGl,
    regnetx_002: All,
    regnety_002: All,
    torchvision_regnet_y_400mf: AllButGl,
    repvgg_a0: AllButGl,
    inception_v3: AllButGl,
    shufflenet_v2_x0_5: All,
    convnext_tiny: AllButGl,
    torchvision_convnext_tiny: AllButGl,
}

/// With each pass disabled, and with all of them disabled.
#[test]
fn outputs_do_not_depend_on_the_passes_that_run() {
    let every: Vec<&str> = passes::names().collect();
    let cases = [
        ("mlp", &every[..]),
        ("small_cnn_separable", &every),
        ("mobilenet_v2", &every),
        ("resnet18", &["norms", "activations", "residuals"]),
        ("densenet121", &["prologues", "concatenations"]),
        ("yolov3_tiny", &["concatenations"]),
        ("repvgg_a0", &["branches", "norms"]),
        ("shufflenet_v2_x0_5", &["concatenations", "slices"]),
    ];
    for (case, left_out) in cases {
        let _alone = alone();
        let golden = Golden::load(case);
        let graph = zoo::build(case, &ZooOptions::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = golden.write_weights(folder.path(), Dtype::F32);
        let weights = Arc::new(Weights::open(&path).unwrap());
        let (input, expected) = (golden.input(), golden.outputs());
        let mut options = vec![PassOptions::none()];
        options.extend(
            left_out
                .iter()
                .map(|name| PassOptions::default().without(name).unwrap()),
        );
        let mut devices = Gpus::AllButGl.devices();
        // The reference backend runs no passes, and a host's device the same as others.
        devices.retain(|(name, _)| name != "reference" && !name.starts_with("a host's"));
        for ((name, device), passes) in devices
            .iter()
            .flat_map(|d| options.iter().map(move |o| (d, o)))
        {
            let options = SessionOptions::new().passes(*passes);
            let shapes = [input.shape().clone()];
            let mut session =
                Session::new(device, &graph, weights.clone(), &options, &shapes).unwrap();
            let outputs = session.run(std::slice::from_ref(&input)).unwrap();
            for (found, expected) in outputs.iter().zip(&expected) {
                let error = relative_error(found, expected);
                assert!(
                    error < network(Precision::F32),
                    "{case} on {name}, {passes:?}: {error:.1e}"
                );
            }
        }
    }
}

#[test]
fn resnet34_at_an_odd_size() {
    check_size("resnet34", [197, 251], Gpus::AllButGl);
}

#[test]
fn mobilenet_v2_at_an_odd_size() {
    check_size("mobilenet_v2", [195, 227], Gpus::All);
}

#[test]
fn lraspp_at_an_odd_size() {
    check_size("lraspp_mobilenet_v3_large", [75, 101], Gpus::All);
}

#[test]
fn unet_at_an_odd_size() {
    check_size("unet", [117, 155], Gpus::AllButGl);
}

/// A network with two inputs: an image, and token ids that float16 cannot represent.
#[test]
fn image_and_text() {
    let _alone = alone();
    let graph = zoo::build("densenet_multimodal", &ZooOptions::default()).unwrap();
    let weights = Arc::new(Weights::generated(&graph, 1.0));
    let image = generated_input([2, 3, 64, 64]);
    let ids = Tensor::from_fn([2, 24], |i| (i * 997 % 30_522) as f32);
    let inputs = [image, ids];
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    let mut expected: Option<Tensor> = None;
    // The reference backend first.
    for (name, device) in all_devices().into_iter().rev() {
        for precision in precisions(&name, &device) {
            let options = SessionOptions::new().precision(precision);
            let weights = weights.clone();
            let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
            let output = session.run(&inputs).unwrap().swap_remove(0);
            let expected = expected.get_or_insert_with(|| output.clone());
            let error = relative_error(&output, expected);
            println!("image and text {precision:?} on {name}: error {error:.1e}");
            assert!(
                error < network(precision),
                "{precision:?} on {name}: {error:.1e}"
            );
        }
    }
}

/// Fully connected layers of 144 and 392 MiB, where software Vulkan binds 128 MiB at once.
#[test]
fn weights_larger_than_a_binding() {
    for name in ["alexnet", "vgg16"] {
        let _alone = alone();
        let graph = zoo::build(name, &ZooOptions::default()).unwrap();
        let weights = Arc::new(Weights::generated(&graph, 1.0));
        let input = generated_input([1, 3, 64, 64]);
        let expected = run(&Device::reference(), &graph, &weights, &input);
        let mut devices = Gpus::AllButGl.devices();
        devices.retain(|(name, _)| name != "reference");
        for (device_name, device) in devices {
            for precision in precisions(&device_name, &device) {
                let shapes = [input.shape().clone()];
                let options = SessionOptions::new().precision(precision);
                let weights = weights.clone();
                let mut session =
                    Session::new(&device, &graph, weights, &options, &shapes).unwrap();
                let outputs = session.run(std::slice::from_ref(&input)).unwrap();
                let error = relative_error(&outputs[0], &expected[0]);
                let what = format!("{name} {precision:?} on {device_name}: error {error:.1e}");
                println!("{what}");
                assert!(error < network(precision), "{what}");
            }
        }
    }
}

#[test]
fn efficientnet_lite0_has_timms_tensors() {
    let text = std::fs::read_to_string(golden_file("efficientnet_lite0.tensors.json")).unwrap();
    let published: BTreeMap<String, Vec<usize>> = serde_json::from_str(&text).unwrap();
    let graph = zoo::build("tf_efficientnet_lite0", &ZooOptions::default()).unwrap();
    assert_eq!(parameter_shapes(&graph), published);
}

/// Every pixel goes through many layers, so that a race in the parallel loops would show.
#[test]
fn efficientnet_lite0_in_f32_matches_f64() {
    let graph = zoo::build("efficientnet_lite0", &ZooOptions::default()).unwrap();
    let weights = Weights::generated(&graph, 1.0);
    let input = generated_input([1, 3, 224, 224]);
    let single: Reference = Reference::new(&graph, &weights).unwrap();
    let double: Reference<f64> = Reference::new(&graph, &weights).unwrap();
    let start = Instant::now();
    let found = single.run(std::slice::from_ref(&input)).unwrap();
    println!("efficientnet_lite0: {:.2?}", start.elapsed());
    let exact = double.run(&[input.map(|&x| f64::from(x))]).unwrap();
    let exact: Tensor = exact[0].map(|&x| x as f32);
    assert!(relative_error(&found[0], &exact) < REFERENCE_F32);
}
