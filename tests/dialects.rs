//! Checkpoints in the names of another library.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::write_weights;
use serde_json::json;
use shadernet::device::Device;
use shadernet::graph::Graph;
use shadernet::model_folder::ModelFolder;
use shadernet::reference::Reference;
use shadernet::session::{Session, SessionOptions};
use shadernet::tasks::{Classifier, Prediction};
use shadernet::tensor::{Shape, Tensor};
use shadernet::vision::decode;
use shadernet::weights::generate::generated_input;
use shadernet::weights::{Dtype, Weights, write_safetensors};
use shadernet::zoo::{self, ZooOptions};

const CLASSES: usize = 7;

/// From a tensor's name and shape to those of another library.
type Rename = fn(&str, &Shape) -> (String, Shape);

/// Inverted residuals of each of MobileNetV2's stages.
const MOBILENET_V2_STAGES: [usize; 7] = [1, 2, 3, 4, 3, 3, 1];

/// timm's `mobilenetv2_100`.
fn timm_mobilenet_v2(name: &str, shape: &Shape) -> (String, Shape) {
    let (module, suffix) = name.rsplit_once('.').unwrap();
    let parts: Vec<&str> = module.split('.').collect();
    let theirs = match parts[..] {
        ["classifier", "1"] => "classifier".to_owned(),
        ["features", "0", "0"] => "conv_stem".to_owned(),
        ["features", "0", "1"] => "bn1".to_owned(),
        ["features", "18", "0"] => "conv_head".to_owned(),
        ["features", "18", "1"] => "bn2".to_owned(),
        ["features", block, "conv", ref rest @ ..] => {
            let mut i = block.parse::<usize>().unwrap() - 1;
            let mut stage = 0;
            while i >= MOBILENET_V2_STAGES[stage] {
                i -= MOBILENET_V2_STAGES[stage];
                stage += 1;
            }
            let part = match (block, rest) {
                ("1", ["0", "0"]) => "conv_dw",
                ("1", ["0", "1"]) => "bn1",
                ("1", ["1"]) => "conv_pw",
                ("1", ["2"]) => "bn2",
                (_, ["0", "0"]) => "conv_pw",
                (_, ["0", "1"]) => "bn1",
                (_, ["1", "0"]) => "conv_dw",
                (_, ["1", "1"]) => "bn2",
                (_, ["2"]) => "conv_pwl",
                (_, ["3"]) => "bn3",
                other => panic!("{other:?}"),
            };
            format!("blocks.{stage}.{i}.{part}")
        }
        _ => panic!("{name}"),
    };
    (format!("{theirs}.{suffix}"), shape.clone())
}

/// timm's VGG: the hidden fully connected layers are convolutions.
fn timm_vgg(name: &str, shape: &Shape) -> (String, Shape) {
    let (theirs, shape) = match name {
        "classifier.0.weight" => ("pre_logits.fc1.weight", [4096, 512, 7, 7].into()),
        "classifier.0.bias" => ("pre_logits.fc1.bias", shape.clone()),
        "classifier.3.weight" => ("pre_logits.fc2.weight", [4096, 4096, 1, 1].into()),
        "classifier.3.bias" => ("pre_logits.fc2.bias", shape.clone()),
        "classifier.6.weight" => ("head.fc.weight", shape.clone()),
        "classifier.6.bias" => ("head.fc.bias", shape.clone()),
        features => (features, shape.clone()),
    };
    (theirs.to_owned(), shape)
}

/// torchvision's DenseNet checkpoints of 2017, with their older names.
fn older_densenet(name: &str, shape: &Shape) -> (String, Shape) {
    let mut name = name.to_owned();
    if name.contains("denselayer") {
        for part in ["norm1", "conv1", "norm2", "conv2"] {
            let (kind, i) = part.split_at(4);
            name = name.replace(&format!(".{part}."), &format!(".{kind}.{i}."));
        }
    }
    (name, shape.clone())
}

fn unchanged(name: &str, shape: &Shape) -> (String, Shape) {
    (name.to_owned(), shape.clone())
}

fn graph_of(name: &str) -> Graph {
    zoo::build(name, &ZooOptions::classes(CLASSES)).unwrap()
}

/// Writes weights to a file, with renamed tensors.
fn write_renamed(path: &Path, weights: &Weights, rename: Rename) {
    let tensors: Vec<(String, Tensor)> = weights
        .names()
        .map(|name| {
            let (theirs, shape) = rename(name, weights.shape(name).unwrap());
            let data = weights.read(name).unwrap().into_owned();
            (theirs, Tensor::new(shape, data).unwrap())
        })
        .collect();
    write_safetensors(path, tensors.iter().map(|(n, t)| (n, t)), Dtype::F32).unwrap();
}

/// Asserts that the same weights under other names give the same outputs.
fn check(name: &str, rename: Rename) {
    let graph = graph_of(name);
    let weights = Weights::generated(&graph, 1.0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.safetensors");
    write_renamed(&path, &weights, rename);

    let theirs = Weights::open(&path).unwrap();
    assert!(!theirs.names().eq(weights.names()));
    let theirs = zoo::find(name).unwrap().adapt(theirs, &graph).unwrap();
    assert!(theirs.check(&graph).unwrap().unused.is_empty());
    let output = |weights: &Weights| {
        let reference: Reference = Reference::new(&graph, weights).unwrap();
        reference.run(&[generated_input([1, 3, 64, 64])]).unwrap()
    };
    assert_eq!(output(&theirs), output(&weights));
}

#[test]
fn timms_mobilenet_v2_gives_the_same_outputs() {
    check("mobilenetv2_100", timm_mobilenet_v2);
}

#[test]
fn timms_vgg_gives_the_same_outputs() {
    check("vgg11_bn", timm_vgg);
}

#[test]
fn torchvisions_older_densenet_gives_the_same_outputs() {
    check("densenet121", older_densenet);
}

/// Writes a folder in the format of timm's `save_for_hf`.
fn save_folder(folder: &Path, architecture: &str, weights: &Weights, rename: Rename) {
    let config = json!({
        "architecture": architecture,
        "num_classes": CLASSES,
        "num_features": 1280,
        "global_pool": "avg",
        "label_names": ["a", "b", "c", "d", "e", "f", "g"],
        "model_args": {"num_classes": CLASSES},
        "pretrained_cfg": {
            "tag": "ra_in1k",
            "custom_load": false,
            "input_size": [3, 64, 64],
            "fixed_input_size": false,
            "interpolation": "bicubic",
            "crop_pct": 0.875,
            "crop_mode": "center",
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "num_classes": CLASSES,
            "first_conv": "conv_stem",
            "classifier": "classifier"
        }
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    write_renamed(&folder.join("model.safetensors"), weights, rename);
}

fn open_classifier(folder: &Path) -> shadernet::Result<Classifier> {
    let folder = ModelFolder::open(folder).unwrap();
    Classifier::new(&Device::cpu(), &folder, &SessionOptions::default())
}

#[test]
fn timms_folders_run_unchanged() {
    let weights = Weights::generated(&graph_of("mobilenet_v2"), 1.0);
    let image = common::place::repository().join("tests/images/chelsea.png");
    let image = decode(image).unwrap();
    let classify = |architecture: &str, rename: Rename| -> Vec<Prediction> {
        let folder = tempfile::tempdir().unwrap();
        save_folder(folder.path(), architecture, &weights, rename);
        let mut classifier = open_classifier(folder.path()).unwrap();
        classifier.classify(&image, CLASSES).unwrap()
    };
    let predictions = classify("mobilenetv2_100", timm_mobilenet_v2);
    assert_eq!(predictions.len(), CLASSES);
    assert_eq!(predictions, classify("mobilenet_v2", unchanged));
}

/// torchvision's checkpoint of DeepLabV3 has a second classifier, for training.
#[test]
fn auxiliary_classifiers_are_a_warning() {
    let graph = graph_of("deeplabv3_mobilenet_v3_large");
    let weights = Weights::generated(&graph, 1.0);
    let mut tensors: Vec<(String, Tensor)> = weights
        .names()
        .map(|name| {
            let data = weights.read(name).unwrap().into_owned();
            let tensor = Tensor::new(weights.shape(name).unwrap().clone(), data);
            (name.to_owned(), tensor.unwrap())
        })
        .collect();
    let extra = ["aux_classifier.0.weight", "aux_classifier.4.bias"];
    tensors.extend(extra.map(|name| (name.to_owned(), Tensor::zeros([10]))));
    let weights = Arc::new(Weights::from_tensors("checkpoint", tensors));
    assert_eq!(weights.check(&graph).unwrap().unused, extra);
    let shapes = [[1, 3, 64, 64].into()];
    let options = SessionOptions::default();
    let session = Session::new(&Device::cpu(), &graph, weights, &options, &shapes).unwrap();
    let warning = session.warning().unwrap();
    assert!(warning.contains(extra[0]), "{warning}");
}

/// The outputs of a network that ends in a softmax are the classifier's probabilities.
#[test]
fn softmax_is_applied_once() {
    let options = ZooOptions::default();
    let graph = zoo::build("small_cnn", &options).unwrap();
    let weights = Weights::generated(&graph, 1.0);
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "architecture": "small_cnn",
        "num_classes": 200,
        "pretrained_cfg": {"input_size": [3, 128, 128]}
    });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    write_weights(
        &folder.path().join("model.safetensors"),
        &weights,
        Dtype::F32,
    );

    let input = generated_input([1, 3, 128, 128]);
    let reference: Reference = Reference::new(&graph, &weights).unwrap();
    let output = reference
        .run(std::slice::from_ref(&input))
        .unwrap()
        .swap_remove(0);
    let mut classifier = open_classifier(folder.path()).unwrap();
    for prediction in classifier.predict(input, 200).unwrap().swap_remove(0) {
        let expected = output.data()[prediction.class];
        // A softmax of probabilities would be near one in 200 for all.
        assert!(
            (prediction.probability - expected).abs() < 1e-5,
            "{expected}"
        );
    }
}

#[test]
fn networks_for_other_tasks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let none = Weights::from_tensors("none", []);
    save_folder(folder.path(), "unet", &none, unchanged);
    let text = open_classifier(folder.path()).err().unwrap().to_string();
    assert!(text.contains("unet is one for segmentation"), "{text}");
}

/// The message for weights of another network.
fn refusal(name: &str, weights: Weights) -> String {
    let error = zoo::find(name).unwrap().adapt(weights, &graph_of(name));
    error.unwrap_err().to_string()
}

#[test]
fn unknown_names_show_expected_and_found() {
    let resnet = Weights::generated(&graph_of("resnet18"), 1.0);
    let text = refusal("mobilenet_v2", resnet);
    for part in [
        "generated weights of resnet18",
        "expected, but missing: 'features.0.0.weight' [32, 3, 3, 3], 'features.0.1.weight' [32]",
        "expected in timm's names, but missing: 'conv_stem.weight' [32, 3, 3, 3]",
        "found, but not expected: 'conv1.weight' [64, 3, 7, 7], 'fc.bias' [7]",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn mismatches_are_named_as_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.safetensors");
    let weights = Weights::generated(&graph_of("mobilenet_v2"), 1.0);
    write_renamed(&path, &weights, |name, shape| match name {
        "features.18.0.weight" => ("conv_haed.weight".to_owned(), shape.clone()),
        _ => timm_mobilenet_v2(name, shape),
    });
    let graph = zoo::build("mobilenet_v2", &ZooOptions::classes(9)).unwrap();
    let theirs = Weights::open(&path).unwrap();
    let architecture = zoo::find("mobilenet_v2").unwrap();
    let theirs = architecture.adapt(theirs, &graph).unwrap();
    let text = theirs.check(&graph).unwrap_err().to_string();
    for part in [
        "3 tensors cannot be used",
        "'conv_head.weight': missing; did you mean 'conv_haed.weight'?",
        "'classifier.weight': expected shape [9, 1280], found [7, 1280]",
        "'classifier.bias'",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}
