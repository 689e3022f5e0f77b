//! Whole networks, through the real loader, against what PyTorch answers.

mod common;
#[path = "common/devices.rs"]
mod devices;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::Command;
use std::time::Instant;

use common::{Golden, golden_file, parameter_shapes, relative_error};
use devices::devices_and_cpu;
use shadernet::reference::Reference;
use shadernet::tensor::Tensor;
use shadernet::weights::generate::generated_input;
use shadernet::weights::{Dtype, Weights, write_safetensors};
use shadernet::zoo::{self, ZooOptions};

/// Runs a case on the CPU twin and compares its outputs.
fn check(case: &str) {
    let golden = Golden::load(case);
    let graph = zoo::build(case, &ZooOptions::default()).unwrap();
    assert_eq!(parameter_shapes(&graph), golden.tensors);
    assert_eq!(graph.parameter_count(), golden.parameters);

    let folder = tempfile::tempdir().unwrap();
    let path = golden.write_weights(&graph, folder.path(), Dtype::F32);
    let weights = Weights::open(&path).unwrap();
    assert!(weights.check(&graph).unwrap().unused.is_empty());

    let twin: Reference = Reference::new(&graph, &weights).unwrap();
    let input = golden.input();
    let start = Instant::now();
    let outputs = twin.run(&[input]).unwrap();
    let expected = golden.outputs();
    assert_eq!(outputs.len(), expected.len());
    for (found, expected) in outputs.iter().zip(&expected) {
        let error = relative_error(found, expected);
        println!("{case}: error {error:.1e}, {:.2?}", start.elapsed());
        assert!(error < 1e-4, "{case}: error {error:.1e}");
    }
}

/// As a user would: weights, input and output are files, the program is the command.
fn check_through_the_command(case: &str) {
    let golden = Golden::load(case);
    let graph = zoo::build(case, &ZooOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let weights = golden.write_weights(&graph, folder.path(), Dtype::F32);
    let input = folder.path().join("input.safetensors");
    write_safetensors(&input, [("input", &golden.input())], Dtype::F32).unwrap();
    for (name, device) in devices_and_cpu() {
        let output = folder.path().join(format!("{name}.safetensors"));
        let status = Command::new(env!("CARGO_BIN_EXE_shadernet"))
            .args(["run", "--arch", case, "--backend", device.backend().name()])
            .args([OsStr::new("--weights"), weights.as_os_str()])
            .args([OsStr::new("--input"), input.as_os_str()])
            .args([OsStr::new("--output"), output.as_os_str()])
            .status();
        assert!(status.unwrap().success(), "{name}");
        let found = Weights::open(&output).unwrap();
        for (i, expected) in golden.outputs().iter().enumerate() {
            let data = found.read(&format!("output.{i}")).unwrap().into_owned();
            let found = Tensor::new(expected.shape().clone(), data).unwrap();
            let error = relative_error(&found, expected);
            println!("{case} on {name}: error {error:.1e}");
            assert!(error < 1e-4, "{case} on {name}: error {error:.1e}");
        }
    }
}

#[test]
fn resnet18() {
    check_through_the_command("resnet18");
}

#[test]
fn resnet50() {
    check("resnet50");
}

#[test]
fn efficientnet_lite0_has_timms_tensors() {
    let text = std::fs::read_to_string(golden_file("efficientnet_lite0.tensors.json")).unwrap();
    let published: BTreeMap<String, Vec<usize>> = serde_json::from_str(&text).unwrap();
    let graph = zoo::build("tf_efficientnet_lite0", &ZooOptions::default()).unwrap();
    assert_eq!(parameter_shapes(&graph), published);
}

/// Every pixel is seen through many layers: a wrong order of sums or a race would show.
#[test]
fn efficientnet_lite0_in_f32_follows_f64() {
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
    assert!(relative_error(&found[0], &exact) < 1e-5);
}
