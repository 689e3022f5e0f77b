//! The smaller golden networks with tuned kernels: with algorithms other than the heuristic's in every layer,
//! and with the winners of a tuning.

#[path = "../../../tests/common/mod.rs"]
mod common;
#[path = "../../../tests/common/devices.rs"]
mod devices;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shadernet::device::Device;
use shadernet::gpu::{Gpu, Precision};
use shadernet::graph::Graph;
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::tuning::Tuning;
use shadernet::weights::{Dtype, Weights};
use shadernet::zoo::{self, ZooOptions};
use shadernet_bench::tune::{LayerCandidates, TuneOptions, candidates, tune};

use common::golden::{alone, precisions};
use common::tolerance::network;
use common::{Golden, relative_error};
use devices::{devices, with_matrices_emulated};

/// A golden case with its weights in a file.
struct Case {
    name: &'static str,
    graph: Graph,
    weights: Arc<Weights>,
    shapes: [Shape; 1],
    input: Tensor,
    expected: Vec<Tensor>,
    _folder: tempfile::TempDir,
}

impl Case {
    fn new(name: &'static str) -> Self {
        let golden = Golden::load(name);
        let graph = zoo::build(name, &ZooOptions::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = golden.write_weights(folder.path(), Dtype::F32);
        let input = golden.input();
        Self {
            name,
            graph,
            weights: Arc::new(Weights::open(&path).unwrap()),
            shapes: [input.shape().clone()],
            input,
            expected: golden.outputs(),
            _folder: folder,
        }
    }

    /// Checks the outputs with `tuning`, written and parsed once. Returns the shaders of each node.
    fn check(
        &self,
        (name, device): &(String, Device),
        (precision, tolerance): (Precision, f64),
        tuning: &Tuning,
    ) -> Vec<(String, String)> {
        let what = format!("{} {precision:?} on {name}", self.name);
        let tuning = Tuning::parse(&tuning.to_text()).unwrap();
        let options = SessionOptions::new()
            .precision(precision)
            .tuning(Arc::new(tuning));
        let (graph, weights) = (&self.graph, self.weights.clone());
        let mut session = Session::new(device, graph, weights, &options, &self.shapes).unwrap();
        assert_eq!(session.warning(), None, "{what}");
        let outputs = session.run(std::slice::from_ref(&self.input)).unwrap();
        assert_eq!(outputs.len(), self.expected.len());
        for (output, expected) in outputs.iter().zip(&self.expected) {
            let error = relative_error(output, expected);
            println!("{what}, tuned: error {error:.1e}");
            assert!(error < tolerance, "{what}, tuned: error {error:.1e}");
        }
        session.shaders(&self.shapes).unwrap()
    }
}

/// Software drivers take long to compile all kernels, so most devices try one of each family.
fn options(device: &str, precision: Precision) -> TuneOptions {
    let few = [
        "direct",
        "subgroup",
        "tiled-128x16",
        "cooperative-64x64",
        "winograd-2",
        "winograd-4",
    ];
    TuneOptions::new()
        .precision(precision)
        .rounds(1)
        .round(Duration::ZERO)
        .only(match device {
            "vulkan unchecked" => Vec::new(),
            _ => few.map(|name| name.parse().unwrap()).to_vec(),
        })
}

fn gpu((_, device): &(String, Device)) -> &Gpu {
    match device {
        Device::Gpu(gpu) => gpu,
        _ => panic!("tests are run on GPUs"),
    }
}

/// The precisions and tolerances of the other golden tests. Bounds checks do not depend on the precision, so
/// checked devices run only the first.
fn tolerated((name, device): &(String, Device)) -> Vec<(Precision, f64)> {
    let mut precisions = precisions(name, device);
    if name.ends_with(" checked") {
        precisions.truncate(1);
    }
    (precisions.into_iter())
        .map(|precision| (precision, network(precision)))
        .collect()
}

/// The name of the algorithm's shader without the suffixes of its forms, and the constant that identifies it.
fn family(kernel: ConvAlgorithm) -> String {
    match kernel {
        ConvAlgorithm::Direct => "conv2d".to_owned(),
        ConvAlgorithm::Subgroup => "conv2d_subgroup".to_owned(),
        ConvAlgorithm::Tiled { .. } => "conv2d_tiled".to_owned(),
        ConvAlgorithm::Cooperative { .. } => "conv2d_cooperative".to_owned(),
        ConvAlgorithm::Winograd { tile } => format!("winograd_input TILE={tile}"),
        other => panic!("unknown family: {other}"),
    }
}

/// For every layer an algorithm other than the heuristic's, from the family used least so far. Ties are
/// broken pseudo-randomly, the same way each time. `met` has every family that could be chosen.
fn others(
    gpu: &Gpu,
    layers: &[LayerCandidates],
    met: &mut BTreeMap<String, usize>,
) -> (Tuning, Vec<ConvAlgorithm>) {
    let mut tuning = Tuning::new(gpu);
    let mut chosen = Vec::new();
    for layer in layers {
        let random = |kernel: &ConvAlgorithm| {
            let text = format!("{} {kernel}", layer.signature);
            (text.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
        };
        for kernel in &layer.kernels {
            met.entry(family(*kernel)).or_default();
        }
        let times = |kernel: &ConvAlgorithm| met[&family(*kernel)];
        let kernel = (layer.kernels[1..].iter().copied())
            .min_by_key(|kernel| (times(kernel), random(kernel)))
            .unwrap();
        *met.entry(family(kernel)).or_default() += 1;
        tuning.choose(&layer.signature, kernel);
        chosen.push(kernel);
    }
    (tuning, chosen)
}

/// Networks compute PyTorch's outputs on every device, whatever tuning chooses.
#[test]
fn outputs_are_correct_whatever_is_chosen() {
    let _alone = alone();
    let cheap = [
        "small_cnn",
        "small_cnn_separable",
        "mobilenet_v2",
        "yolov3_tiny",
    ];
    let cases = cheap.map(Case::new);
    for device in devices() {
        let mut met = BTreeMap::new();
        for (case, tolerated) in cases
            .iter()
            .flat_map(|case| tolerated(device).into_iter().map(move |p| (case, p)))
        {
            check_others(case, device, tolerated, &mut met);
        }
        println!("{}: {met:?}", device.0);
        for family in [
            "conv2d",
            "conv2d_tiled",
            "winograd_input TILE=2",
            "winograd_input TILE=4",
        ] {
            assert!(met.contains_key(family), "{}: {met:?}", device.0);
        }
        // And every other family that the device supports.
        assert!(
            met.values().all(|times| *times > 0),
            "{}: {met:?}",
            device.0
        );
    }
}

/// Cooperative matrices are chosen only on devices opened with them.
#[test]
fn outputs_are_correct_with_cooperative_matrices() {
    let _alone = alone();
    let case = Case::new("small_cnn");
    let devices = with_matrices_emulated().iter();
    for device in devices.filter(|(name, _)| !name.starts_with("gl ")) {
        let mut met = BTreeMap::new();
        check_others(
            &case,
            device,
            (Precision::F16, network(Precision::F16)),
            &mut met,
        );
        assert!(
            met.get("conv2d_cooperative") > Some(&0),
            "{}: {met:?}",
            device.0
        );
    }
}

fn check_others(
    case: &Case,
    device: &(String, Device),
    tolerated: (Precision, f64),
    met: &mut BTreeMap<String, usize>,
) {
    let options = options(&device.0, tolerated.0);
    let layers = candidates(gpu(device), &case.graph, &case.shapes, &options).unwrap();
    assert!(!layers.is_empty());
    let (tuning, chosen) = others(gpu(device), &layers, met);
    let shaders = case.check(device, tolerated, &tuning);
    for (layer, kernel) in layers.iter().zip(chosen) {
        for node in &layer.nodes {
            let names = (shaders.iter())
                .filter(|(label, _)| label == node)
                .map(|(_, shader)| shader.as_str());
            let names: Vec<&str> = names.collect();
            // Winograd does not read NCHW inputs, so the heuristic selects another algorithm there.
            let is_planar = names.iter().any(|name| name.contains("_nchw"));
            let used = names.iter().any(|name| {
                let name = name.replace("_nchw", "").replace("_emulated", "") + " ";
                name.starts_with(&format!("{} ", family(kernel)))
            });
            if is_planar && matches!(kernel, ConvAlgorithm::Winograd { .. }) {
                *met.get_mut(&family(kernel)).unwrap() -= 1;
                continue;
            }
            assert!(used, "{}: '{node}' by {names:?}, not {kernel}", device.0);
        }
    }
}

#[test]
fn outputs_are_correct_with_the_winners() {
    let _alone = alone();
    let case = Case::new("small_cnn");
    for device in devices() {
        for tolerated in tolerated(device) {
            let options = options(&device.0, tolerated.0);
            let report = tune(gpu(device), &case.graph, &case.shapes, &options, |_| {}).unwrap();
            assert!(report.quarantined().is_empty(), "{}: {report:?}", device.0);
            case.check(device, tolerated, &report.tuning);
        }
    }
}
