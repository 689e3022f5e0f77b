//! `shadernet models`, and model folders on the command line.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{
    CommandOutput, chelsea, execute, model_with, shadernet, small_config, small_model, write_config,
};

fn classify_with(model: &Path) -> CommandOutput {
    let mut command = shadernet();
    command.args(["classify", "--backend", "cpu", "--json", &chelsea()]);
    execute(command.arg("--model").arg(model))
}

#[test]
fn a_folder_from_the_hub_runs_unchanged() {
    let mut command = shadernet();
    command.args(["classify", "--backend", "cpu", "--top", "99", "--json"]);
    let run = execute(command.arg(chelsea()).arg("--model").arg(small_model())).ok();
    let lines = run.json();
    let classes = lines[0]["predictions"].as_array().unwrap();
    assert_eq!(classes.len(), 10);
    let sum: f64 = classes
        .iter()
        .map(|c| c["probability"].as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    for class in classes {
        assert_eq!(class["label"], format!("kind {}", class["class"]));
    }
}

#[test]
fn models_are_found_by_name() {
    let mut command = shadernet();
    command.args(["classify", "--backend", "cpu", &chelsea()]);
    command.env("SHADERNET_MODELS", small_model());
    let run = execute(command.args(["--model", "resnet18_ten", "--top", "10"])).ok();
    assert_eq!(run.out.matches("kind ").count(), 10, "{}", run.out);

    let mut command = shadernet();
    command.args(["classify", "--backend", "cpu", &chelsea()]);
    execute(command.args(["--model", "no_such"])).fails(&[
        "no_such: no model folder of that name",
        "known are efficientnet_lite0",
        "SHADERNET_MODELS",
    ]);
}

#[test]
fn damaged_folders_are_rejected() {
    let config = small_config().to_string();
    let changed = |key: &str, value: Value| {
        let mut config = small_config();
        config[key] = value;
        config.to_string()
    };
    let fails = |config: &str, parts: &[&str]| {
        let model = model_with(config, |_| {});
        classify_with(model.path()).fails(parts);
    };
    fails(
        "{\"architecture\":",
        &["config.json: JSON was expected", "line 1 column 16"],
    );
    fails("resnet18", &["config.json: JSON was expected"]);
    fails(
        &changed("architecture", json!("resnet81")),
        &[
            "config.json: ",
            "unknown architecture 'resnet81'; did you mean 'resnet18'",
        ],
    );
    fails(
        &changed("architecture", Value::Null),
        &["key 'architecture' is missing"],
    );
    fails(
        &changed("label_names", json!(["one"])),
        &["label_names", "10 names", "found 1"],
    );
    // Weights for ten classes, a configuration for seven: both tensors of the classifier differ.
    let mut seven = small_config();
    seven["num_classes"] = 7.into();
    seven["label_names"].as_array_mut().unwrap().truncate(7);
    fails(
        &seven.to_string(),
        &[
            "model.safetensors: 2 tensors cannot be used",
            "'fc.weight': expected shape [7, 512], found [10, 512]",
            "'fc.bias': expected shape [7], found [10]",
        ],
    );
    let model = model_with(&config, |header| header["fc.bias"]["dtype"] = "I16".into());
    classify_with(model.path()).fails(&["'fc.bias': found dtype I16"]);
    fs::remove_file(model.path().join("model.safetensors")).unwrap();
    classify_with(model.path()).fails(&["model.safetensors is missing"]);
    fs::remove_file(model.path().join("config.json")).unwrap();
    classify_with(model.path()).fails(&["config.json is missing"]);
}

#[test]
fn models_lists_architectures_and_folders() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    fs::create_dir(&broken).unwrap();
    write_config(&broken, "{}");
    let mut command = shadernet();
    command.arg("models");
    let places = [small_model(), folder.path()];
    command.env("SHADERNET_MODELS", std::env::join_paths(places).unwrap());

    let text = execute(&mut command).ok();
    assert_eq!(text.err, "");
    for part in [
        "efficientnet_lite0",
        "tf_efficientnet_lite0",
        "resnet18",
        "resnet18_ten",
    ] {
        assert!(text.out.contains(part), "{}", text.out);
    }
    assert!(
        text.out.contains("model.safetensors is missing"),
        "{}",
        text.out
    );

    let lines = execute(command.arg("--json")).ok().json();
    let models: Vec<&Value> = lines.iter().filter(|l| l.get("model").is_some()).collect();
    for line in lines.iter().filter(|line| line.get("model").is_none()) {
        assert!(line["architecture"].is_string() && line["aliases"].is_array());
        assert!(line["family"].is_string() && line["description"].is_string());
        assert_eq!(line["input_size"].as_array().unwrap().len(), 3);
    }
    assert!(lines.len() > models.len());
    assert_eq!(models[0]["model"], "resnet18_ten");
    assert_eq!(models[0]["architecture"], "resnet18");
    assert_eq!(models[0]["num_classes"], 10);
    assert_eq!(models[0]["folder"], small_model().to_str().unwrap());
    assert_eq!(models[1]["model"], "broken");
    assert!(models[1]["error"].as_str().unwrap().contains("missing"));
    assert_eq!(models[2]["model"], "efficientnet_lite0");
}
