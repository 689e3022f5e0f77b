//! `shadernet features`.

use std::fs;
use std::process::Command;

use serde_json::json;
use shadernet::vision::decode;

use crate::devices;
use crate::support::{chelsea, execute, shadernet};

fn features(args: &[&str]) -> Command {
    let mut command = shadernet();
    command.args(["features", "--backend", "cpu"]).args(args);
    command
}

#[test]
fn channels_are_sorted_by_strength_on_every_device() {
    let backends = devices::backends().into_iter().map(|b| b.name());
    let strongest: Vec<_> = (backends.chain(["cpu", "reference"]))
        .map(|backend| {
            let mut command = shadernet();
            command.args([
                "features",
                "--json",
                "--layer",
                "blocks.1.1.add",
                "--top",
                "5",
            ]);
            command.args(["--backend", backend, &chelsea()]);
            let line = execute(&mut command).ok().json().swap_remove(0);
            assert_eq!(line["layer"], "blocks.1.1.add");
            assert_eq!(line["shape"], json!([1, 24, 56, 56]));
            assert_eq!(line["size"], json!([451, 300]));
            let channels = line["channels"].as_array().unwrap().clone();
            assert_eq!(channels.len(), 5);
            let largest: Vec<f64> = (channels.iter())
                .map(|channel| channel["largest"].as_f64().unwrap())
                .collect();
            assert!(largest.is_sorted_by(|a, b| a >= b), "{largest:?}");
            for channel in &channels {
                assert!((0.0..=1.0).contains(&channel["active"].as_f64().unwrap()));
            }
            // At the edge of the left eye.
            let peak = &channels[0]["peak"];
            assert!(peak["x"].as_u64().unwrap().abs_diff(147) <= 5, "{peak}");
            assert!(peak["y"].as_u64().unwrap().abs_diff(133) <= 5, "{peak}");
            channels[0]["channel"].clone()
        })
        .collect();
    let is_same = strongest.iter().all(|channel| *channel == 8);
    assert!(is_same, "{strongest:?}");
}

#[test]
fn sheets_grow_with_the_channels_and_with_projections() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sheet.png");
    let size = |args: &[&str]| {
        let mut command = features(&[&chelsea(), "--layer", "blocks.1.1.add", "-o"]);
        let run = execute(command.arg(&out).args(args)).ok();
        assert!(
            run.out
                .starts_with("blocks.1.1.add, 24 channels of 56x56\n"),
            "{}",
            run.out
        );
        (decode(&out).unwrap().dimensions(), run.out.lines().count())
    };
    let ((four, _), lines) = size(&["--top", "4"]);
    assert_eq!(lines, 3 + 4);
    let ((all, height), lines) = size(&["--top", "0"]);
    assert_eq!(lines, 3 + 24);
    assert!(all > four && height > 4 * 112, "{all} {height}");
    let ((projected, _), _) = size(&["--top", "4", "--project"]);
    assert!(projected > four + 300, "{projected} {four}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn all_draws_one_sheet_per_stage_of_any_model() {
    for (model, stages) in [("efficientnet_lite0", 5), ("yolov3_tiny", 7)] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("made/here");
        let mut command = features(&[
            &chelsea(),
            "--all",
            "--top",
            "2",
            "--json",
            "--model",
            model,
        ]);
        let lines = execute(command.arg("-o").arg(&out)).ok().json();
        assert_eq!(lines.len(), stages, "{model}");
        for line in &lines {
            let drawn = line["drawn"].as_str().unwrap();
            let name = format!("{}.png", line["layer"].as_str().unwrap());
            assert_eq!(drawn, out.join(name).to_str().unwrap());
            decode(drawn).unwrap();
        }
        assert_eq!(fs::read_dir(&out).unwrap().count(), stages);
    }
}

#[test]
fn layers_are_listed() {
    let run = execute(shadernet().args(["features", "--layer", "?", "--json"])).ok();
    let layers = run.json();
    assert_eq!(layers[0]["layer"], "conv_stem");
    assert_eq!(layers[0]["shape"], json!([1, 32, 112, 112]));
    assert_eq!(
        layers.iter().filter(|layer| layer["stage"] == true).count(),
        5
    );
}

#[test]
fn invalid_arguments_are_reported_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("made");
    let run = |args: &[&str]| execute(features(args).arg("-o").arg(&out));
    let image = chelsea();
    run(&[&image, "--layer", "blocks.1.1.ad"]).fails(&["unknown layer", "blocks.1.1.add"]);
    run(&[&image, "--layer", "classifier"]).fails(&["'classifier'", "not a map"]);
    run(&["missing.png", "--layer", "act2"]).fails(&["missing.png: "]);
    assert!(!out.exists());
    let usage = execute(&mut features(&["--layer", "act2"]));
    assert_eq!(usage.code, 2);
    usage.says(&["expected an image"]);
    let usage = execute(&mut features(&[&image, "--all", "-o", &image]));
    assert_eq!(usage.code, 2);
    // The input image is not overwritten.
    let copy = folder.path().join("copy.png");
    fs::copy(&image, &copy).unwrap();
    let copy = copy.to_str().unwrap();
    execute(&mut features(&[copy, "--layer", "act2", "-o", copy]))
        .fails(&["this is the input image"]);
    assert_eq!(fs::read(copy).unwrap(), fs::read(&image).unwrap());
}

#[test]
fn stages_are_summarized_in_a_row_each() {
    let image = chelsea();
    let run = |args: &[&str]| execute(features(&[&image, "--all"]).args(args)).ok();
    let json = run(&["--json"]).json();
    let text = run(&[]).out;
    let rows: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(rows.len(), json.len(), "{text}");
    for (row, layer) in rows.iter().zip(&json) {
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[0], layer["layer"].as_str().unwrap());
        assert_eq!(cells[1], layer["shape"][1].to_string());
        assert_eq!(cells[3], format!("#{}", layer["channels"][0]["channel"]));
    }
    execute(&mut features(&[&image, "--layer", "layer9"])).fails(&[
        "unknown layer 'layer9'",
        "tip: --layer '?' lists the layers",
    ]);
}
