//! `shadernet classify` with several crops and several models.

use std::process::Command;

use serde_json::{Value, json};

use crate::devices;
use crate::support::{
    chelsea, classify, copies, execute, model_with, shadernet, small_config, small_model,
    test_image,
};

fn predictions(command: &mut Command) -> Vec<Value> {
    let lines = execute(command).ok().json();
    let images = lines.into_iter();
    images.map(|line| line["predictions"].clone()).collect()
}

/// The same model, whose images are cropped differently.
fn other_model() -> tempfile::TempDir {
    let mut config = small_config();
    config["pretrained_cfg"]["crop_pct"] = json!(0.7);
    model_with(&config.to_string(), |_| ())
}

#[test]
fn a_model_with_itself_prints_the_same() {
    for backend in (devices::backends().into_iter().map(|b| b.name())).chain(["cpu", "reference"]) {
        let run = |models: usize, args: &[&str]| {
            let mut command = shadernet();
            command.args(["classify", "--json", "--backend", backend, &chelsea()]);
            for _ in 0..models {
                command.arg("--model").arg(small_model());
            }
            execute(command.args(args)).ok().out
        };
        let single = run(1, &[]);
        assert_eq!(run(2, &["--weights", "2,0.1"]), single, "{backend}");
        assert_eq!(run(2, &["--average", "logits"]), single, "{backend}");
        assert_eq!(run(1, &["--crops", "1"]), single, "{backend}");
        assert_ne!(run(1, &["--flip"]), single, "{backend}");
    }
}

#[test]
fn every_format_and_batch_gives_the_same_means() {
    let other = other_model();
    let folder = copies(3);
    let command = || {
        let mut command = classify();
        command.arg("--model").arg(other.path());
        command.args(["--weights", "1,3", "--crops", "10", "--top", "10"]);
        command.arg(chelsea()).arg(folder.path());
        command
    };
    let expected = predictions(command().arg("--json"));
    assert_eq!(expected.len(), 4);
    assert_eq!(expected[1], expected[3]);
    assert_ne!(expected[0], expected[1]);
    let probability = |class: &Value| class["probability"].as_f64().unwrap();
    let sum: f64 = (expected[0].as_array().unwrap().iter().map(probability)).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    for batch in ["2", "3", "100"] {
        let found = predictions(command().args(["--json", "--batch", batch]));
        for (found, expected) in found.iter().zip(&expected) {
            for (found, expected) in found
                .as_array()
                .unwrap()
                .iter()
                .zip(expected.as_array().unwrap())
            {
                assert_eq!(found["class"], expected["class"]);
                assert!((probability(found) - probability(expected)).abs() < 1e-5);
            }
        }
    }
    let csv = execute(command().arg("--csv")).ok().out;
    assert_eq!(csv.lines().count(), 1 + 4 * 10);
    let first = &expected[0][0];
    let row = format!(",{},{},", first["class"], first["label"].as_str().unwrap());
    assert!(csv.lines().nth(1).unwrap().contains(&row), "{csv}");
    let text = execute(&mut command()).ok().out;
    assert_eq!(text.lines().count(), 4 * 11);
}

/// `--crops 10` is five crops with `--flip`, and each kind gives other means.
#[test]
fn crops_differ() {
    let run = |args: &[&str]| {
        predictions(classify().args(["--json", &chelsea()]).args(args)).swap_remove(0)
    };
    assert_eq!(run(&["--crops", "10"]), run(&["--crops", "5", "--flip"]));
    assert_eq!(run(&["--crops", "10"]), run(&["--crops", "10", "--flip"]));
    let kinds: Vec<Value> = ["1", "5", "10", "grid"]
        .map(|crops| run(&["--crops", crops]))
        .into();
    for (i, a) in kinds.iter().enumerate() {
        assert!(kinds[..i].iter().all(|b| a != b), "{a}");
    }
    assert_ne!(run(&["--crops", "5", "--average", "logits"]), kinds[1]);
}

#[test]
fn images_that_fail_are_skipped() {
    let text = tempfile::NamedTempFile::with_suffix(".png").unwrap();
    std::fs::write(text.path(), "a text").unwrap();
    let mut command = classify();
    command
        .arg(text.path())
        .args([&chelsea(), "--crops", "5", "--batch", "2", "--json"]);
    let run = execute(&mut command);
    assert_eq!(run.code, 1);
    let lines = run.json();
    assert!(lines[0]["error"].is_string());
    assert!(lines[1]["predictions"].is_array());
}

#[test]
fn models_of_other_classes_are_refused() {
    let mut config = small_config();
    config["label_names"][3] = json!("kind three");
    let renamed = model_with(&config.to_string(), |_| ());
    let path = renamed.path().to_str().unwrap();
    let mut command = classify();
    command.args([&chelsea(), "--model", path]);
    execute(&mut command).fails(&[
        path,
        small_model().to_str().unwrap(),
        "its class 3 is 'kind 3', here it is 'kind three'",
        "--labels",
    ]);
    // Both get the names of a file.
    let labels = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(labels.path(), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").unwrap();
    execute(command.arg("--labels").arg(labels.path())).ok();

    let mut command = classify();
    command.args([&chelsea(), "--model", "efficientnet_lite0"]);
    execute(&mut command).fails(&["efficientnet_lite0", "has 10 classes, this one 1000"]);
}

#[test]
fn wrong_options_are_named() {
    let usage = |args: &[&str], expected: &str| {
        let run = execute(classify().arg(chelsea()).args(args));
        assert_eq!(run.code, 2, "{}", run.err);
        assert!(run.err.contains(expected), "{}", run.err);
    };
    usage(
        &["--crops", "7"],
        "unknown crops '7' (known: 1, 5, 10, grid)",
    );
    usage(&["--average", "mean"], "known: probabilities, logits");
    usage(
        &["--weights", "1,2"],
        "expected 1 numbers, one for each --model, found 2",
    );
    usage(&["--weights", "0"], "expected a number above 0");
    let run = execute(shadernet().args(["classify", "--weights", "1", &chelsea()]));
    assert_eq!(run.code, 2, "{}", run.err);

    // The whole image is the network's input.
    let mut config = small_config();
    config["pretrained_cfg"]["crop_mode"] = json!("squash");
    config["pretrained_cfg"]["crop_pct"] = json!(1.0);
    let whole = model_with(&config.to_string(), |_| ());
    let mut command = shadernet();
    command.args(["classify", "--backend", "cpu", "--crops", "grid", "--model"]);
    command.arg(whole.path()).arg(test_image("rocket.jpg"));
    execute(&mut command).fails(&["all crops of an image would be equal", "crop_mode squash"]);
}
