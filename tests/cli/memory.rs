//! Memory over many pictures.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Answer, copies, shadernet, write_config};

/// The model of the repository, for small pictures: what is kept of each shows, and little beside.
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

/// Classifies so many copies of one picture, and answers the process's largest memory in KiB.
fn peak(model: &Path, pictures: usize) -> u64 {
    let folder = copies(pictures);
    let mut command = shadernet();
    command.args(["classify", "--backend", "cpu"]);
    let mut child = (command.arg("--model").arg(model).arg(folder.path()))
        // The same on any machine: each thread has a picture of its own at hand.
        .env("RAYON_NUM_THREADS", "2")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    // The mark only rises, and is gone once the process has ended.
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(mark) = mark.and_then(|mark| mark.split_whitespace().next()) {
            peak = peak.max(mark.parse().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let end = Answer::new(child.wait_with_output().unwrap()).ok();
    let begin = format!("{pictures} pictures in ");
    assert!(end.err.starts_with(&begin), "{}", end.err);
    assert!(end.err.contains(" images/s, on the CPU"), "{}", end.err);
    println!("{} KiB, {}", peak, end.err.trim_end());
    peak
}

#[test]
fn memory_is_flat_over_many_pictures() {
    let model = model();
    let [few, many] = [20, 200].map(|pictures| peak(model.path(), pictures));
    assert!(few > 10_000, "{few} KiB is too little to be true");
    // 180 decoded pictures would be 140 MB, 180 prepared ones 20 MB.
    assert!(many < few + 5_000, "{few} KiB became {many} KiB");
}
