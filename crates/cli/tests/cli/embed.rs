//! `shadernet embed`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use shadernet::weights::Weights;

use crate::support::{chelsea, copies, execute, shadernet, small_model, test_image};

fn embed() -> Command {
    let mut command = shadernet();
    command.args(["embed", "--backend", "cpu", "--model"]);
    command.arg(small_model());
    command
}

/// The rows of a file, and its images.
fn read(path: &Path) -> (Vec<Vec<f32>>, Vec<String>) {
    match path.extension().unwrap().to_str().unwrap() {
        "safetensors" => {
            let file = Weights::open(path).unwrap();
            let width = file.shape("vectors").unwrap().dims()[1];
            let data = file.read("vectors").unwrap();
            let images = serde_json::from_str(file.metadata("images").unwrap()).unwrap();
            (data.chunks(width).map(<[f32]>::to_vec).collect(), images)
        }
        "npy" => {
            let bytes = fs::read(path).unwrap();
            assert_eq!(&bytes[..10], b"\x93NUMPY\x01\0\x76\0");
            let header = std::str::from_utf8(&bytes[10..128]).unwrap();
            assert!(header.ends_with(" \n"), "{header:?}");
            let shape = header.split_once("'shape': (").unwrap().1;
            let (rows, rest) = shape.split_once(", ").unwrap();
            let width: usize = rest.split_once(')').unwrap().0.parse().unwrap();
            assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, "));
            let data: Vec<f32> = (bytes[128..].as_chunks().0.iter())
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect();
            let rows: usize = rows.parse().unwrap();
            assert_eq!(data.len(), rows * width);
            let about = fs::read_to_string(path.with_extension("json")).unwrap();
            let about: Value = serde_json::from_str(&about).unwrap();
            assert_eq!(about["l2"], false);
            let images = serde_json::from_value(about["images"].clone()).unwrap();
            (data.chunks(width).map(<[f32]>::to_vec).collect(), images)
        }
        _ => {
            let text = fs::read_to_string(path).unwrap();
            let mut rows = text.lines();
            let header = rows.next().unwrap();
            assert!(
                header.starts_with("image,v0,v1,") && header.ends_with(",v511"),
                "{header}"
            );
            (rows.map(|row| {
                let (image, values) = row.split_once(',').unwrap();
                let values = values
                    .split(',')
                    .map(|value| value.parse().unwrap())
                    .collect();
                (values, image.to_owned())
            }))
            .unzip()
        }
    }
}

#[test]
fn every_format_has_the_vectors_and_the_images_names() {
    let folder = copies(2);
    let [first, second] =
        ["000.jpg", "001.jpg"].map(|name| folder.path().join(name).display().to_string());
    let names = [first, second, chelsea()];
    let lines = execute(embed().arg("--json").arg(folder.path()).arg(chelsea()))
        .ok()
        .json();
    let expected: Vec<Vec<f32>> = (lines.iter())
        .map(|line| serde_json::from_value(line["vector"].clone()).unwrap())
        .collect();
    assert_eq!(expected[0], expected[1]);
    assert_ne!(expected[0], expected[2]);
    assert!(expected.iter().all(|vector| vector.len() == 512));
    let norm = lines[2]["norm"].as_f64().unwrap();
    let squares: f64 = expected[2].iter().map(|v| f64::from(*v).powi(2)).sum();
    assert!((norm - squares.sqrt()).abs() < 1e-6 * norm);
    for name in ["out.safetensors", "out.npy", "out.csv"] {
        let out = folder.path().join(name);
        let mut command = embed();
        command
            .arg(folder.path())
            .args([&chelsea(), "--json", "-o"])
            .arg(&out);
        let run = execute(&mut command).ok();
        assert!(
            run.err
                .contains(&format!("{name}: 3 vectors of 512 values")),
            "{}",
            run.err
        );
        let (rows, images) = read(&out);
        assert_eq!(images, names, "{name}");
        assert_eq!(rows, expected, "{name}");
        for (i, line) in run.json().iter().enumerate() {
            assert_eq!(line["row"], i);
            assert_eq!(line["dimensions"], 512);
            assert!(line["vector"].is_null());
        }
        // Batches have their own rounding.
        let run = execute(command.args(["--batch", "2"])).ok();
        assert_eq!(run.json().len(), 3);
        for (found, expected) in read(&out).0.iter().zip(&expected) {
            assert!(
                found
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| (a - b).abs() < 1e-3),
                "{name}"
            );
        }
    }
}

#[test]
fn images_that_fail_have_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let [broken, out] = ["broken.png", "out.safetensors"].map(|name| folder.path().join(name));
    fs::write(&broken, "a text").unwrap();
    let mut command = embed();
    command
        .arg(&broken)
        .args([&chelsea(), "--l2", "-o"])
        .arg(&out);
    let run = execute(&mut command);
    assert_eq!(run.code, 1);
    let run = run.says(&["broken.png: ", "out.safetensors: 1 vectors of 512 values"]);
    assert!(
        run.out.contains("\n  row 0: 512 values, norm 1.0000\n"),
        "{}",
        run.out
    );
    let (rows, images) = read(&out);
    assert_eq!(images, [chelsea()]);
    let squares: f64 = rows[0].iter().map(|v| f64::from(*v).powi(2)).sum();
    assert!((squares - 1.0).abs() < 1e-5);
    assert_eq!(Weights::open(&out).unwrap().metadata("l2"), Some("true"));

    // An older file stays where no image could be read.
    let before = fs::read(&out).unwrap();
    let run = execute(embed().arg(&broken).arg("-o").arg(&out));
    assert_eq!(run.code, 1);
    assert_eq!(fs::read(&out).unwrap(), before);
}

#[test]
fn layers_are_listed_and_taken() {
    let list = execute(embed().args(["--layer", "?", "--json"]))
        .ok()
        .json();
    let default: Vec<&Value> = list.iter().filter(|line| line["default"] == true).collect();
    assert_eq!(default.len(), 1);
    assert_eq!(default[0]["shape"], serde_json::json!([1, 512]));
    let layer = default[0]["layer"].as_str().unwrap();
    let vector = |args: &[&str]| {
        let mut command = embed();
        let line = execute(command.args(["--json", &chelsea()]).args(args))
            .ok()
            .json()
            .swap_remove(0);
        line["vector"].clone()
    };
    assert_eq!(vector(&[]), vector(&["--layer", layer]));
    assert_eq!(
        vector(&["--layer", "layer1.0.relu1"])
            .as_array()
            .map(Vec::len),
        Some(64)
    );
    let table = execute(embed().args(["--layer", "?"])).ok().out;
    assert!(table.contains("default"), "{table}");
    let text = execute(embed().arg(chelsea())).ok().out;
    assert!(
        text.lines()
            .nth(1)
            .unwrap()
            .starts_with("  512 values, norm "),
        "{text}"
    );

    execute(embed().args(["--layer", "layer1.0.relu9", &chelsea()]))
        .fails(&["unknown layer 'layer1.0.relu9'; did you mean 'layer1.0.relu"]);
    let mut command = shadernet();
    command.args([
        "embed",
        "--backend",
        "cpu",
        "--model",
        "yolov3_tiny",
        &chelsea(),
    ]);
    execute(&mut command).fails(&["a classifier was expected", "--layer '?'"]);
}

#[test]
fn wrong_outputs_are_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let run = |args: &[&str]| execute(embed().args(args));
    let usage = |args: &[&str], expected: &str| {
        let run = run(args);
        assert_eq!(run.code, 2, "{}", run.err);
        run.says(&[expected]);
    };
    usage(
        &[&chelsea(), "-o", &path("out.txt")],
        "expected a .safetensors, .npy or .csv file",
    );
    usage(&["--layer", "fc"], "only --layer '?' works without them");
    usage(&[], "IMAGE");
    run(&[&chelsea(), "-o", &path("none/out.npy")]).fails(&["out.npy"]);
    // The names would replace the labels.
    let labels = path("out.json");
    fs::write(&labels, "a\n").unwrap();
    run(&[&chelsea(), "--labels", &labels, "-o", &path("out.npy")])
        .fails(&["out.json", "this is an input of the command"]);
    let image = path("image.csv");
    fs::copy(test_image("chelsea.png"), &image).unwrap();
    run(&[&image, "-o", &image]).fails(&["this is an input of the command"]);
}
