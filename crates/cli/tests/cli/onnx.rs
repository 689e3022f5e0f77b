//! Commands with ONNX files.

use std::fs;
use std::path::PathBuf;

use shadernet::weights::generate::generated_input;
use shadernet::weights::{Dtype, Weights, write_safetensors};

use crate::common::place;
use crate::devices::backends;
use crate::support::{execute, shadernet, test_image};

fn model(name: &str) -> PathBuf {
    place::repository().join("tests/onnx").join(name)
}

#[test]
fn run_writes_outputs_by_name_and_number() {
    let folder = tempfile::tempdir().unwrap();
    let expected = Weights::open(model("yunet_n_dynamic.2x3x96x64.expected.safetensors")).unwrap();
    let tensor = generated_input([2, 3, 96, 64]);
    // The name of the graph's input, and the one that always serves.
    for name in ["input", "other"] {
        let input = folder.path().join("input.safetensors");
        write_safetensors(&input, [(name, &tensor)], Dtype::F32).unwrap();
        let output = folder.path().join("output.safetensors");
        let mut run = shadernet();
        run.args(["run", "--backend", backends()[0].name(), "--model"])
            .arg(model("yunet_n_dynamic.onnx"))
            .arg("--input")
            .arg(&input)
            .arg("--output")
            .arg(&output);
        if name == "other" {
            execute(&mut run).fails(&["expected a tensor 'input', found 'other'"]);
            continue;
        }
        execute(&mut run).ok();
        let found = Weights::open(&output).unwrap();
        assert_eq!(found.names().len(), 2 * expected.names().len());
        for name in expected.names() {
            assert_eq!(found.shape(name), expected.shape(name));
            let pairs = (found.read(name).unwrap().into_owned().into_iter())
                .zip(expected.read(name).unwrap().into_owned());
            for (found, expected) in pairs {
                assert!((found - expected).abs() < 1e-4, "{name}");
            }
        }
        assert_eq!(
            found.read("output.0").unwrap(),
            found.read("cls_8").unwrap()
        );
    }
}

#[test]
fn inspect_lists_inputs_outputs_and_operators() {
    let inspect = |more: &[&str]| {
        let mut command = shadernet();
        command
            .arg("inspect")
            .arg(model("FastestDet.onnx"))
            .args(more);
        execute(&mut command).ok()
    };
    let text = inspect(&[]).out;
    for part in ["opset 11", "input", "[1, 3, 352, 352]", "Conv", "device"] {
        assert!(text.contains(part), "{text}");
    }
    let object = &inspect(&["--json"]).json()[0];
    assert_eq!(object["opset"], 11);
    assert_eq!(
        object["inputs"][0]["shape"],
        serde_json::json!([1, 3, 352, 352])
    );
    let operators = object["operators"].as_array().unwrap();
    let conv = operators
        .iter()
        .find(|operator| operator["name"] == "Conv")
        .unwrap();
    assert_eq!(conv["computed"], "device");
    assert_eq!(conv["count"], conv["nodes"].as_array().unwrap().len());
}

#[test]
fn files_that_are_no_models_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.onnx");
    let bytes = fs::read(model("RFB-320.onnx")).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let mut inspect = shadernet();
    inspect.arg("inspect").arg(&path);
    execute(&mut inspect).fails(&["bad.onnx: an ONNX model was expected", "truncated"]);
    let mut run = shadernet();
    run.args([
        "run",
        "--input",
        "in.safetensors",
        "--output",
        "out.safetensors",
        "--model",
    ]);
    execute(run.arg(folder.path().join("gone.onnx"))).fails(&["gone.onnx"]);
    let mut run = shadernet();
    run.args([
        "run",
        "--arch=mlp",
        "--model=a.onnx",
        "--input=a",
        "--output=b",
    ]);
    assert_eq!(execute(&mut run).code, 2);
}

#[test]
fn networks_in_onnx_files_are_planned_summarized_and_timed() {
    let path = model("yunet_n_dynamic.onnx").to_str().unwrap().to_owned();
    let command = |args: &[&str]| execute(shadernet().args(args));
    command(&["summary", &path]).fails(&[
        "its input 'input' is [batch, 3, height, width]: give the size of the image with --input",
    ]);
    let summary = command(&["summary", &path, "--input=64x96", "--json"]).ok();
    assert_eq!(
        summary.json()[0]["layers"].as_array().unwrap()[0]["operator"],
        "Conv2d"
    );
    command(&["summary", &path, "--input=1x64x96"]).fails(&["[1, 1, 64, 96] was given"]);
    let plan = command(&["plan", &path, "--input=64", "--limits=default", "--json"]).ok();
    assert_eq!(plan.json()[0]["weights"], path.as_str());
    let bench = [
        "bench",
        "model",
        &path,
        "--input=64",
        "--rounds=2",
        "--json",
        "--backend",
    ];
    let bench = command(&[&bench[..], &[backends()[0].name()]].concat()).ok();
    assert_eq!(bench.json()[0]["rounds"], 2);
}

#[test]
fn detect_finds_what_onnx_models_find() {
    for (name, picture, label) in [
        ("yunet_n_dynamic.onnx", "astronaut.png", "face"),
        ("RFB-320.onnx", "astronaut.png", "face"),
        ("FastestDet.onnx", "chelsea.png", "cat"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let drawn = folder.path().join("boxes.png");
        let mut detect = shadernet();
        detect
            .args(["detect", "--json", "--threshold", "0.5", "--model"])
            .arg(model(name))
            .arg(test_image(picture))
            .arg("-o")
            .arg(&drawn);
        // What was assumed is said.
        let output = execute(&mut detect).ok().says(&["assumed: ", "--mean"]);
        let found = &output.json()[0]["detections"];
        assert_eq!(found.as_array().unwrap().len(), 1, "{name}: {found}");
        assert_eq!(found[0]["label"], label, "{name}");
        assert!(drawn.is_file());
    }
}

#[test]
fn options_say_how_images_are_prepared() {
    let detect = |more: &[&str]| {
        let mut command = shadernet();
        command
            .args(["detect", "--backend", "cpu", "--model"])
            .arg(model("yunet_n_dynamic.onnx"))
            .arg(test_image("astronaut.png"))
            .args(more);
        execute(&mut command)
    };
    let all = "--size 320x256 --mean 0 --std 0.0039215686 --layout bgr".split(' ');
    let output = detect(&all.collect::<Vec<_>>()).ok();
    assert!(!output.err.contains("assumed"), "{}", output.err);
    assert!(output.out.contains("face"), "{}", output.out);
    // Without light there are no faces.
    let dark = detect(&["--std", "1000"]).ok();
    assert!(dark.out.contains("nothing above"), "{}", dark.out);
    let wrong = detect(&["--layout", "grb"]).says(&["\"rgb\" or \"bgr\" was expected"]);
    assert_eq!(wrong.code, 2);
    detect(&["--std", "0"]).fails(&["std: numbers above zero expected"]);
    detect(&["--mean", "1,2"]).fails(&["mean: 3 numbers, one per channel"]);
    detect(&["--size", "0"]).fails(&["input_size"]);
    let names = tempfile::NamedTempFile::new().unwrap();
    fs::write(names.path(), "visage\n").unwrap();
    let output = detect(&["--labels", names.path().to_str().unwrap()]).ok();
    assert!(output.out.contains("visage"), "{}", output.out);
}

#[test]
fn detectors_neither_classify_nor_segment() {
    for command in ["classify", "segment"] {
        let mut wrong = shadernet();
        wrong
            .args([command, "--backend", "cpu", "--model"])
            .arg(model("RFB-320.onnx"))
            .arg(test_image("astronaut.png"));
        execute(&mut wrong).fails(&["RFB-320.onnx", "detection", "use `shadernet detect`"]);
    }
}

#[test]
fn inspect_lists_all_operators_of_onnx() {
    let mut inspect = shadernet();
    let output = execute(inspect.args(["inspect", "--operators", "--json"])).ok();
    let operators = output.json();
    let of = |name: &str| {
        let found = operators.iter().find(|entry| entry["operator"] == name);
        found.unwrap()["support"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        [of("Conv"), of("NonZero"), of("LSTM")],
        ["device", "import", "not supported"]
    );
    let mut inspect = shadernet();
    let output = execute(inspect.args(["inspect", "--operators"])).ok();
    assert!(output.out.contains("GridSample"), "{}", output.out);
}
