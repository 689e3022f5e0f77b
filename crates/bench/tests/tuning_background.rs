//! Tuning with a limit of time, on a thread of its own, and with what is estimated for GPUs.

#[path = "../../../tests/common/devices.rs"]
mod devices;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use devices::backends;
use shadernet::gpu::{ComputeUnits, Gpu, GpuOptions, adapters};
use shadernet::graph::Graph;
use shadernet::internals::checksum_line;
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::tuning::Tuning;
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::zoo::{self, ZooOptions};
use shadernet::{Device, Error};
use shadernet_bench::tune::{LayerCandidates, TuneOptions, candidates, tune, tune_in_background};

/// Of each backend.
fn gpus(options: &GpuOptions) -> impl Iterator<Item = Gpu> {
    let first = |backend| adapters(Some(backend)).into_iter().next();
    let found = backends().into_iter().filter_map(first);
    found.map(|adapter| Gpu::open(&adapter, options).unwrap())
}

fn network() -> (Graph, Tensor, [Shape; 1]) {
    let graph = zoo::build("small_cnn", &ZooOptions::default()).unwrap();
    let input = generated_input([1, 3, 128, 128]);
    let shapes = [input.shape().clone()];
    (graph, input, shapes)
}

/// Software drivers take long to compile most kernels.
fn quick() -> TuneOptions {
    let few = [ConvAlgorithm::Direct];
    TuneOptions::new().rounds(1).round(Duration::ZERO).only(few)
}

fn session(gpu: &Gpu) -> Session {
    let (graph, _, shapes) = network();
    let weights = Weights::generated(&graph, 1.0);
    let options = SessionOptions::default();
    Session::new(
        &Device::from(gpu.clone()),
        &graph,
        weights,
        &options,
        &shapes,
    )
    .unwrap()
}

#[track_caller]
fn assert_close(outputs: &[Tensor], expected: &[Tensor]) {
    for (output, expected) in outputs.iter().zip(expected) {
        for (a, b) in output.data().iter().zip(expected.data()) {
            assert!((a - b).abs() < 1e-3, "{a} instead of {b}");
        }
    }
}

#[test]
fn sessions_run_meanwhile_and_use_the_result() {
    for gpu in gpus(&GpuOptions::new()) {
        let (graph, input, shapes) = network();
        let mut session = session(&gpu);
        let expected = session.run(std::slice::from_ref(&input)).unwrap();
        let tuning = tune_in_background(&gpu, &graph, &shapes, &quick());
        let mut passes = 0;
        while !tuning.is_finished() {
            let outputs = session.run(std::slice::from_ref(&input)).unwrap();
            assert_close(&outputs, &expected);
            let (completed, layers) = tuning.progress();
            assert!(completed <= layers);
            passes += 1;
        }
        println!("{}: {passes} passes meanwhile", gpu.info().name);
        let report = tuning.join().unwrap();
        assert_eq!(report.untimed().count(), 0);
        assert!(!report.layers.is_empty());

        session.retune(report.tuning.clone()).unwrap();
        let winner = |node: &str| {
            let layer = report
                .layers
                .iter()
                .find(|layer| layer.nodes.iter().any(|it| it == node));
            layer.unwrap().winner
        };
        for (node, kernel) in session.kernels(&shapes).unwrap() {
            assert_eq!(kernel, winner(&node), "{node}");
        }
        // Whatever has won, something else is used where a tuning says so.
        let mut direct = Tuning::new(&gpu);
        for layer in &report.layers {
            direct.choose(&layer.signature, ConvAlgorithm::Direct);
        }
        session.retune(Arc::new(direct)).unwrap();
        let kernels = session.kernels(&shapes).unwrap();
        assert!(
            kernels
                .iter()
                .all(|(_, kernel)| *kernel == ConvAlgorithm::Direct)
        );
        assert_close(
            &session.run(std::slice::from_ref(&input)).unwrap(),
            &expected,
        );
    }
}

#[test]
fn a_tuning_of_another_device_is_refused() {
    for gpu in gpus(&GpuOptions::new()) {
        let (_, input, shapes) = network();
        let mut session = session(&gpu);
        let before = session.kernels(&shapes).unwrap();
        let text = Tuning::new(&gpu)
            .to_text()
            .replace("adapter: ", "adapter: another ");
        let (body, _) = text.split_at(text.rfind("checksum").unwrap());
        let other = Tuning::parse(&format!("{body}{}\n", checksum_line(body))).unwrap();
        let error = session.retune(other).unwrap_err();
        assert!(matches!(error, Error::Inputs(_)), "{error}");
        assert!(error.to_string().contains("it is for another "), "{error}");
        assert_eq!(session.kernels(&shapes).unwrap(), before);
        session.run(&[input]).unwrap();
    }
}

#[test]
fn cancelled_tuning_ends_with_what_it_has_found() {
    for gpu in gpus(&GpuOptions::new()) {
        let (graph, _, shapes) = network();
        // Long enough to be cancelled in the first.
        let options = quick().pause(Duration::from_secs(1));
        let tuning = tune_in_background(&gpu, &graph, &shapes, &options);
        tuning.cancel();
        let report = tuning.join().unwrap();
        assert_eq!(report.untimed().count(), report.layers.len());
        assert_eq!(report.tuning, Tuning::new(&gpu));
        // Nobody waits for one that is dropped.
        drop(tune_in_background(&gpu, &graph, &shapes, &options));
    }
}

#[test]
fn errors_of_the_thread_are_returned() {
    for gpu in gpus(&GpuOptions::new()) {
        let (graph, ..) = network();
        let shapes = [Shape::from([1, 4, 8, 8])];
        let tuning = tune_in_background(&gpu, &graph, &shapes, &quick());
        assert!(tuning.join().is_err());
    }
}

/// What is not reached keeps the heuristic's selection, and is not in the tuning.
#[test]
fn tuning_ends_when_the_time_is_over() {
    for gpu in gpus(&GpuOptions::new()) {
        let (graph, _, shapes) = network();
        let tried = |options| {
            let report = tune(&gpu, &graph, &shapes, &options, |_| {}).unwrap();
            let untimed = report.untimed().count();
            assert_eq!(
                report.tuning.choices().count(),
                report.layers.len() - untimed
            );
            for layer in report.untimed() {
                assert_eq!(layer.winner, layer.heuristic);
            }
            (untimed, report.layers.len())
        };
        let (untimed, layers) = tried(quick().budget(Duration::ZERO));
        assert_eq!(untimed, layers);
        assert_eq!(tried(quick().budget(Duration::from_secs(600))).0, 0);
    }
}

/// Where kernels are selected as for a GPU, estimates leave some of the tiles, and always the heuristic's selection, which
/// is tried first.
#[test]
fn slow_tiles_are_not_tried_on_gpus() {
    let units = NonZeroU32::new(60).unwrap();
    let as_discrete = GpuOptions::new()
        .as_discrete(true)
        .compute_units(ComputeUnits::Known(units));
    let architecture = zoo::find("resnet50").unwrap();
    let graph = architecture.build(&ZooOptions::default()).unwrap();
    let shapes = architecture.input_shapes(1, &ZooOptions::default());
    for gpu in gpus(&as_discrete) {
        let list = |options: &TuneOptions| candidates(&gpu, &graph, &shapes, options).unwrap();
        let some = list(&TuneOptions::new());
        let all = list(&TuneOptions::new().exhaustive(true));
        let count = |layers: &[LayerCandidates]| {
            let kernels = layers.iter().map(|layer| layer.kernels.len());
            kernels.sum::<usize>()
        };
        assert!(count(&some) < count(&all));
        for (some, all) in some.iter().zip(&all) {
            let first = |layer: &LayerCandidates| (layer.signature.clone(), layer.kernels[0]);
            assert_eq!(first(some), first(all));
            let is_tile = |kernel: &&ConvAlgorithm| matches!(kernel, ConvAlgorithm::Tiled { .. });
            // Eight, and that of the heuristic.
            assert!((1..=9).contains(&some.kernels.iter().filter(is_tile).count()));
            let left_out = all.kernels.iter().filter(|it| !some.kernels.contains(it));
            assert!(left_out.clone().all(|it| is_tile(&it)));
        }
    }
}
