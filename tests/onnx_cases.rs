//! ONNX's own test cases, which `scripts/onnx_cases.py` writes, on the CPU and on every GPU backend.
#![cfg(feature = "onnx")]

#[allow(dead_code)]
#[path = "common/devices.rs"]
mod devices;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use shadernet::device::Device;
use shadernet::onnx::OnnxModel;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::{Dtype, Weights};

/// The largest difference, as a part of the largest magnitude.
const TOLERANCE: f64 = 1e-4;
/// The same where the expected output is rounded to float16: half of the distance between two numbers, and what other
/// roundings on the way make of it.
const TOLERANCE_F16: f64 = 1e-3;

/// The tensor `name` of a safetensors file.
fn tensor(weights: &Weights, name: &str) -> Tensor {
    let shape = weights
        .shape(name)
        .unwrap_or_else(|| panic!("{name}"))
        .clone();
    Tensor::new(shape, weights.read(name).unwrap().into_owned()).unwrap()
}

/// Cases whose outputs are rounded, and how far. The expected outputs of the first have four digits. Those of the second
/// are quantized in steps of 0.7 % of the largest; ONNX Runtime's own with and without optimizations differ by one step.
const ROUNDED: [(&str, f64); 2] = [
    ("test_averagepool_2d_ceil_last_window_starts_on_pad", 1e-3),
    ("resnet50_int8", 0.007),
];

/// Why an output is wrong.
fn compare(found: &Tensor, expected: &Tensor, tolerance: f64) -> Result<(), String> {
    if found.shape() != expected.shape() {
        return Err(format!("{} instead of {}", found.shape(), expected.shape()));
    }
    let finite = expected.data().iter().filter(|x| x.is_finite());
    let largest = finite.fold(0.0_f64, |largest, x| largest.max(f64::from(x.abs())));
    for (i, (found, expected)) in found.data().iter().zip(expected.data()).enumerate() {
        let is_same = found == expected || found.is_nan() && expected.is_nan();
        let difference = (f64::from(*found) - f64::from(*expected)).abs();
        let is_near = difference <= tolerance * largest.max(1e-6);
        if !is_same && !is_near {
            return Err(format!("element {i} is {found} instead of {expected}"));
        }
    }
    Ok(())
}

/// Runs a case: `Err` with the message where it is refused, `Ok(Err)` where it is wrong.
fn run(folder: &Path, device: &Device) -> Result<Result<(), String>, String> {
    let file = |name: &str| Weights::open(folder.join(name)).unwrap();
    let (given, expected) = (file("input.safetensors"), file("expected.safetensors"));
    let text = |error: shadernet::Error| error.to_string();
    let model = OnnxModel::open(folder.join("model.onnx")).map_err(text)?;
    let inputs: Vec<Tensor> = model
        .inputs()
        .iter()
        .map(|input| tensor(&given, &input.name))
        .collect();
    let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape().clone()).collect();
    let imported = model.import(&shapes).map_err(text)?;
    let options = SessionOptions::default();
    let session = Session::new(device, &imported.graph, imported.weights, &options, &shapes);
    let outputs = session.map_err(text)?.run(&inputs).map_err(text)?;
    for (output, found) in model.outputs().iter().zip(outputs) {
        let rounded = ROUNDED.iter().find(|(name, _)| folder.ends_with(name));
        let tolerance = match expected.dtype(&output.name) {
            Some(Dtype::F16) => TOLERANCE_F16,
            _ => rounded.map_or(TOLERANCE, |&(_, tolerance)| tolerance),
        };
        if let Err(wrong) = compare(&found, &tensor(&expected, &output.name), tolerance) {
            return Ok(Err(format!("{}: {wrong}", output.name)));
        }
    }
    Ok(Ok(()))
}

#[test]
#[ignore = "needs SHADERNET_ONNX_CASES, a folder that scripts/onnx_cases.py has written"]
fn every_case_is_right_or_refused() {
    let folder = std::env::var("SHADERNET_ONNX_CASES").expect("SHADERNET_ONNX_CASES");
    let only = std::env::var("SHADERNET_ONNX_CASE").unwrap_or_default();
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    cases.retain(|path| path.is_dir() && path.to_string_lossy().contains(&only));
    cases.sort();
    let mut devices = vec![
        ("reference".to_owned(), Device::reference()),
        ("cpu".to_owned(), Device::cpu()),
    ];
    let is_unchecked = |(name, _): &&(String, Device)| name.ends_with(" unchecked");
    devices.extend(devices::devices().iter().filter(is_unchecked).cloned());
    let mut wrong = 0;
    for (name, device) in &devices {
        let mut right = 0;
        let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for case in &cases {
            let case_name = case.file_name().unwrap().to_string_lossy().into_owned();
            match run(case, device) {
                Ok(Ok(())) => right += 1,
                Ok(Err(reason)) => {
                    wrong += 1;
                    println!("WRONG {name} {case_name}: {reason}");
                }
                Err(reason) => {
                    let reason = reason
                        .split_once("model.onnx: ")
                        .map_or(&*reason, |(_, rest)| rest);
                    refused
                        .entry(reason.to_owned())
                        .or_default()
                        .push(case_name);
                }
            }
        }
        println!("{name}: {right} of {} cases are right", cases.len());
        if name == "reference" {
            for (reason, cases) in refused {
                println!(
                    "  {} refused: {reason}: {}",
                    cases.len(),
                    cases[..cases.len().min(4)].join(" ")
                );
            }
        }
    }
    assert_eq!(wrong, 0);
}
