//! Tuning: which algorithms win, what is stored, and that tuned networks compute the same outputs.

#[path = "../../../tests/common/mod.rs"]
mod common;
#[path = "../../../tests/common/devices.rs"]
mod devices;

use std::mem::discriminant;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::relative_error;
use common::tolerance::network;
use devices::{backends, devices};
use shadernet::device::{Device, DeviceOptions};
use shadernet::gpu::{Gpu, GpuOptions, Precision};
use shadernet::graph::{Activation, BatchNorm2d, Conv2d, Graph, GraphBuilder, Pad2d};
use shadernet::reference::Reference;
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::tuning::Tuning;
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet_bench::tune::{CandidateOutcome, TuneOptions, TuneReport, tune};

/// Convolutions of several kinds, with everything that can be fused into them.
fn graph() -> Graph {
    let mut b = GraphBuilder::new("several");
    let x = b.image_input("input", 3);
    let x = b.node("pad", Pad2d::zeros(1, 1, 1, 1), &[x]);
    let x = b.conv2d("first", x, Conv2d::new(3, 16, 3).stride(2));
    let x = b.batch_norm("first.norm", x, BatchNorm2d::new(16));
    let skip = b.activation("first.act", x, Activation::Relu);
    let mut x = skip;
    for name in ["second", "third"] {
        x = b.conv2d(name, x, Conv2d::new(16, 16, 3).padding(1).bias(false));
        x = b.batch_norm(format!("{name}.norm"), x, BatchNorm2d::new(16));
        if name == "second" {
            x = b.activation("second.act", x, Activation::Relu);
        }
    }
    let x = b.add("sum", x, skip);
    let x = b.activation("sum.act", x, Activation::Relu);
    let y = b.batch_norm("before", x, BatchNorm2d::new(16));
    let y = b.activation("before.act", y, Activation::Relu);
    let y = b.conv2d("point", y, Conv2d::new(16, 24, 1).bias(false));
    let y = b.conv2d("groups", y, Conv2d::new(24, 24, 3).groups(2).padding(1));
    let y = b.conv2d("depthwise", y, Conv2d::depthwise(24, 3).padding(1));
    b.output(y);
    b.output(x);
    b.build().unwrap()
}

fn input() -> Tensor {
    generated_input([2, 3, 21, 26])
}

/// OpenGL's software driver takes seconds to compile each algorithm, so it tries only a few.
fn quick(name: &str, precision: Precision) -> TuneOptions {
    let few = [
        ConvAlgorithm::Direct,
        ConvAlgorithm::Tiled {
            pixels: 128,
            channels: 16,
            parts: 1,
        },
        ConvAlgorithm::Winograd { tile: 2 },
    ];
    TuneOptions::new()
        .precision(precision)
        .rounds(1)
        .round(Duration::ZERO)
        .only(match name == "vulkan unchecked" {
            true => Vec::new(),
            false => few.to_vec(),
        })
}

fn gpus() -> Vec<(&'static str, &'static Device, &'static Gpu)> {
    (devices().iter())
        .filter_map(|(name, device)| match device {
            Device::Gpu(gpu) => Some((name.as_str(), device, gpu)),
            _ => None,
        })
        .collect()
}

/// The tuning reports of all devices, made once per process.
fn reports() -> &'static [(&'static str, &'static Device, &'static Gpu, TuneReport)] {
    static REPORTS: OnceLock<Vec<(&str, &Device, &Gpu, TuneReport)>> = OnceLock::new();
    REPORTS.get_or_init(|| {
        let shapes = [input().shape().clone()];
        let report = |name, gpu| {
            let options = quick(name, Precision::F32);
            tune(gpu, &graph(), &shapes, &options, |_| {}).unwrap()
        };
        (gpus().into_iter())
            .map(|(name, device, gpu)| (name, device, gpu, report(name, gpu)))
            .collect()
    })
}

fn run(device: &Device, tuning: Option<Tuning>, precision: Precision) -> (Vec<Tensor>, String) {
    let options = SessionOptions::new()
        .precision(precision)
        .tuning(tuning.map(Arc::new));
    let (graph, shapes) = (graph(), [input().shape().clone()]);
    let weights = Weights::generated(&graph, 1.0);
    let mut session = Session::new(device, &graph, weights, &options, &shapes).unwrap();
    let outputs = session.run(&[input()]).unwrap();
    (outputs, session.warning().unwrap_or_default().to_owned())
}

#[track_caller]
fn assert_correct(outputs: &[Tensor], tolerance: f64, what: &str) {
    static EXPECTED: OnceLock<Vec<Tensor>> = OnceLock::new();
    let expected = EXPECTED.get_or_init(|| {
        let weights = Weights::generated(&graph(), 1.0);
        let reference: Reference = Reference::new(&graph(), &weights).unwrap();
        reference.run(&[input()]).unwrap()
    });
    for (output, expected) in outputs.iter().zip(expected) {
        let error = relative_error(output, expected);
        assert!(error < tolerance, "{what}: {error:.1e}");
    }
}

#[test]
fn every_candidate_is_correct_and_timed() {
    for (name, _, gpu, report) in reports() {
        let nodes: Vec<&str> = (report.layers.iter())
            .flat_map(|layer| layer.nodes.iter().map(String::as_str))
            .collect();
        assert_eq!(
            nodes,
            ["first", "second", "third", "point", "groups"],
            "{name}"
        );
        for layer in &report.layers {
            assert!(layer.candidates.len() > 1, "{layer:?}");
            for candidate in &layer.candidates {
                let timed =
                    matches!(candidate.outcome, CandidateOutcome::Timed(time) if !time.is_zero());
                assert!(timed, "{name}: {}: {candidate:?}", layer.signature);
            }
            let (winner, rule) = (layer.time(layer.winner), layer.time(layer.heuristic));
            assert!(winner <= rule, "{name}: {layer:?}");
        }
        assert!(report.quarantined().is_empty(), "{name}");
        assert_eq!(report.tuning.fits(gpu), Ok(()));
        let signatures: Vec<&str> = report.layers.iter().map(|l| &l.signature[..]).collect();
        assert!(
            signatures[1].contains("to 16x11x13 kernel 3x3 stride 1x1"),
            "{signatures:?}"
        );
        assert!(signatures[2].ends_with("residual"), "{signatures:?}");
        assert!(signatures[3].ends_with("prologue"), "{signatures:?}");
    }
}

#[test]
fn progress_reports_every_candidate() {
    let (name, _, gpu, report) = &reports()[0];
    let mut reported = Vec::new();
    let shapes = [input().shape().clone()];
    tune(
        gpu,
        &graph(),
        &shapes,
        &quick(name, Precision::F32),
        |progress| {
            assert!(progress.layer < progress.layers);
            reported.push((progress.signature.to_owned(), progress.kernel));
        },
    )
    .unwrap();
    let tried = (report.layers.iter())
        .flat_map(|l| l.candidates.iter().map(|c| (l.signature.clone(), c.kernel)));
    assert_eq!(reported, tried.collect::<Vec<_>>());
}

/// Every candidate is used for every layer once, including those that tuning would not choose.
#[test]
fn every_choice_computes_the_same_outputs() {
    for (name, device, gpu, report) in reports() {
        let most = report.layers.iter().map(|l| l.candidates.len()).max();
        for turn in 0..most.unwrap() {
            let mut tuning = Tuning::new(gpu);
            for (i, layer) in report.layers.iter().enumerate() {
                let candidate = &layer.candidates[(turn + 3 * i) % layer.candidates.len()];
                tuning.choose(&layer.signature, candidate.kernel);
            }
            let what = format!("{name}\n{}", tuning.to_text());
            let tuning = Tuning::parse(&tuning.to_text()).unwrap();
            let (outputs, warning) = run(device, Some(tuning), Precision::F32);
            assert_eq!(warning, "", "{what}");
            assert_correct(&outputs, network(Precision::F32), &what);
        }
    }
}

#[test]
fn float16_is_tuned_separately() {
    for (name, device, gpu) in gpus() {
        if !name.ends_with(" unchecked") {
            continue;
        }
        let shapes = [input().shape().clone()];
        let report = tune(gpu, &graph(), &shapes, &quick(name, Precision::F16), |_| {}).unwrap();
        assert!(report.quarantined().is_empty(), "{name}: {report:?}");
        assert!(report.layers.iter().all(|l| l.signature.starts_with("f16")));
        let (outputs, warning) = run(device, Some(report.tuning), Precision::F16);
        assert_eq!(warning, "");
        assert_correct(&outputs, network(Precision::F16), name);
    }
}

#[test]
fn a_wrong_kernel_is_quarantined() {
    for (name, device, gpu, report) in reports() {
        // The one that the heuristic selects, so that another has to replace it.
        let wrong = report.layers[0].heuristic;
        let broken = Device::open(
            &DeviceOptions::new()
                .backend(device.backend())
                .gpu(GpuOptions::new().runtime_checks(gpu.runtime_checks())),
        );
        let Ok(Device::Gpu(broken)) = broken else {
            panic!("{name}: {broken:?}");
        };
        broken.inject_fault(match wrong {
            ConvAlgorithm::Direct => "conv2d_nchw",
            ConvAlgorithm::Subgroup => "conv2d_subgroup_nchw",
            ConvAlgorithm::Tiled { .. } => "conv2d_tiled_nchw",
            other => panic!("{name}: {other} does not read NCHW inputs"),
        });
        let shapes = [input().shape().clone()];
        let options = quick(name, Precision::F32);
        let report = tune(&broken, &graph(), &shapes, &options, |_| {}).unwrap();
        let quarantined = report.quarantined();
        // All tile sizes share one shader.
        let is_alike = |kernel| discriminant(&kernel) == discriminant(&wrong);
        assert!(
            quarantined.iter().all(|q| is_alike(q.kernel)),
            "{name}: {quarantined:?}"
        );
        let found = quarantined.iter().find(|q| q.kernel == wrong);
        let found = found.unwrap_or_else(|| panic!("{name}: {quarantined:?}"));
        assert_eq!(found.signature, report.layers[0].signature);
        assert!(found.reason.contains("off by"), "{found:?}");
        assert!(
            report.layers.iter().all(|layer| layer.winner != wrong),
            "{report:?}"
        );

        // It is not used even if it is chosen, nor after writing and reading the tuning.
        let mut tuning = Tuning::parse(&report.tuning.to_text()).unwrap();
        assert_eq!(tuning.quarantined(), quarantined);
        tuning.choose(&report.layers[0].signature, wrong);
        let (outputs, warning) = run(device, Some(tuning), Precision::F32);
        assert_eq!(warning, "");
        assert_correct(&outputs, network(Precision::F32), name);
    }
}

#[test]
fn tunings_of_other_devices_are_ignored() {
    let reports = reports();
    for (name, device, gpu, _) in reports {
        let other = (reports.iter()).find(|(_, _, other, report)| {
            other.info().backend != gpu.info().backend && report.tuning.fits(gpu).is_err()
        });
        let Some((_, _, _, foreign)) = other else {
            assert_eq!(backends().len(), 1);
            continue;
        };
        let (outputs, warning) = run(device, Some(foreign.tuning.clone()), Precision::F32);
        assert!(
            warning.contains("tuned kernels are not used: it is for"),
            "{warning}"
        );
        assert_correct(&outputs, network(Precision::F32), name);
    }
}

#[test]
fn impossible_choices_fall_back_to_the_heuristic() {
    for (name, device, gpu, report) in reports() {
        let mut tuning = Tuning::new(gpu);
        for layer in &report.layers {
            // Winograd does not support strides, groups and 1x1 kernels.
            tuning.choose(&layer.signature, ConvAlgorithm::Winograd { tile: 2 });
        }
        tuning.choose("no layer", ConvAlgorithm::Direct);
        let (outputs, _) = run(device, Some(tuning), Precision::F32);
        assert_correct(&outputs, network(Precision::F32), name);
    }
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let (_, _, gpu) = gpus()[0];
    let shapes = [Shape::from([1, 4, 8, 8])];
    let error = tune(gpu, &graph(), &shapes, &TuneOptions::default(), |_| {}).unwrap_err();
    assert!(error.to_string().contains('3'), "{error}");
}
