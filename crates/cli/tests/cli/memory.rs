//! Memory use with many images, and with a large network.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use shadernet::gpu::Backend;
use shadernet::weights::generate::generated_input;
use shadernet::weights::{Dtype, Weights, write_safetensors};
use shadernet::zoo::{self, ZooOptions};

use crate::devices::backends;
use crate::support::{CommandOutput, copies, shadernet, write_config};

/// The bundled model with a small input size, so that memory kept per image is visible.
fn model() -> tempfile::TempDir {
    let carried = crate::common::place::repository().join("models/efficientnet_lite0");
    let folder = tempfile::tempdir().unwrap();
    let weights = "model.safetensors";
    std::fs::copy(carried.join(weights), folder.path().join(weights)).unwrap();
    let config = std::fs::read(carried.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    config["pretrained_cfg"]["input_size"] = [3, 96, 96].into();
    write_config(folder.path(), &config.to_string());
    folder
}

/// Runs a command that must succeed. Returns the peak memory of the process in KiB.
fn watch(command: &mut Command) -> (u64, CommandOutput) {
    let mut child = command
        // The same on any machine: each thread holds images of its own.
        .env("RAYON_NUM_THREADS", "2")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    // The high-water mark only rises, and is not available after the process has ended.
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(mark) = mark.and_then(|mark| mark.split_whitespace().next()) {
            peak = peak.max(mark.parse().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    (
        peak,
        CommandOutput::new(child.wait_with_output().unwrap()).ok(),
    )
}

/// Classifies `images` copies of one image. Returns the peak memory of the process in KiB.
fn peak(model: &Path, images: usize) -> u64 {
    let folder = copies(images);
    let mut command = shadernet();
    command.args(["classify", "--backend", "cpu"]);
    let (peak, end) = watch(command.arg("--model").arg(model).arg(folder.path()));
    let begin = format!("{images} images in ");
    assert!(end.err.starts_with(&begin), "{}", end.err);
    assert!(end.err.contains(" images/s, on the CPU"), "{}", end.err);
    println!("{} KiB, {}", peak, end.err.trim_end());
    peak
}

#[test]
fn memory_does_not_grow_with_the_number_of_images() {
    let model = model();
    let [few, many] = [20, 200].map(|images| peak(model.path(), images));
    assert!(few > 10_000, "{few} KiB is too little to be true");
    // 180 decoded images would be 140 MB, 180 prepared ones 20 MB.
    assert!(many < few + 5_000, "{few} KiB became {many} KiB");
}

/// With software Vulkan, device memory is part of the process. So everything counts: the weights once,
/// staging buffers, activations, the driver and its compiler.
#[test]
fn a_network_needs_little_more_memory_than_its_weights() {
    if !backends().contains(&Backend::Vulkan) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let graph = zoo::build("resnet50", &ZooOptions::default()).unwrap();
    let weights = Weights::generated(&graph, 1.0);
    weights.save(path("weights"), Dtype::F32).unwrap();
    let input = generated_input([1, 3, 224, 224]);
    write_safetensors(path("input"), [("input", &input)], Dtype::F32).unwrap();
    let peak = |precision: &str| {
        let mut command = shadernet();
        command.args(["run", "--backend", "vulkan", "--arch", "resnet50"]);
        command.args(["--precision", precision]);
        // Shaders are compiled as on a first run, which needs the most memory.
        command.env("MESA_SHADER_CACHE_DIR", path(precision));
        for (option, name) in [
            ("--weights", "weights"),
            ("--input", "input"),
            ("--output", "output"),
        ] {
            command.arg(option).arg(path(name));
        }
        let (peak, _) = watch(&mut command);
        println!("{precision}: {peak} KiB");
        peak
    };
    // The minimum is three values of the largest size, 64x112x112.
    let planned = std::fs::metadata(path("weights")).unwrap().len() + 3 * 64 * 112 * 112 * 4;
    let limit = (planned * 22 / 10 + 60_000_000) / 1024;
    let whole = peak("f32");
    assert!(
        whole > planned / 1024,
        "{whole} KiB is too little to be true"
    );
    assert!(whole < limit, "{whole} KiB are more than {limit} KiB");
    let half = peak("f16");
    assert!(half < whole, "{half} KiB are more than {whole} KiB");
}
