//! Creating sessions: reported progress, and pipelines from a cache on disk.

use std::sync::{Arc, Mutex};

use shadernet::device::Device;
use shadernet::gpu::{Backend, Gpu, GpuOptions};
use shadernet::session::{LoadProgress, Loading, Session, SessionOptions};

use super::devices::backends;
use super::support::{Host, small, tiny};

#[test]
fn progress_is_reported_until_complete() {
    let (graph, weights, input) = small();
    for backend in backends() {
        let host = Host::open(backend);
        let reported: Arc<Mutex<Vec<Loading>>> = Arc::default();
        let reports = reported.clone();
        let options = SessionOptions::new().progress(LoadProgress::new(move |at| {
            reports.lock().unwrap().push(at);
        }));
        let device = Device::from(host.gpu.clone());
        let shapes = [input.shape().clone()];
        let open = || Session::new(&device, &graph, weights.clone(), &options, &shapes).unwrap();
        open();
        let first = std::mem::take(&mut *reported.lock().unwrap());
        let (mut compiled, mut bytes) = ((0, 0), (0, 0));
        for loading in first {
            match loading {
                Loading::Pipelines { completed, total } => {
                    compiled = compiled.max((completed, total))
                }
                Loading::Weights { completed, total } => bytes = bytes.max((completed, total)),
                other => panic!("{other:?}"),
            }
        }
        assert!(
            compiled.0 > 3 && compiled.0 == compiled.1,
            "{backend:?}: {compiled:?}"
        );
        assert!(
            bytes.0 > 1 << 20 && bytes.0 == bytes.1,
            "{backend:?}: {bytes:?}"
        );
        // A second session needs no new pipelines.
        open();
        let second = reported.lock().unwrap();
        assert!(
            second
                .iter()
                .all(|at| matches!(at, Loading::Weights { .. }))
        );
    }
}

/// A host's device with the feature keeps pipelines in the given folder, and replaces damaged files there.
#[test]
fn pipelines_of_a_host_device_are_cached() {
    if !backends().contains(&Backend::Vulkan) {
        // wgpu has a pipeline cache on Vulkan only.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (graph, weights, input) = tiny();
    let adapter = Host::open(Backend::Vulkan).adapter;
    let run = || {
        let host = Host::on(adapter.clone());
        let options = GpuOptions::new().cache(folder.path());
        let gpu = Gpu::from_wgpu_with(&adapter, host.device.clone(), host.queue.clone(), &options);
        let shapes = [input.shape().clone()];
        let device = Device::from(gpu);
        let options = SessionOptions::default();
        let mut session =
            Session::new(&device, &graph, weights.clone(), &options, &shapes).unwrap();
        session
            .run(std::slice::from_ref(&input))
            .unwrap()
            .swap_remove(0)
    };
    let first = run();
    let files = || -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let [file] = &files()[..] else {
        panic!("{:?}", files());
    };
    let kept = std::fs::read(file).unwrap();
    for damaged in [&b"not a cache"[..], &kept[..kept.len() / 2], b""] {
        std::fs::write(file, damaged).unwrap();
        assert_eq!(run().data(), first.data());
        assert_eq!(std::fs::read(file).unwrap().len(), kept.len());
    }
    assert_eq!(run().data(), first.data());
}
