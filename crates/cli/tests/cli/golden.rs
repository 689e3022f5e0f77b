//! A golden network through the command, with weights, input and output in files.

use std::ffi::OsStr;

use shadernet::gpu::Precision;
use shadernet::tensor::Tensor;
use shadernet::weights::{Dtype, Weights, write_safetensors};

use crate::common::tolerance::network;
use crate::common::{Golden, relative_error};
use crate::devices::all_devices;
use crate::support::shadernet;

#[test]
fn resnet18_matches_pytorch() {
    let case = "resnet18";
    let golden = Golden::load(case);
    let folder = tempfile::tempdir().unwrap();
    let weights = golden.write_weights(folder.path(), Dtype::F32);
    let input = folder.path().join("input.safetensors");
    write_safetensors(&input, [("input", &golden.input())], Dtype::F32).unwrap();
    for (name, device) in all_devices() {
        let output = folder.path().join(format!("{name}.safetensors"));
        let status = shadernet()
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
            let tolerance = network(Precision::F32);
            assert!(error < tolerance, "{case} on {name}: error {error:.1e}");
        }
    }
}
