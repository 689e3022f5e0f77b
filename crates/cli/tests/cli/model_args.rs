//! Networks that a `config.json` of timm describes by more than their name.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use shadernet::weights::{Dtype, Weights};

use crate::common::{place, write_weights};
use crate::support::{
    CommandOutput, chelsea, execute, shadernet, small_config, small_graph, write_config,
};

/// The weights of ResNet-18 without its classifier.
fn features() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let file = place::scratch().join("resnet18_features.safetensors");
        let weights = Weights::generated(&small_graph(), 1.0);
        let names: Vec<String> = weights
            .names()
            .filter(|name| !name.starts_with("fc."))
            .map(str::to_owned)
            .collect();
        let tensors = names.into_iter().map(|name| {
            let shape = weights.shape(&name).unwrap().clone();
            let data = weights.read(&name).unwrap().into_owned();
            (name, shadernet::tensor::Tensor::new(shape, data).unwrap())
        });
        write_weights(
            &file,
            &Weights::from_tensors("features", tensors),
            Dtype::F16,
        );
        file
    })
}

/// Runs a command on a folder of the small model without its classifier.
fn without_classifier(args: &[&str], config: &Value) -> CommandOutput {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &config.to_string());
    std::fs::copy(features(), folder.path().join("model.safetensors")).unwrap();
    let folder = folder.path().to_str().unwrap();
    let args = args
        .iter()
        .map(|arg| if *arg == "MODEL" { folder } else { arg });
    execute(shadernet().args(args))
}

/// As timm writes it for `create_model(..., num_classes=0)`.
#[test]
fn networks_without_a_classifier_have_features() {
    let mut config = small_config();
    config["num_classes"] = json!(0);
    config["pretrained_cfg"]["num_classes"] = json!(0);
    config["global_pool"] = json!("avg");
    config["model_args"] = json!({"num_classes": 0, "in_chans": 3, "global_pool": "avg"});
    config.as_object_mut().unwrap().remove("label_names");

    let run = without_classifier(&["summary", "MODEL"], &config).ok();
    assert!(run.out.contains("[1, 512]"), "{}", run.out);
    assert!(!run.out.contains("Linear"), "{}", run.out);
    let image = chelsea();
    let args = [
        "features",
        &image,
        "--model",
        "MODEL",
        "--layer",
        "layer4.1.relu",
        "--backend",
        "cpu",
    ];
    without_classifier(&args, &config).ok();
    // What needs classes says so.
    let classify = ["classify", &image, "--model", "MODEL", "--backend", "cpu"];
    without_classifier(&classify, &config).fails(&["config.json: num_classes is 0"]);

    // Without its pooling, too.
    config["global_pool"] = Value::Null;
    config["model_args"]["global_pool"] = json!("");
    let run = without_classifier(&["summary", "MODEL"], &config).ok();
    assert!(run.out.contains("[1, 512, 2, 2]"), "{}", run.out);
}

/// Another pooling is another result, and what cannot be built is refused by every command.
#[test]
fn arguments_change_the_network_or_are_refused() {
    let image = chelsea();
    let classify = |config: &Value| {
        let folder = crate::support::model_with(&config.to_string(), |_| {});
        let mut command = shadernet();
        command.args(["classify", &image, "--json", "--backend", "cpu", "--model"]);
        execute(command.arg(folder.path()))
    };
    let top = |config: &Value| {
        let first = classify(config).ok().json()[0]["predictions"][0].clone();
        (
            first["class"].clone(),
            first["probability"].as_f64().unwrap(),
        )
    };
    let config = small_config();
    let averaged = top(&config);
    let mut same = config.clone();
    same["global_pool"] = json!("avg");
    same["model_args"] = json!({"global_pool": "fast", "drop_rate": 0.5});
    assert_eq!(top(&same), averaged);
    let variants = [
        json!({"global_pool": "max"}),
        json!({"global_pool": "avgmax"}),
        json!({"act_layer": "silu"}),
        json!({"output_stride": 16}),
        json!({"bn_eps": 0.1}),
    ];
    for args in variants {
        let mut other = config.clone();
        other["model_args"] = args.clone();
        let found = top(&other);
        assert!(
            (found.1 - averaged.1).abs() > 1e-4,
            "{args}: {found:?} {averaged:?}"
        );
    }
    let mut refused = config;
    refused["model_args"] = json!({"stem_type": "deep"});
    classify(&refused).fails(&["config.json: key 'model_args.stem_type'", "found \"deep\""]);
}
