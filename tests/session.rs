//! Sessions: a second run allocates nothing, shapes may change, precisions and devices agree, and errors are
//! specific.

mod common;
#[path = "common/devices.rs"]
mod devices;

use common::{relative_error, tolerance};
use devices::{all_devices, devices};
use shadernet::device::Device;
use shadernet::gpu::{Backend, Precision};
use shadernet::graph::{Activation, Conv2d, GraphBuilder};
use shadernet::passes::PassOptions;
use shadernet::plan::PlanReport;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::zoo::{self, ZooOptions};

/// The number of objects of each kind on a device.
fn counters(device: &Device) -> Vec<(&'static str, isize)> {
    let Device::Gpu(gpu) = device else {
        panic!("only a GPU has counters");
    };
    let counters = gpu.device().get_internal_counters().hal;
    vec![
        ("buffers", counters.buffers.read()),
        ("buffer memory", counters.buffer_memory.read()),
        ("allocations", counters.memory_allocations.read()),
        ("bind groups", counters.bind_groups.read()),
        ("bind group layouts", counters.bind_group_layouts.read()),
        ("pipelines", counters.compute_pipelines.read()),
        ("shader modules", counters.shader_modules.read()),
        ("command encoders", counters.command_encoders.read()),
    ]
}

/// Counters count live objects, so a second thread reads them during the runs: it sees objects that a run makes
/// and drops again.
#[test]
fn the_second_run_allocates_nothing() {
    for (name, device) in devices::open_all() {
        let graph = zoo::build("efficientnet_lite0", &ZooOptions::default()).unwrap();
        let weights = Weights::generated(&graph, 1.0);
        let input = generated_input([1, 3, 64, 64]);
        let shapes = [input.shape().clone()];
        let options = SessionOptions::default();
        let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
        let first = session.run(std::slice::from_ref(&input)).unwrap();
        let before = counters(&device);
        assert!(
            before
                .iter()
                .any(|(what, count)| *what == "buffers" && *count > 10)
        );
        let runs_are_over = std::sync::atomic::AtomicBool::new(false);
        let most = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut most = counters(&device);
                while !runs_are_over.load(std::sync::atomic::Ordering::Relaxed) {
                    for (most, now) in most.iter_mut().zip(counters(&device)) {
                        most.1 = most.1.max(now.1);
                    }
                    std::thread::yield_now();
                }
                most
            });
            for _ in 0..3 {
                let again = session.run(std::slice::from_ref(&input)).unwrap();
                assert_eq!(again[0].data(), first[0].data(), "{name}");
            }
            runs_are_over.store(true, std::sync::atomic::Ordering::Relaxed);
            watcher.join().unwrap()
        });
        let without_encoders = |counts: &[(&'static str, isize)]| {
            // Each run has an encoder, from wgpu's pool.
            let kept = counts
                .iter()
                .filter(|(what, _)| *what != "command encoders");
            kept.copied().collect::<Vec<_>>()
        };
        assert_eq!(without_encoders(&most), without_encoders(&before), "{name}");
        assert_eq!(counters(&device), before, "{name}");
    }
}

#[test]
fn sessions_of_a_device_share_pipelines_and_modules() {
    for (name, device) in devices::open_all() {
        let open = |size: usize, classes: usize| {
            let graph = zoo::build("resnet18", &ZooOptions::classes(classes)).unwrap();
            let weights = Weights::generated(&graph, 1.0);
            let shapes = [Shape::from([1, 3, size, size])];
            let options = SessionOptions::default();
            let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
            session.run(&[generated_input([1, 3, size, size])]).unwrap();
            session
        };
        let shared = ["bind group layouts", "pipelines", "shader modules"];
        let count = || {
            let mut counts = counters(&device);
            counts.retain(|(what, _)| shared.contains(what));
            counts
        };
        // Both sizes, because the pipelines depend on the size as well.
        let _first = [open(64, 7), open(96, 7)];
        let before = count();
        assert!(before.iter().any(|(_, count)| *count > 3), "{before:?}");
        let _second = [open(64, 9), open(96, 9)];
        assert_eq!(count(), before, "{name}");
    }
}

/// The driver compiles each pipeline before the first output.
#[test]
fn resnet50_needs_few_pipelines() {
    let (name, device) = devices::open_all().swap_remove(0);
    let graph = zoo::build("resnet50", &ZooOptions::default()).unwrap();
    let weights = Weights::generated(&graph, 1.0);
    let shapes = [Shape::from([1, 3, 224, 224])];
    let options = SessionOptions::default();
    let _session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
    let counts = counters(&device);
    let (_, pipelines) = counts[5];
    assert!((1..=16).contains(&pipelines), "{name}: {counts:?}");
}

#[test]
fn shapes_may_change_and_change_back() {
    let graph = zoo::build("resnet18", &ZooOptions::classes(7)).unwrap();
    let weights = std::sync::Arc::new(Weights::generated(&graph, 1.0));
    let inputs: Vec<Tensor> = [[1, 3, 33, 47], [2, 3, 32, 32], [1, 3, 33, 47]]
        .map(generated_input)
        .to_vec();
    let mut by_device: Vec<Vec<Tensor>> = Vec::new();
    for (_, device) in all_devices() {
        let options = SessionOptions::default();
        let shapes = [inputs[0].shape().clone()];
        let mut session =
            Session::new(&device, &graph, weights.clone(), &options, &shapes).unwrap();
        let run = |input: &Tensor| {
            session
                .run(std::slice::from_ref(input))
                .unwrap()
                .swap_remove(0)
        };
        by_device.push(inputs.iter().map(run).collect());
    }
    // The last device is the reference backend.
    let expected = by_device.pop().unwrap();
    for outputs in by_device {
        for (found, expected) in outputs.iter().zip(&expected) {
            assert!(relative_error(found, expected) < tolerance::SMALL_NETWORK);
        }
        assert_eq!(outputs[0].data(), outputs[2].data());
    }
}

#[test]
fn nan_in_the_input_is_nan_in_the_output() {
    let graph = zoo::build("efficientnet_lite0", &ZooOptions::default()).unwrap();
    let weights = std::sync::Arc::new(Weights::generated(&graph, 1.0));
    let mut input = generated_input([2, 3, 40, 40]);
    input.data_mut()[800] = f32::NAN;
    for (name, device) in all_devices() {
        let shapes = [input.shape().clone()];
        let options = SessionOptions::default();
        let mut session =
            Session::new(&device, &graph, weights.clone(), &options, &shapes).unwrap();
        let output = session
            .run(std::slice::from_ref(&input))
            .unwrap()
            .swap_remove(0);
        let (first, second) = output.data().split_at(1000);
        assert!(first.iter().all(|v| v.is_nan()), "{name}");
        assert!(second.iter().all(|v| v.is_finite()), "{name}");
    }
}

#[test]
fn half_precision_is_accurate() {
    let graph = zoo::build("resnet18", &ZooOptions::default()).unwrap();
    let weights = std::sync::Arc::new(Weights::generated(&graph, 1.0));
    let input = generated_input([1, 3, 64, 64]);
    for (name, device) in all_devices() {
        let run = |precision| {
            let shapes = [input.shape().clone()];
            let options = SessionOptions::new().precision(precision);
            let mut session =
                Session::new(&device, &graph, weights.clone(), &options, &shapes).unwrap();
            // What has no float16 must warn.
            let has_warning = session.warning().is_some();
            let is_gpu = matches!(device, Device::Gpu(_));
            assert_eq!(has_warning, !is_gpu && precision == Precision::F16);
            session
                .run(std::slice::from_ref(&input))
                .unwrap()
                .swap_remove(0)
        };
        let error = relative_error(&run(Precision::F16), &run(Precision::F32));
        assert!(
            error < tolerance::network(Precision::F16),
            "{name}: {error}"
        );
    }
}

#[test]
fn several_inputs_and_outputs() {
    let mut b = GraphBuilder::new("two and two");
    let x = b.image_input("x", 3);
    let y = b.image_input("y", 5);
    let z = b.conv2d("conv", x, Conv2d::new(3, 5, 3).padding(1));
    let sum = b.add("sum", z, y);
    let relu = b.activation("relu", sum, Activation::Relu);
    // An input as an output, one value twice, and one that other nodes read.
    for output in [y, relu, relu, sum] {
        b.output(output);
    }
    let graph = b.build().unwrap();
    let weights = std::sync::Arc::new(Weights::generated(&graph, 1.0));
    let inputs = [generated_input([2, 3, 6, 5]), generated_input([2, 5, 6, 5])];
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    let mut expected: Option<Vec<Tensor>> = None;
    for (name, device) in all_devices().into_iter().rev() {
        let options = SessionOptions::default();
        let mut session =
            Session::new(&device, &graph, weights.clone(), &options, &shapes).unwrap();
        let outputs = session.run(&inputs).unwrap();
        assert_eq!(outputs[0].data(), inputs[1].data(), "{name}");
        assert_eq!(outputs[1].data(), outputs[2].data(), "{name}");
        match &expected {
            None => expected = Some(outputs),
            Some(expected) => {
                for (found, expected) in outputs.iter().zip(expected) {
                    assert!(
                        relative_error(found, expected) < tolerance::FEW_LAYERS,
                        "{name}"
                    );
                }
            }
        }
    }
}

#[test]
fn sessions_report_passes_and_memory() {
    let graph = zoo::build("resnet18", &ZooOptions::classes(7)).unwrap();
    let weights = std::sync::Arc::new(Weights::generated(&graph, 1.0));
    let shapes = [Shape::from([1, 3, 64, 64])];
    for (name, device) in all_devices() {
        let session = |passes| {
            let options = SessionOptions::new().passes(passes);
            Session::new(&device, &graph, weights.clone(), &options, &shapes).unwrap()
        };
        let (optimized, plain) = (
            session(PassOptions::default()),
            session(PassOptions::none()),
        );
        assert!(plain.passes().is_empty());
        let reports = optimized.passes();
        let is_planned = device.backend() != Backend::Reference;
        assert_eq!(reports.is_empty(), !is_planned, "{name}");
        for report in reports.iter().filter(|report| report.pass == "norms") {
            assert_eq!((report.applied.len(), report.refused.len()), (20, 0));
        }
        let memory = optimized.memory().zip(plain.memory());
        assert_eq!(memory.is_none(), !is_planned, "{name}");
        assert!(memory.is_none_or(|(optimized, plain)| {
            optimized.bytes < plain.bytes && optimized.bytes >= optimized.lower_bound
        }));
    }
}

/// A plan report needs no session. A session of the same graph has the same memory, passes and shaders.
#[test]
fn plan_reports_match_sessions() {
    for (name, device) in devices() {
        let Device::Gpu(gpu) = device else {
            panic!("{name} is not a GPU");
        };
        for precision in [Precision::F32, Precision::F16] {
            let graph = zoo::build("resnet18", &ZooOptions::default()).unwrap();
            let weights = Weights::generated(&graph, 1.0);
            let shapes = [Shape::from([1, 3, 64, 64])];
            let options = SessionOptions::new().precision(precision);
            let report = PlanReport::from_gpu(gpu, &graph, &shapes, &options).unwrap();
            let session = Session::new(device, &graph, weights, &options, &shapes).unwrap();
            let memory = session.memory().unwrap();
            let planned = report.memory;
            assert_eq!(
                (planned.activations, planned.workspace, planned.lower_bound),
                (memory.bytes, memory.workspace, memory.lower_bound)
            );
            assert_eq!(report.passes, session.passes());
            assert_eq!(report.broken, []);
            let ran = session.shaders(&shapes).unwrap();
            assert_eq!(report.steps.len(), ran.len());
            for (step, (node, shader)) in report.steps.iter().zip(&ran) {
                assert_eq!(&step.name, node, "{name}");
                let found = shader.split(' ').next();
                assert_eq!(found, Some(step.shader), "{name}: {node}");
            }
        }
    }
}

#[test]
fn wrong_inputs_are_named() {
    let graph = zoo::build("resnet18", &ZooOptions::default()).unwrap();
    let weights = std::sync::Arc::new(Weights::generated(&graph, 1.0));
    let (_, device) = &devices()[0];
    let options = SessionOptions::default();
    let shapes = [Shape::from([1, 3, 64, 64])];
    let mut session = Session::new(device, &graph, weights, &options, &shapes).unwrap();
    let fails = |error: shadernet::Error, part: &str| {
        assert!(error.to_string().contains(part), "{error}");
    };
    fails(session.run(&[]).unwrap_err(), "takes 1 input(s) (input)");
    let gray = generated_input([1, 1, 64, 64]);
    fails(
        session.run(&[gray]).unwrap_err(),
        "expected [N, 3, H, W], found [1, 1, 64, 64]",
    );
    let huge = [Shape::from([64, 3, 1024, 1024])];
    fails(
        session.prepare(&huge).unwrap_err(),
        "use a smaller image or batch",
    );
    // After a refused shape, the session works as before.
    assert!(session.run(&[generated_input([1, 3, 64, 64])]).is_ok());
}

/// Images come in any number of sizes; memory does not grow with it.
#[test]
fn plans_for_many_shapes_are_evicted() {
    let mut b = GraphBuilder::new("conv");
    let x = b.image_input("input", 3);
    let y = b.conv2d("conv", x, Conv2d::new(3, 4, 3).padding(1));
    b.output(y);
    let graph = b.build().unwrap();
    for (name, device) in devices::open_all() {
        let weights = Weights::generated(&graph, 1.0);
        let shapes = [Shape::from([1, 3, 5, 5])];
        let options = SessionOptions::default();
        let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
        let mut run = |size: usize| {
            let input = generated_input([1, 3, size, size]);
            session.run(&[input]).unwrap().swap_remove(0)
        };
        let first = run(5);
        (6..16).for_each(|size| drop(run(size)));
        let after_ten = counters(&device);
        // Other sizes may use another kernel, and so another layout of the weights, which is dropped with
        // the last plan that reads it.
        (16..40).for_each(|size| drop(run(size)));
        (6..16).for_each(|size| drop(run(size)));
        assert_eq!(counters(&device)[0], after_ten[0], "{name}");
        assert_eq!(run(5).data(), first.data(), "{name}");
    }
}
