//! Classifiers, detectors, segmenters and explanations of ONNX files.
#![cfg(feature = "onnx")]

#[allow(dead_code)]
#[path = "common/devices.rs"]
mod devices;
#[allow(dead_code)]
#[path = "common/onnx_file.rs"]
mod onnx_file;
#[path = "common/place.rs"]
mod place;

use std::fs;
use std::path::{Path, PathBuf};

use onnx_file::{OnnxFile, conv_net, conv_weights};
use prost::Message;
use shadernet::device::Device;
use shadernet::model_folder::{ModelFolder, ModelOptions, default_detector, find_model};
use shadernet::onnx::OnnxModel;
use shadernet::session::{Session, SessionOptions};
use shadernet::tasks::{Classifier, Detector, Embedder, Ensemble, SegmentSize, Segmenter};
use shadernet::tensor::{Shape, Tensor};
use shadernet::vision::{ChannelOrder, Crops, DetectionOptions, RgbImage, decode};
use shadernet::weights::generate::generated_input;
use shadernet::weights::{Dtype, Weights};
use shadernet::zoo::{self, ZooOptions};

fn file(name: &str) -> PathBuf {
    place::repository().join("tests/onnx").join(name)
}

fn image(name: &str) -> RgbImage {
    decode(place::repository().join("tests/images").join(name)).unwrap()
}

/// The face in astronaut.png, by hand.
const FACE: [f32; 4] = [175.0, 65.0, 275.0, 190.0];
/// The cat in chelsea.png, by hand.
const CAT: [f32; 4] = [0.0, 0.0, 420.0, 290.0];

fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    shadernet::vision::intersection_over_union(a, b)
}

/// Checks that a model finds one object on every device: of this label, with at least this score, about here.
fn finds(model: &str, picture: &str, label: &str, score: f32, place: [f32; 4]) {
    let folder = ModelFolder::open(file(model)).unwrap();
    let image = image(picture);
    for (name, device) in devices::all_devices() {
        let mut detector = Detector::new(&device, &folder, &SessionOptions::default()).unwrap();
        let options = DetectionOptions::new().threshold(0.5);
        let found = detector.detect(&image, &options).unwrap();
        let [found] = &found[..] else {
            panic!("{name}: {found:?}");
        };
        assert_eq!(found.label, label, "{name}");
        assert!(found.score > score, "{name}: {found:?}");
        assert!(overlap(found.corners, place) > 0.6, "{name}: {found:?}");
    }
}

#[test]
fn yunet_finds_the_face() {
    finds("yunet_n_dynamic.onnx", "astronaut.png", "face", 0.9, FACE);
}

#[test]
fn ultraface_finds_the_face() {
    finds("RFB-320.onnx", "astronaut.png", "face", 0.9, FACE);
}

#[test]
fn fastestdet_finds_the_cat() {
    finds("FastestDet.onnx", "chelsea.png", "cat", 0.8, CAT);
}

#[test]
fn a_detector_takes_other_sizes() {
    let options = ModelOptions {
        input_size: Some([256, 320]),
        ..ModelOptions::default()
    };
    let folder = ModelFolder::open_with(file("yunet_n_dynamic.onnx"), &options).unwrap();
    assert_eq!(folder.preprocessing.input_size, [3, 256, 320]);
    assert_eq!(folder.preprocessing.channel_order, ChannelOrder::Bgr);
    let mut detector = Detector::new(&Device::cpu(), &folder, &Default::default()).unwrap();
    let found = detector.detect(&image("astronaut.png"), &Default::default());
    assert!(overlap(found.unwrap()[0].corners, FACE) > 0.6);
}

#[test]
fn one_session_takes_several_sizes() {
    let model = OnnxModel::open(file("yunet_n_dynamic.onnx")).unwrap();
    let shapes = [[1, 3, 64, 96], [2, 3, 96, 64]].map(Shape::from);
    let inputs = shapes.clone().map(generated_input);
    let expected = shapes.clone().map(|shape| {
        let imported = model.import(std::slice::from_ref(&shape)).unwrap();
        let mut session = Session::new(
            &Device::reference(),
            &imported.graph,
            imported.weights,
            &Default::default(),
            std::slice::from_ref(&shape),
        );
        let session = session.as_mut().unwrap();
        session.run(&[generated_input(shape)]).unwrap()
    });
    let model = std::sync::Arc::new(model);
    for (name, device) in devices::all_devices() {
        let options = SessionOptions::default();
        let mut session =
            Session::from_onnx(&device, model.clone(), &options, &shapes[..1]).unwrap();
        let bytes = session.device_bytes();
        for round in 0..2 {
            for (input, expected) in inputs.iter().zip(&expected) {
                let outputs = session.run(std::slice::from_ref(input)).unwrap();
                for (found, expected) in outputs.iter().zip(expected) {
                    let pairs = found.data().iter().zip(expected.data());
                    let difference = pairs.fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
                    assert!(difference < 1e-4, "{name}, round {round}: {difference}");
                }
            }
        }
        // The second size brings buffers for values, and not the weights once more.
        let growth = session
            .device_bytes()
            .zip(bytes)
            .map(|(after, before)| after - before);
        assert!(
            growth.is_none_or(|growth| growth < 4 << 20),
            "{name}: {growth:?}"
        );
    }
}

/// Weights that depend on the size of the image: `y = x * [0, 1, …, W - 1]`.
#[test]
fn weights_that_depend_on_the_size_are_those_of_the_size() {
    let model = OnnxFile::new()
        .input("x", &[None, Some(1), None, None])
        .ints("three", &[3])
        .ints("zero", &[0])
        .ints("one", &[1])
        .node("Shape", &["x"], "shape")
        .node_with("Gather", &["shape", "three"], "w", &[("axis", 0)])
        .node("Squeeze", &["w", "zero"], "width")
        .node("Squeeze", &["zero", "zero"], "start")
        .node("Squeeze", &["one", "zero"], "step")
        .node("Range", &["start", "width", "step"], "columns")
        .node_with("Cast", &["columns"], "ramp", &[("to", 1)])
        // Reversed, so that the first elements differ too.
        .node_with("Cast", &["w"], "most", &[("to", 1)])
        .node("Sub", &["most", "ramp"], "reversed")
        .node("Mul", &["x", "reversed"], "y")
        .output("y")
        .model();
    let model = std::sync::Arc::new(model);
    for (name, device) in devices::all_devices() {
        let options = SessionOptions::default();
        let first = [Shape::from([1, 1, 1, 4])];
        let mut session = Session::from_onnx(&device, model.clone(), &options, &first).unwrap();
        for width in [4_usize, 6, 4, 5] {
            let ones = Tensor::new([1, 1, 1, width], vec![1.0; width]).unwrap();
            let output = session.run(&[ones]).unwrap().swap_remove(0);
            let expected: Vec<f32> = (1..=width).rev().map(|i| i as f32).collect();
            assert_eq!(output.data(), expected, "{name}");
        }
    }
}

/// A resizing reads a table of weights, which is another one for each size.
#[test]
fn tables_that_depend_on_the_size_are_those_of_the_size() {
    let model = OnnxFile::new()
        .input("x", &[None, Some(1), None, None])
        .floats("scales", &[4], &[1.0, 1.0, 1.5, 0.75])
        .node("Resize", &["x", "", "scales"], "y")
        .output("y")
        .model();
    let model = std::sync::Arc::new(model);
    let ramp = |[h, w]: [usize; 2]| Tensor::from_fn([1, 1, h, w], |i| i as f32);
    for (name, device) in devices::devices_and_cpu() {
        let options = SessionOptions::default();
        let first = [Shape::from([1, 1, 4, 4])];
        let mut session = Session::from_onnx(device, model.clone(), &options, &first).unwrap();
        for size in [[4, 4], [6, 8], [3, 5], [4, 4]] {
            let input = ramp(size);
            let shape = [input.shape().clone()];
            let mut own =
                Session::from_onnx(&Device::reference(), model.clone(), &options, &shape).unwrap();
            let expected = own.run(std::slice::from_ref(&input)).unwrap();
            let outputs = session.run(&[input]).unwrap();
            assert_eq!(outputs[0].data(), expected[0].data(), "{name}, {size:?}");
        }
    }
}

#[test]
fn classifiers_need_no_description() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.onnx");
    for (ending, is_map) in [("Softmax", false), ("", false), ("", true)] {
        fs::write(&path, conv_net(5, ending, is_map)).unwrap();
        let model = find_model(&path).unwrap().open().unwrap();
        assert_eq!(model.num_classes, 5);
        let assumptions = model.assumptions().unwrap();
        assert!(
            assumptions.starts_with("3x224x224 rgb, mean 0.485"),
            "{assumptions}"
        );
        let mut classifier = Classifier::new(&Device::cpu(), &model, &Default::default()).unwrap();
        let found = classifier.classify(&image("chelsea.png"), 5).unwrap();
        let sum: f32 = found.iter().map(|found| found.probability).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{ending}: {sum}");
        assert!(found[0].label.starts_with("class "), "{}", found[0].label);
    }
}

/// A classifier of five classes: a convolution of 8 channels, their averages, a matrix product and a sum. Its batch is
/// fixed at one image unless it is `None`.
fn product_net(batch: Option<i64>) -> Vec<u8> {
    let matrix: Vec<f32> = (0..40)
        .map(|i| ((i * 29 % 17) as f32 - 8.0) / 4.0)
        .collect();
    OnnxFile::new()
        .input("image", &[batch, Some(3), Some(40), Some(40)])
        .floats("w", &[8, 3, 3, 3], &conv_weights(8))
        .floats("m", &[8, 5], &matrix)
        .floats("b", &[5], &[0.1, 0.2, 0.3, 0.4, 0.5])
        .node("Conv", &["image", "w"], "conv")
        .node("Relu", &["conv"], "relu")
        .node("GlobalAveragePool", &["relu"], "pool")
        .node("Flatten", &["pool"], "flat")
        .node("MatMul", &["flat", "m"], "product")
        .node("Add", &["product", "b"], "scores")
        .node("Softmax", &["scores"], "y")
        .output("y")
        .bytes()
}

#[test]
fn crops_run_one_by_one_where_a_model_takes_one_image() {
    let folder = tempfile::tempdir().unwrap();
    let classify = |batch| {
        let path = folder.path().join("net.onnx");
        fs::write(&path, product_net(batch)).unwrap();
        let model = ModelFolder::open(&path).unwrap();
        let classifier = Classifier::new(&Device::cpu(), &model, &Default::default()).unwrap();
        let mut ensemble = Ensemble::new(vec![classifier])
            .unwrap()
            .with_crops(Crops::TEN)
            .unwrap();
        ensemble.prepare(2).unwrap();
        let images = ["chelsea.png", "coffee.png"]
            .map(|name| ensemble.preprocessing().apply(&image(name)).unwrap());
        let found = ensemble.predict(&images, 5).unwrap();
        let run = ensemble.predict_async(&images).unwrap();
        assert_eq!(ensemble.predictions(run, 5).unwrap(), found);
        found
    };
    let [fixed, free] = [Some(1), None].map(classify);
    for (fixed, free) in fixed.iter().flatten().zip(free.iter().flatten()) {
        assert_eq!(fixed.class, free.class);
        assert!((fixed.probability - free.probability).abs() < 1e-6);
    }
}

#[test]
fn vectors_are_the_input_of_the_last_product() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    let images = ["chelsea.png", "coffee.png"].map(image);
    for batch in [None, Some(1)] {
        fs::write(&path, product_net(batch)).unwrap();
        let model = ModelFolder::open(&path).unwrap();
        for (name, device) in devices::all_devices() {
            let mut embedder = Embedder::new(&device, &model, &Default::default()).unwrap();
            assert_eq!(embedder.dimensions(), 8, "{name}");
            embedder.prepare(2).unwrap();
            let inputs = model.preprocessing.batch(&images).unwrap();
            let found = embedder.embed_batch(inputs).unwrap();
            let relu = Embedder::from_layer(&device, &model, "relu", &Default::default());
            let mut relu = relu.unwrap();
            for (found, image) in found.data().chunks(8).zip(&images) {
                let maps = relu.embed(image).unwrap();
                assert!(maps.iter().any(|&mean| mean > 0.01));
                let near = found.iter().zip(&maps).all(|(a, b)| (a - b).abs() < 1e-5);
                assert!(near, "{name}: {found:?} {maps:?}");
            }
        }
    }
}

/// As TensorFlow's exports: channels last, and a transpose before the convolutions.
#[test]
fn channels_may_be_last() {
    let folder = tempfile::tempdir().unwrap();
    let [last, first] = ["last.onnx", "first.onnx"].map(|name| folder.path().join(name));
    fs::write(&first, conv_net(4, "", false)).unwrap();
    let file = OnnxFile::new()
        .input("image", &[None, Some(64), Some(48), Some(3)])
        .floats("w", &[4, 3, 3, 3], &conv_weights(4))
        .node_lists("Transpose", &["image"], "nchw", &[("perm", &[0, 3, 1, 2])])
        .node_lists(
            "Conv",
            &["nchw", "w"],
            "conv",
            &[("strides", &[2, 2]), ("pads", &[1, 1, 1, 1])],
        )
        .node("Relu", &["conv"], "relu")
        .node("GlobalAveragePool", &["relu"], "pool")
        .node("Flatten", &["pool"], "scores")
        .output("scores");
    fs::write(&last, file.bytes()).unwrap();
    let options = ModelOptions {
        input_size: Some([64, 48]),
        ..ModelOptions::default()
    };
    let found = [last, first].map(|path| {
        let model = ModelFolder::open_with(&path, &options).unwrap();
        assert_eq!(model.preprocessing.input_size, [3, 64, 48]);
        let (graph, _) = model.graph().unwrap();
        // The transposes cancel out.
        assert_eq!(graph.nodes().len(), 5, "{path:?}");
        let mut classifier = Classifier::new(&Device::cpu(), &model, &Default::default()).unwrap();
        classifier.classify(&image("chelsea.png"), 4).unwrap()
    });
    assert_eq!(found[0], found[1]);
}

#[test]
fn a_file_beside_the_model_describes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.onnx");
    fs::write(&path, conv_net(2, "", false)).unwrap();
    let sidecar = r#"{"input_size": [3, 32, 48], "mean": 0.5, "std": [0.5], "channel_order": "bgr",
        "crop_pct": 1.0, "label_names": ["cat", "dog"]}"#;
    fs::write(folder.path().join("tiny.json"), sidecar).unwrap();
    let model = ModelFolder::open(&path).unwrap();
    let preprocessing = &model.preprocessing;
    assert_eq!(preprocessing.input_size, [3, 32, 48]);
    assert_eq!(preprocessing.mean, [0.5; 3]);
    assert_eq!(preprocessing.channel_order, ChannelOrder::Bgr);
    assert_eq!(
        (model.labels.text(1), model.assumptions()),
        ("dog".into(), None)
    );
    let error = |text: &str| {
        fs::write(folder.path().join("tiny.json"), text).unwrap();
        ModelFolder::open(&path).unwrap_err().to_string()
    };
    for (text, expected) in [
        ("[1]", "JSON object"),
        (r#"{"outputs": "yolov9"}"#, "yolov8"),
        (r#"{"outputs": "yolov8"}"#, "of the kind \"yolov8\""),
        (r#"{"mean": "x"}"#, "mean"),
        (r#"{"label_names": ["a"]}"#, "label_names"),
    ] {
        let found = error(text);
        assert!(
            found.contains(expected) && found.contains("tiny"),
            "{found}"
        );
    }
}

#[test]
fn segmenters_return_maps_of_any_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.onnx");
    for (classes, ending) in [(1, "Sigmoid"), (3, ""), (3, "ArgMax")] {
        fs::write(&path, onnx_file::map_net(classes, ending)).unwrap();
        let options = ModelOptions {
            input_size: Some([24, 40]),
            ..ModelOptions::default()
        };
        let model = ModelFolder::open_with(&path, &options).unwrap();
        for (name, device) in devices::all_devices() {
            let mut segmenter = Segmenter::new(&device, &model, &Default::default()).unwrap();
            let picture = image("coffee.png");
            let mask = segmenter.segment(&picture, SegmentSize::Model).unwrap();
            assert_eq!(
                (mask.width(), mask.height()),
                picture.dimensions(),
                "{name}"
            );
            // Bright pixels are of the last class.
            let last = classes.max(2) as u8 - 1;
            assert!(
                mask.classes().contains(&last) && mask.classes().contains(&0),
                "{name}"
            );
            let small = image::imageops::thumbnail(&picture, 33, 17);
            let mask = segmenter.segment(&small, SegmentSize::Image).unwrap();
            assert_eq!((mask.width(), mask.height()), (33, 17), "{name}");
        }
    }
}

/// Writes `folder` as ONNX, and opens the file, and a folder that is made of it.
fn written(folder: &ModelFolder, place: &Path) -> [ModelFolder; 2] {
    let path = place.join("written.onnx");
    folder.save_onnx(&path, Dtype::F32).unwrap();
    let model = ModelFolder::open(&path).unwrap();
    let copy = place.join("copy");
    model.save(&copy, Dtype::F32).unwrap();
    let models = [model, ModelFolder::open(copy).unwrap()];
    for model in &models {
        assert_eq!(model.preprocessing, folder.preprocessing);
        assert_eq!(model.labels, folder.labels);
        assert_eq!(model.heads, folder.heads);
        assert_eq!(model.num_classes, folder.num_classes);
        assert_eq!(model.assumptions(), None);
    }
    models
}

#[test]
fn a_detector_written_as_onnx_finds_the_same() {
    let place = tempfile::tempdir().unwrap();
    let options = ModelOptions {
        input_size: Some([96, 128]),
        ..ModelOptions::default()
    };
    let folder = default_detector().unwrap().open_with(&options).unwrap();
    let detect = |model: &ModelFolder| {
        let mut detector = Detector::new(&Device::cpu(), model, &Default::default()).unwrap();
        let options = DetectionOptions::new().threshold(0.01);
        detector.detect(&image("coffee.png"), &options).unwrap()
    };
    let expected = detect(&folder);
    assert!(!expected.is_empty());
    for model in written(&folder, place.path()) {
        let found = detect(&model);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.label, expected.label);
            assert!((found.score - expected.score).abs() < 1e-4);
            let pairs = found.corners.iter().zip(expected.corners);
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 0.05));
        }
    }
}

#[test]
fn a_segmenter_written_as_onnx_gives_the_same_map() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("unet");
    fs::create_dir(&folder).unwrap();
    let options = ZooOptions::classes(3);
    let graph = zoo::build("unet_bilinear", &options).unwrap();
    let weights = Weights::generated(&graph, 1.0);
    let file = folder.join("model.safetensors");
    weights.save(file, Dtype::F16).unwrap();
    let config = r#"{"architecture": "unet_bilinear", "num_classes": 3,
        "pretrained_cfg": {"input_size": [3, 32, 48], "crop_mode": "squash", "crop_pct": 1.0}}"#;
    fs::write(folder.join("config.json"), config).unwrap();
    let folder = ModelFolder::open(folder).unwrap();
    let segment = |model: &ModelFolder, size| {
        let mut segmenter = Segmenter::new(&Device::cpu(), model, &Default::default()).unwrap();
        let small = image::imageops::thumbnail(&image("coffee.png"), 44, 37);
        segmenter.segment(&small, size).unwrap()
    };
    for model in written(&folder, place.path()) {
        for size in [SegmentSize::Model, SegmentSize::Image] {
            let [found, expected] = [&model, &folder].map(|model| segment(model, size));
            assert_eq!(found.classes(), expected.classes());
        }
    }
}

/// Weights in a file of their own come along.
#[test]
fn folders_of_onnx_files_have_all_files() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("net.onnx");
    let mut model = onnx_file::Model::decode(&conv_net(4, "", false)[..]).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let tensor = &mut graph.initializer[0];
    let bytes = std::mem::take(&mut tensor.raw);
    tensor.location = 1;
    tensor.external = vec![onnx_file::Entry {
        key: "location".to_owned(),
        value: "parts/weights.bin".to_owned(),
    }];
    fs::write(&path, model.encode_to_vec()).unwrap();
    fs::create_dir(place.path().join("parts")).unwrap();
    fs::write(place.path().join("parts/weights.bin"), bytes).unwrap();
    let model = ModelFolder::open(&path).unwrap();
    let copy = place.path().join("copy");
    model.save(&copy, Dtype::F32).unwrap();
    let classify = |model: &ModelFolder| {
        let mut classifier = Classifier::new(&Device::cpu(), model, &Default::default()).unwrap();
        classifier.classify(&image("chelsea.png"), 4).unwrap()
    };
    let copied = ModelFolder::open(&copy).unwrap();
    assert!(copy.join("parts/weights.bin").is_file());
    assert_eq!(classify(&copied), classify(&model));

    // A file of weights must not take the place of the folder's own.
    fs::rename(
        place.path().join("parts/weights.bin"),
        place.path().join("model.onnx"),
    )
    .unwrap();
    let mut model = onnx_file::Model::decode(&fs::read(&path).unwrap()[..]).unwrap();
    let graph = model.graph.as_mut().unwrap();
    graph.initializer[0].external[0].value = "./model.onnx".to_owned();
    fs::write(&path, model.encode_to_vec()).unwrap();
    let model = ModelFolder::open(&path).unwrap();
    let error = model
        .save(place.path().join("other"), Dtype::F32)
        .unwrap_err();
    assert!(error.to_string().contains("rename it"), "{error}");
    assert!(!place.path().join("other").exists());
}

#[test]
fn networks_that_no_task_knows_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.onnx");
    let file = OnnxFile::new()
        .input("x", &[None, Some(3), None, None])
        .node_with("ReduceMean", &["x"], "y", &[("keepdims", 0)])
        .output("y");
    fs::write(&path, file.bytes()).unwrap();
    let error = ModelFolder::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("classifier, a segmenter or a known detector"),
        "{error}"
    );
    let wrong = ModelFolder::open(file_with_two_inputs(folder.path())).unwrap_err();
    assert!(wrong.to_string().contains("one input, an image"), "{wrong}");
    let detector = ModelFolder::open(self::file("RFB-320.onnx")).unwrap();
    let error = Classifier::new(&Device::cpu(), &detector, &Default::default()).unwrap_err();
    assert!(error.to_string().contains("classification"), "{error}");
}

fn file_with_two_inputs(folder: &Path) -> PathBuf {
    let path = folder.join("two.onnx");
    let file = OnnxFile::new()
        .input("a", &[Some(1), Some(3), Some(8), Some(8)])
        .input("b", &[Some(1), Some(3), Some(8), Some(8)])
        .node("Add", &["a", "b"], "y")
        .output("y");
    fs::write(&path, file.bytes()).unwrap();
    path
}

/// A detector that finds the same in every image of 64 by 64 pixels: `values`, of these extents.
fn constant_detector(dims: &[i64], values: &[f32], metadata: &[(&str, &str)]) -> Vec<u8> {
    let file = OnnxFile::new()
        .input("images", &[Some(1), Some(3), Some(64), Some(64)])
        .floats("values", dims, values)
        .floats("none", &[], &[0.0])
        .node_with("ReduceMean", &["images"], "mean", &[("keepdims", 0)])
        .node("Mul", &["mean", "none"], "zero")
        .node("Add", &["values", "zero"], "output0")
        .output("output0");
    let file = metadata
        .iter()
        .fold(file, |file, (key, value)| file.metadata(key, value));
    file.bytes()
}

const ULTRALYTICS: [(&str, &str); 4] = [
    ("author", "Ultralytics"),
    ("names", "{0: 'left shoe', 1: 'hat'}"),
    ("imgsz", "[64, 64]"),
    ("task", "detect"),
];

/// The only box: around (32, 16) in pixels of the input, 16 wide and 8 high. Values are by box, of `count` boxes.
fn one_box(count: usize, one: &[f32]) -> Vec<f32> {
    let mut values = vec![0.0; count * one.len()];
    values[3 * one.len()..][..one.len()].copy_from_slice(one);
    values
}

/// The other order of the extents.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns;
    (0..values.len())
        .map(|i| values[i % rows * columns + i / rows])
        .collect()
}

#[test]
fn exports_of_ultralytics_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.onnx");
    let v8 = [32.0, 16.0, 16.0, 8.0, 0.1, 0.9];
    // With the coefficients of a mask.
    let with_mask = [32.0, 16.0, 16.0, 8.0, 0.1, 0.9, 7.0, 8.0];
    let v5 = [32.0, 16.0, 16.0, 8.0, 1.0, 0.1, 0.9];
    let end_to_end = [24.0, 12.0, 40.0, 20.0, 0.9, 1.0];
    let cases = [
        (vec![1, 6, 12], transposed(&one_box(12, &v8), 6)),
        (vec![1, 8, 12], transposed(&one_box(12, &with_mask), 8)),
        (vec![1, 12, 7], one_box(12, &v5)),
        (vec![1, 300, 6], one_box(300, &end_to_end)),
    ];
    for (dims, values) in cases {
        fs::write(&path, constant_detector(&dims, &values, &ULTRALYTICS)).unwrap();
        let model = ModelFolder::open(&path).unwrap();
        assert_eq!(model.assumptions(), None, "{dims:?}");
        assert_eq!(model.preprocessing.mean, [0.0; 3]);
        for (name, device) in devices::all_devices() {
            let mut detector = Detector::new(&device, &model, &Default::default()).unwrap();
            let picture = RgbImage::new(128, 64);
            let found = detector.detect(&picture, &Default::default()).unwrap();
            let [found] = &found[..] else {
                panic!("{name}, {dims:?}: {found:?}");
            };
            assert_eq!(found.label, "hat", "{name}, {dims:?}");
            assert!((found.score - 0.9).abs() < 1e-5, "{name}: {found:?}");
            // The image is in the rows 16 to 48 of the input, at half its size.
            for (found, expected) in found.corners.iter().zip([48.0, 0.0, 80.0, 8.0]) {
                assert!((found - expected).abs() < 1e-3, "{name}, {dims:?}: {found}");
            }
        }
    }
    let rotated = [ULTRALYTICS[0], ULTRALYTICS[1], ("task", "obb")];
    fs::write(&path, constant_detector(&[1, 7, 12], &[0.0; 84], &rotated)).unwrap();
    let error = ModelFolder::open(&path).unwrap_err().to_string();
    assert!(error.contains("rotated"), "{error}");
}

#[test]
fn the_maps_of_centerface_are_decoded() {
    let cells = 16 * 16;
    let (row, column) = (3, 8);
    let map = |channels: usize, values: &[f32]| -> Vec<f32> {
        let mut map = vec![0.0; channels * cells];
        for (channel, value) in values.iter().enumerate() {
            map[channel * cells + row * 16 + column] = *value;
        }
        map
    };
    // A face of 12 by 20 pixels, whose center is half a pixel right of and a pixel below the cell's.
    let size = [(20.0_f32 / 4.0).ln(), (12.0_f32 / 4.0).ln()];
    let maps = [
        ("heat", 1, map(1, &[0.8])),
        ("size", 2, map(2, &size)),
        ("offset", 2, map(2, &[0.25, 0.125])),
        ("points", 10, map(10, &[])),
    ];
    let mut file = OnnxFile::new()
        .input("images", &[Some(1), Some(3), Some(64), Some(64)])
        .floats("none", &[], &[0.0])
        .node_with("ReduceMean", &["images"], "mean", &[("keepdims", 0)])
        .node("Mul", &["mean", "none"], "zero");
    for (name, channels, values) in &maps {
        let constant = format!("{name} values");
        file = file
            .floats(&constant, &[1, *channels, 16, 16], values)
            .node("Add", &[&constant, "zero"], name)
            .output(name);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("centerface.onnx");
    fs::write(&path, file.bytes()).unwrap();
    let model = ModelFolder::open(&path).unwrap();
    let mut detector = Detector::new(&Device::cpu(), &model, &Default::default()).unwrap();
    let options = DetectionOptions::new().threshold(0.5);
    let found = detector.detect(&RgbImage::new(64, 64), &options).unwrap();
    let center = [(8.0 + 0.125 + 0.5) * 4.0, (3.0 + 0.25 + 0.5) * 4.0];
    let expected = [
        center[0] - 6.0,
        center[1] - 10.0,
        center[0] + 6.0,
        center[1] + 10.0,
    ];
    assert_eq!((found.len(), found[0].label.as_str()), (1, "face"));
    for (found, expected) in found[0].corners.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }
}
