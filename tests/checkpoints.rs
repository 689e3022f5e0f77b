//! Checkpoints as they are found: under a prefix, with biases that the network usually lacks, with tensors of
//! another network, in several files.

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use shadernet::device::Device;
use shadernet::graph::Graph;
use shadernet::model_folder::ModelFolder;
use shadernet::reference::Reference;
use shadernet::session::Session;
use shadernet::tasks::Classifier;
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::generate::generated_input;
use shadernet::weights::{Dtype, Weights, write_safetensors};
use shadernet::zoo::{self, ZooOptions};
use shadernet::{Error, Result};

const CLASSES: usize = 7;

fn graph_of(name: &str) -> Graph {
    zoo::build(name, &ZooOptions::classes(CLASSES)).unwrap()
}

type Tensors = Vec<(String, Tensor)>;

/// The tensors of generated weights.
fn tensors_of(graph: &Graph) -> Tensors {
    let weights = Weights::generated(graph, 1.0);
    let tensor = |name: &str| {
        let shape = weights.shape(name).unwrap().clone();
        Tensor::new(shape, weights.read(name).unwrap().into_owned()).unwrap()
    };
    weights
        .names()
        .map(|name| (name.to_owned(), tensor(name)))
        .collect()
}

fn renamed(tensors: &Tensors, rename: impl Fn(&str) -> String) -> Tensors {
    tensors
        .iter()
        .map(|(name, tensor)| (rename(name), tensor.clone()))
        .collect()
}

fn weights_of(tensors: &Tensors) -> Weights {
    Weights::from_tensors("theirs", tensors.iter().cloned())
}

fn adapted(network: &str, tensors: &Tensors) -> Result<Weights> {
    zoo::find(network)
        .unwrap()
        .adapt(weights_of(tensors), &graph_of(network))
}

fn write(path: &Path, tensors: &[(String, Tensor)]) {
    write_safetensors(path, tensors.iter().map(|(n, t)| (n, t)), Dtype::F32).unwrap();
}

/// A model folder of `architecture` for small images, without weights.
fn folder_of(architecture: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "architecture": architecture,
        "num_classes": CLASSES,
        "pretrained_cfg": {"input_size": [3, 64, 64]}
    });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

fn run(folder: &Path) -> Tensor {
    let folder = ModelFolder::open(folder).unwrap();
    let (graph, _) = folder.graph().unwrap();
    let reference: Reference = Reference::new(&graph, &folder.weights(&graph).unwrap()).unwrap();
    let outputs = reference.run(&[generated_input([1, 3, 64, 64])]);
    outputs.unwrap().swap_remove(0)
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
}

#[test]
fn prefixes_and_wrappers_are_left_out() {
    let network = "mobilenet_v2";
    let tensors = tensors_of(&graph_of(network));
    let same = |rename: &dyn Fn(&str) -> String| {
        let theirs = adapted(network, &renamed(&tensors, rename)).unwrap();
        assert!(theirs.check(&graph_of(network)).unwrap().unused.is_empty());
        for (name, tensor) in &tensors {
            assert_eq!(theirs.read(name).unwrap()[..], *tensor.data(), "{name}");
        }
    };
    for prefix in [
        "module.",
        "_orig_mod.",
        "model.",
        "_orig_mod.module.",
        "module._orig_mod.model.",
        "net.",
        "lightning_module.backbone.",
    ] {
        same(&|name| format!("{prefix}{name}"));
    }
    // As `features = DataParallel(features)` and compiling a part do.
    same(&|name| name.replace("features.", "features.module."));
    same(&|name| {
        format!(
            "model.{}",
            name.replace("features.1.", "features.1._orig_mod.")
        )
    });
}

#[test]
fn prefixes_and_dialects_are_combined() {
    let network = "vgg11_bn";
    let graph = graph_of(network);
    let timm = |name: &str| match name.replace("classifier.6", "head.fc") {
        name if name.contains("classifier.0") => name.replace("classifier.0", "pre_logits.fc1"),
        name => name.replace("classifier.3", "pre_logits.fc2"),
    };
    let names: Vec<String> = graph.parameters().into_iter().map(|p| p.name).collect();
    let tensors: Tensors = (names.iter())
        .map(|name| (format!("model.module.{}", timm(name)), Tensor::zeros([1])))
        .collect();
    let theirs = adapted(network, &tensors).unwrap();
    assert!(names.iter().all(|name| theirs.contains(name)));
    // A problem is about the tensor in the file.
    let text = theirs.check(&graph).unwrap_err().to_string();
    assert_says(
        &text,
        &["'model.module.features.0.weight': expected shape [64, 3, 3, 3]"],
    );
}

#[test]
fn it_must_be_clear_which_tensors_are_meant() {
    let network = "mobilenet_v2";
    let graph = graph_of(network);
    let names: Tensors = (graph.parameters().into_iter())
        .map(|p| (p.name, Tensor::zeros([1])))
        .collect();
    let twice = |a: &str, b: &str| {
        let mut all = renamed(&names, |name| format!("{a}{name}"));
        all.extend(renamed(&names, |name| format!("{b}{name}")));
        all
    };
    let text = adapted(network, &twice("student.", "teacher."))
        .unwrap_err()
        .to_string();
    assert_says(
        &text,
        &["both under 'student.' and under 'teacher.'", "remove one"],
    );
    let text = adapted(network, &twice("module.", "_orig_mod."))
        .unwrap_err()
        .to_string();
    assert_says(
        &text,
        &["both '_orig_mod.", "and 'module.", "may be the network's"],
    );
    // The network itself, rather than its running average.
    let tensors = twice("ema.", "model.");
    let theirs = adapted(network, &tensors).unwrap();
    assert!(theirs.contains("features.0.0.weight") && theirs.contains("ema.features.0.0.weight"));
    assert!(!theirs.contains("model.features.0.0.weight"));
}

/// Older U-Nets have a bias in the convolutions before batch norms.
#[test]
fn biases_that_a_network_usually_lacks_are_read() {
    let tensors = tensors_of(&graph_of("mobilenet_v2"));
    let folder = folder_of("mobilenet_v2");
    let path = folder.path().join("model.safetensors");
    write(&path, &tensors);
    let without = run(folder.path());
    let (conv, mean) = ("features.0.0", "features.0.1.running_mean");
    let bias = Tensor::from_fn([32], |i| i as f32 / 8.0 - 2.0);

    let mut with_bias = tensors.clone();
    with_bias.push((format!("{conv}.bias"), bias.clone()));
    let with_bias = renamed(&with_bias, |name| format!("module.{name}"));
    write(&path, &with_bias);
    let with = run(folder.path());
    // A norm subtracts its mean after the bias was added.
    let shifted = tensors.iter().map(|(name, tensor)| {
        let subtracted = || {
            let data = tensor
                .data()
                .iter()
                .zip(bias.data())
                .map(|(mean, bias)| mean - bias);
            Tensor::new([32], data.collect()).unwrap()
        };
        let tensor = if name == mean {
            subtracted()
        } else {
            tensor.clone()
        };
        (name.clone(), tensor)
    });
    write(&path, &shifted.collect::<Tensors>());
    let expected = run(folder.path());
    let difference = |a: &Tensor, b: &Tensor| {
        let pairs = a.data().iter().zip(b.data());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    let (rounding, effect) = (difference(&with, &expected), difference(&with, &without));
    assert!(effect > 100.0 * rounding, "{effect} {rounding}");

    // A graph that was built without it is not run silently.
    let graph = graph_of("mobilenet_v2");
    let weights = zoo::find("mobilenet_v2")
        .unwrap()
        .adapt(weights_of(&with_bias), &graph);
    let text = weights.unwrap().check(&graph).unwrap_err().to_string();
    assert_says(
        &text,
        &[
            "1 tensor cannot be used",
            "'module.features.0.0.bias': mobilenet_v2 has no such",
        ],
    );
}

/// The smaller network has all of its tensors in the larger one's file, in the same shapes.
#[test]
fn checkpoints_of_larger_networks_are_refused() {
    let small = graph_of("resnet18");
    let large = Weights::generated(&graph_of("resnet34"), 1.0);
    let weights = zoo::find("resnet18").unwrap().adapt(large, &small).unwrap();
    let Err(error @ Error::Weights { .. }) = weights.check(&small) else {
        panic!("accepted")
    };
    let text = error.to_string();
    assert_says(
        &text,
        &[
            "'layer1.2.bn1.bias': resnet18 has no such tensor",
            "and 60 more",
        ],
    );
    assert!(text.len() < 4000, "{}", text.len());
    let Error::Weights { problems, .. } = error else {
        unreachable!()
    };
    assert_eq!(problems.len(), 80);
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with("'layer4.2.conv2.weight'"))
    );

    // Unless the graph is meant to be a part.
    let mut weights = weights;
    weights.retain(|name| small.parameters().iter().any(|p| p.name == name));
    assert!(weights.check(&small).unwrap().unused.is_empty());
}

#[test]
fn tensors_of_other_modules_are_reported() {
    let graph = graph_of("mobilenet_v2");
    let mut tensors = tensors_of(&graph);
    for extra in [
        "features.0.1.num_batches_tracked",
        "features.0.0.total_ops",
        "AuxLogits.fc.weight",
        "n_averaged",
    ] {
        tensors.push((extra.to_owned(), Tensor::zeros([1])));
    }
    let report = weights_of(&tensors).check(&graph).unwrap();
    assert_eq!(report.unused, ["AuxLogits.fc.weight", "n_averaged"]);
    let warning = "not used by mobilenet_v2: 'AuxLogits.fc.weight', 'n_averaged'";
    let shapes = [Shape::from([1, 3, 64, 64])];
    let options = Default::default();
    let session = Session::new(
        &Device::cpu(),
        &graph,
        weights_of(&tensors),
        &options,
        &shapes,
    );
    assert_says(session.unwrap().warning().unwrap(), &["theirs: ", warning]);

    let folder = folder_of("mobilenet_v2");
    write(&folder.path().join("model.safetensors"), &tensors);
    let folder = ModelFolder::open(folder.path()).unwrap();
    let classifier = Classifier::new(&Device::cpu(), &folder, &options).unwrap();
    assert_says(
        classifier.warning().unwrap(),
        &["model.safetensors: ", warning],
    );
}

#[test]
fn only_networks_that_the_file_fits_are_proposed() {
    let folder = folder_of("mobilenet_v3");
    let refusal = || {
        let error = ModelFolder::open(folder.path())
            .unwrap()
            .graph()
            .unwrap_err();
        error.to_string()
    };
    let path = folder.path().join("model.safetensors");
    let mut tensors = tensors_of(&graph_of("mobilenet_v2"));
    write(&path, &tensors);
    assert_says(
        &refusal(),
        &["unknown architecture 'mobilenet_v3'; did you mean 'mobilenet_v2'"],
    );
    tensors.push((
        "features.1.se.fc1.weight".to_owned(),
        Tensor::zeros([8, 32, 1, 1]),
    ));
    write(&path, &tensors);
    assert!(!refusal().contains("did you mean"), "{}", refusal());
    fs::write(&path, "damaged").unwrap();
    assert!(!refusal().contains("did you mean"), "{}", refusal());

    let (options, weights) = (
        ZooOptions::classes(CLASSES),
        weights_of(&tensors[1..].to_vec()),
    );
    let error = zoo::find_for("mobilenet_v3", &weights, &options).unwrap_err();
    assert!(!error.to_string().contains("did you mean"), "{error}");
    assert!(zoo::find_for("mobilenet_v2", &weights, &options).is_ok());
}

/// Comparing all names with each other took minutes.
#[test]
fn files_of_many_tensors_are_checked_fast() {
    let graph = graph_of("resnet18");
    let tensors = (0..40_000).map(|i| (format!("layer1.0.conv{i}.weight"), Tensor::zeros([1])));
    let weights = Weights::from_tensors("many", tensors);
    let start = Instant::now();
    let text = weights.check(&graph).unwrap_err().to_string();
    assert!(text.len() < 4000, "{}", text.len());
    assert!(
        zoo::find("resnet18")
            .unwrap()
            .adapt(weights, &graph)
            .is_err()
    );
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}

/// Writes the tensors in two files with an index, and returns the index's JSON.
fn write_shards(folder: &Path, tensors: &Tensors) -> serde_json::Value {
    let mut map = serde_json::Map::new();
    for (i, tensors) in tensors.chunks(tensors.len().div_ceil(2)).enumerate() {
        let file = format!("model-0000{}-of-00002.safetensors", i + 1);
        write(&folder.join(&file), tensors);
        map.extend(tensors.iter().map(|(name, _)| (name.clone(), json!(file))));
    }
    json!({"metadata": {"total_size": 1}, "weight_map": map})
}

#[test]
fn folders_with_an_index_are_read() {
    let tensors = tensors_of(&graph_of("mobilenet_v2"));
    let (whole, parts) = (folder_of("mobilenet_v2"), folder_of("mobilenet_v2"));
    write(&whole.path().join("model.safetensors"), &tensors);
    let index = write_shards(parts.path(), &tensors);
    let path = parts.path().join("model.safetensors.index.json");
    fs::write(&path, index.to_string()).unwrap();
    assert_eq!(run(parts.path()), run(whole.path()));

    // SAFETY: nothing changes the files meanwhile.
    let mapped = unsafe { Weights::open_mmap(&path).unwrap() };
    for (name, tensor) in &tensors {
        assert_eq!(mapped.read(name).unwrap()[..], *tensor.data(), "{name}");
    }
    // The whole as one file again.
    let merged = parts.path().join("merged.safetensors");
    mapped.save(&merged, Dtype::F32).unwrap();
    assert!(Weights::open(merged).unwrap().names().eq(mapped.names()));
}

#[test]
fn an_index_and_its_files_must_agree() {
    let tensors: Tensors = ["a", "b", "c", "d"]
        .map(|name| (name.to_owned(), Tensor::zeros([1])))
        .into();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors.index.json");
    let good = write_shards(folder.path(), &tensors);
    let refusal = |index: &str| {
        fs::write(&path, index).unwrap();
        let error = Weights::open(&path).unwrap_err();
        assert_eq!(error.kind(), shadernet::ErrorKind::InvalidFile);
        error.report().to_string()
    };
    let changed = |name: &str, file: Option<&str>| {
        let mut index = good.clone();
        let map = index["weight_map"].as_object_mut().unwrap();
        match file {
            Some(file) => map.insert(name.to_owned(), json!(file)),
            None => map.remove(name),
        };
        refusal(&index.to_string())
    };
    let [first, second] = [1, 2].map(|i| format!("model-0000{i}-of-00002.safetensors"));
    let text = changed("d", None);
    assert_says(
        &text,
        &[
            "index.json: ",
            "does not list these tensors",
            &second,
            "'d'",
        ],
    );
    let text = changed("e", Some(&first));
    assert_says(&text, &["lists tensors that", &first, "does not hold: 'e'"]);
    assert_says(&changed("d", Some(&first)), &["'d'"]);
    let text = changed("d", Some("other.safetensors"));
    assert_says(&text, &["names 'other.safetensors', which is missing"]);
    for path in ["../model.safetensors", "/etc/passwd", "a\\b", ""] {
        assert_says(
            &changed("d", Some(path)),
            &["a file in the same folder was expected"],
        );
    }
    assert_says(&refusal("{}"), &["weight_map"]);
    assert_says(&refusal("[1"), &["a JSON object"]);
    fs::write(folder.path().join(&second), "damaged").unwrap();
    assert_says(&refusal(&good.to_string()), &[&second, "holds 7 bytes"]);
}
