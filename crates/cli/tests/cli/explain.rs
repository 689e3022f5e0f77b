//! `shadernet explain`, with the bundled model and images whose explanations are known.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use shadernet::vision::decode;

use crate::devices;
use crate::support::{chelsea, execute, shadernet, small_model, test_image};

fn explain(args: &[&str]) -> Command {
    let mut command = shadernet();
    command.args(["explain", "--backend", "cpu"]).args(args);
    command
}

fn coffee() -> String {
    test_image("coffee.png").to_str().unwrap().to_owned()
}

/// Checks that a prediction's peak is in the box of left, top, right and bottom.
#[track_caller]
fn assert_peak_in(prediction: &Value, [left, top, right, bottom]: [u64; 4]) {
    let peak = &prediction["heat"]["peak"];
    let [x, y] = ["x", "y"].map(|axis| peak[axis].as_u64().unwrap());
    let inside = (left..right).contains(&x) && (top..bottom).contains(&y);
    assert!(inside, "{x},{y}");
}

/// The cup in `coffee.png`.
const CUP: [u64; 4] = [170, 20, 420, 240];

#[test]
fn devices_agree_that_the_espresso_is_in_the_cup() {
    let backends = devices::backends().into_iter().map(|b| b.name());
    for backend in backends.chain(["cpu", "reference"]) {
        let mut command = shadernet();
        command.args(["explain", "--json", "--backend", backend, &coffee()]);
        let lines = execute(&mut command).ok().json();
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert_eq!(line["image"], coffee());
        assert_eq!(line["size"], serde_json::json!([600, 400]));
        assert_eq!(line["method"], "grad-cam");
        assert_eq!(line["layer"], "act2");
        assert_eq!(line["seen"], serde_json::json!([125.0, 25.0, 475.0, 375.0]));
        let [found] = &line["predictions"].as_array().unwrap()[..] else {
            panic!("{line}");
        };
        assert_eq!(
            (&found["class"], &found["label"]),
            (&967.into(), &"espresso".into())
        );
        assert!((found["probability"].as_f64().unwrap() - 0.951).abs() < 0.01);
        assert!((found["score"].as_f64().unwrap() - 11.39).abs() < 0.1);
        assert_peak_in(found, CUP);
        let heat = &found["heat"];
        assert_eq!((&heat["width"], &heat["height"]), (&7.into(), &7.into()));
        let [min, max, mean, sum] =
            ["min", "max", "mean", "sum"].map(|field| heat[field].as_f64().unwrap());
        assert!(0.0 <= min && min < mean && mean < max, "{heat}");
        assert!((mean * 49.0 - sum).abs() < 1e-6 * sum, "{heat}");
        assert_eq!(found.get("completeness"), None);
    }
}

#[test]
fn every_method_draws_and_finds_the_cup() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("heat.png");
    for (method, settings) in [
        ("grad-cam", vec!["--layer", "blocks.6.0.bn3"]),
        ("grad-cam++", vec![]),
        ("guided-grad-cam", vec![]),
        ("saliency", vec![]),
        ("smooth-grad", vec!["--samples", "3", "--noise", "0.1"]),
        ("integrated-gradients", vec!["--steps", "8"]),
        ("occlusion", vec!["--window", "56", "--stride", "56"]),
    ] {
        let mut command = explain(&[&coffee(), "--json", "--method", method]);
        let run = execute(command.args(settings).arg("-o").arg(&out)).ok();
        let line = &run.json()[0];
        assert_eq!(line["method"], method);
        assert_eq!(line["drawn"], out.to_str().unwrap());
        assert_eq!(line.get("layer").is_some(), method.contains("cam"));
        let found = &line["predictions"][0];
        assert_eq!(found["label"], "espresso");
        // With methods that work on pixels, the hottest pixel may be outside the cup, but not outside the
        // crop.
        let inside = match method {
            "saliency" | "integrated-gradients" | "smooth-grad" => [125, 25, 475, 375],
            _ => CUP,
        };
        assert_peak_in(found, inside);
        let drawn = decode(&out).unwrap();
        assert!(drawn.width() >= 600 && drawn.height() > 400, "{method}");
        fs::remove_file(&out).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn integrated_gradients_report_how_well_they_add_up() {
    // With two steps they do not add up.
    let args = [
        &chelsea(),
        "--method",
        "integrated-gradients",
        "--steps",
        "2",
    ];
    let run = execute(&mut explain(&[&args[..], &["--json"]].concat())).ok();
    let added = &run.json()[0]["predictions"][0]["completeness"];
    let number = |field: &str| added[field].as_f64().unwrap();
    let error = (number("attributed") - number("difference")).abs() / number("difference").abs();
    assert!(
        (100.0 * error - number("error_percent")).abs() < 1e-6,
        "{added}"
    );
    assert_eq!(added["steps"], 2);
    assert!(error > 0.01, "{added}");
    run.says(&[
        "chelsea.png: tiger cat: the attributions add up to ",
        "increase --steps",
    ]);
    let run = execute(&mut explain(&args)).ok();
    assert!(run.out.contains(" % off, 2 steps"), "{}", run.out);
}

#[test]
fn several_classes_are_drawn_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("heat.png");
    let run = |args: &[&str]| {
        let mut command = explain(&[&chelsea(), "--json", "-o", out.to_str().unwrap()]);
        command.args(args);
        let line = execute(&mut command).ok().json().swap_remove(0);
        let classes: Vec<u64> = (line["predictions"].as_array().unwrap().iter())
            .map(|found| found["class"].as_u64().unwrap())
            .collect();
        (classes, decode(&out).unwrap().dimensions())
    };
    let (classes, (one, height)) = run(&["--class", "tabby cat"]);
    assert_eq!(classes, [281]);
    // In the order given: a label, one in another case, an index.
    let (classes, (three, same)) =
        run(&["--class", "Tiger Cat", "--class", "tabby", "--class", "285"]);
    assert_eq!(classes, [282, 281, 285]);
    assert_eq!(same, height);
    assert!(three >= 2 * one + 451 && three <= 3 * one, "{one} {three}");
    let (classes, (top, _)) = run(&["--top", "3"]);
    assert_eq!(
        (classes.as_slice(), top),
        ([282, 285, 281].as_slice(), three)
    );
}

#[test]
fn invalid_images_are_reported_and_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.png");
    fs::write(&text, "not an image").unwrap();
    let out = folder.path().join("heat");
    let mut command = explain(&[
        &coffee(),
        text.to_str().unwrap(),
        &chelsea(),
        "--json",
        "-o",
    ]);
    let run = execute(command.arg(&out));
    assert_eq!(run.code, 1);
    let lines = run.json();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["predictions"][0]["class"], 967);
    assert!(lines[1]["error"].as_str().unwrap().contains("text.png"));
    assert_eq!(lines[2]["predictions"][0]["class"], 282);
    run.says(&["text.png: an image was expected", "1 failed"]);
    let mut names: Vec<_> = (fs::read_dir(&out).unwrap())
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["chelsea.png", "coffee.png"]);
    // The input images are not overwritten.
    let copy = folder.path().join("copy.png");
    fs::copy(coffee(), &copy).unwrap();
    let copy = copy.to_str().unwrap();
    execute(&mut explain(&[copy, "-o", copy])).fails(&["this is the input image"]);
    assert_eq!(fs::read(copy).unwrap(), fs::read(coffee()).unwrap());
}

#[test]
fn layers_are_listed() {
    // Without an image and without a device.
    let run = execute(shadernet().args(["explain", "--layer", "?", "--json"])).ok();
    let layers = run.json();
    let default: Vec<_> = layers
        .iter()
        .filter(|layer| layer["default"] == true)
        .collect();
    assert_eq!(default.len(), 1);
    assert_eq!(default[0]["layer"], "act2");
    assert_eq!(default[0]["operator"], "ReLU6");
    assert_eq!(default[0]["shape"], serde_json::json!([1, 1280, 7, 7]));
    let text = execute(shadernet().args(["explain", "--layer", "?"]))
        .ok()
        .out;
    assert!(text.lines().last().unwrap().ends_with("default"), "{text}");
}

#[test]
fn invalid_arguments_are_reported_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("made/here");
    let image = coffee();
    for (args, parts) in [
        (
            ["--layer", "blocks.6.0.b3"],
            ["unknown layer 'blocks.6.0.b3'", "blocks.6.0.bn3"],
        ),
        (
            ["--layer", "global_pool"],
            ["'global_pool'", "not a map of several pixels"],
        ),
        (
            ["--class", "espreso"],
            ["no class 'espreso'", "espresso (967)"],
        ),
        (
            ["--class", "missile"],
            ["missile (657), missile (744)", "give the index"],
        ),
        (["--class", "1000"], ["no class 1000", "there are 1000"]),
        (
            ["--model", "yolov3_tiny"],
            ["classification", "shadernet detect"],
        ),
    ] {
        execute(explain(&[&image, "-o"]).arg(&out).args(args)).fails(&parts);
    }
    let window = ["--method", "occlusion", "--window", "225"];
    execute(explain(&[&image, "-o"]).arg(&out).args(window)).fails(&["225", "224x224"]);
    for (args, part) in [
        (
            vec!["--samples", "3"],
            "--samples is for --method smooth-grad",
        ),
        (
            vec!["--method", "saliency", "--layer", "act2"],
            "--layer is for --method grad-cam",
        ),
        (
            vec!["--method", "smooth-grad", "--steps", "3"],
            "--steps is for --method integrated",
        ),
        (vec!["--stride", "3"], "--stride is for --method occlusion"),
    ] {
        let run = execute(explain(&[&image, "-o"]).arg(&out).args(args));
        assert_eq!((run.code, run.out.as_str()), (2, ""));
        run.says(&["error: ", part]);
    }
    let run = execute(&mut explain(&["--layer", "act2"]));
    assert_eq!(run.code, 2);
    run.says(&["expected an image"]);
    assert!(!folder.path().join("made").exists());
    // Also a file that cannot be written.
    let nowhere = folder.path().join("no/heat.png");
    execute(explain(&[&image, "-o"]).arg(nowhere)).fails(&["there is no folder"]);
}

#[test]
fn other_models_are_explained() {
    let mut command = explain(&[&chelsea(), "--json", "--class", "kind 3", "--model"]);
    let run = execute(command.arg(small_model())).ok();
    let line = &run.json()[0];
    assert_eq!(line["predictions"][0]["class"], 3);
    let heat = &line["predictions"][0]["heat"];
    assert_eq!((&heat["width"], &heat["height"]), (&2.into(), &2.into()));
    assert!(Path::new(line["image"].as_str().unwrap()).is_file());
}
