//! Vectors of images.

#[path = "common/devices.rs"]
mod devices;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/place.rs"]
mod place;

use std::fs;

use model_folders::model_folder;
use shadernet::device::Device;
use shadernet::model_folder::ModelFolder;
use shadernet::session::Session;
use shadernet::tasks::Embedder;
use shadernet::tensor::{Shape, Tensor};
use shadernet::vision::{RgbImage, decode};
use shadernet::zoo;

fn image(name: &str) -> RgbImage {
    decode(place::repository().join("tests/images").join(name)).unwrap()
}

/// The output of a layer of a network that also computes its scores.
fn intermediate(folder: &ModelFolder, layer: &str, batch: &Tensor) -> Tensor {
    let (graph, _) = folder.graph().unwrap();
    let weights = folder.weights(&graph).unwrap();
    let graph = graph.with_intermediate_outputs(&[layer]).unwrap();
    let shapes = [batch.shape().clone()];
    let device = Device::reference();
    let mut session = Session::new(&device, &graph, weights, &Default::default(), &shapes).unwrap();
    let mut outputs = session.run(std::slice::from_ref(batch)).unwrap();
    outputs.pop().unwrap()
}

#[track_caller]
fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    assert!(largest > 0.0, "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= 1e-4 * largest,
            "{what}: {found} {expected}"
        );
    }
}

#[test]
fn vectors_are_what_the_classifier_reads() {
    let place = tempfile::tempdir().unwrap();
    for (architecture, dimensions, channels) in [
        ("resnet18", 512, 3),
        // A fully connected layer after the pooling.
        ("mobilenet_v3_small", 1024, 1),
        // Its classifier is a convolution, before the pooling.
        ("squeezenet1_1", 512, 3),
    ] {
        let size = [channels, 64, 64];
        let folder = model_folder(place.path(), architecture, architecture, 5, size, &[]);
        let images = ["chelsea.png", "coffee.png", "rocket.jpg"].map(image);
        let batch = folder.preprocessing.batch(&images).unwrap();
        let layer = Embedder::default_layer(&folder).unwrap();
        let expected = intermediate(&folder, &layer, &batch);
        let pixels = expected.data().len() / (3 * dimensions);
        let expected: Vec<f32> = (expected.data().chunks(pixels))
            .map(|map| map.iter().sum::<f32>() / pixels as f32)
            .collect();
        for (name, device) in devices::all_devices() {
            let mut embedder = Embedder::new(&device, &folder, &Default::default()).unwrap();
            assert_eq!(embedder.dimensions(), dimensions);
            assert_eq!(embedder.layer(), layer);
            embedder.prepare(3).unwrap();
            let found = embedder.embed_batch(batch.clone()).unwrap();
            assert_eq!(found.shape().dims(), [3, dimensions]);
            assert_near(
                found.data(),
                &expected,
                &format!("{architecture} on {name}"),
            );
            let second = embedder.embed(&images[1]).unwrap();
            assert_near(&second, &expected[dimensions..][..dimensions], architecture);
        }
    }
}

#[test]
fn any_layer_can_be_taken() {
    let place = tempfile::tempdir().unwrap();
    let folder = model_folder(place.path(), "resnet", "resnet18", 5, [3, 64, 64], &[]);
    let layers = Embedder::layers(&folder).unwrap();
    assert!(layers.iter().all(|(name, _, _)| name != "input"));
    let (graph, _) = folder.graph().unwrap();
    assert_eq!(layers.len(), graph.nodes().len() - 1);
    let batch = folder.preprocessing.apply(&image("chelsea.png")).unwrap();
    let device = Device::cpu();
    let take = |layer: &str| Embedder::from_layer(&device, &folder, layer, &Default::default());
    let find = |shape: [usize; 4]| {
        let found = layers.iter().find(|(_, _, s)| *s == Shape::from(shape));
        found.unwrap().0.clone()
    };
    for (layer, dimensions) in [
        (find([1, 64, 32, 32]), 64),
        (find([1, 256, 4, 4]), 256),
        ("fc".to_owned(), 5),
    ] {
        let mut embedder = take(&layer).unwrap();
        assert_eq!(embedder.dimensions(), dimensions);
        let found = embedder.embed_batch(batch.clone()).unwrap();
        let expected = intermediate(&folder, &layer, &batch);
        let pixels = expected.data().len() / dimensions;
        let expected: Vec<f32> = (expected.data().chunks(pixels))
            .map(|map| map.iter().sum::<f32>() / pixels as f32)
            .collect();
        assert_near(found.data(), &expected, &layer);
    }
    let error = take("layer1.0.relu9").unwrap_err().to_string();
    assert!(
        error.contains("unknown layer 'layer1.0.relu9'; did you mean 'layer1.0.relu"),
        "{error}"
    );
}

#[test]
fn normalized_vectors_have_length_one() {
    let place = tempfile::tempdir().unwrap();
    let folder = model_folder(place.path(), "resnet", "resnet18", 5, [3, 64, 64], &[]);
    let coffee = image("coffee.png");
    let new = || Embedder::new(&Device::cpu(), &folder, &Default::default()).unwrap();
    let plain = new().embed(&coffee).unwrap();
    let unit = new().normalized().embed(&coffee).unwrap();
    let length = |vector: &[f32]| {
        vector
            .iter()
            .map(|v| f64::from(*v).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    assert!((length(&unit) - 1.0).abs() < 1e-6);
    assert!((length(&plain) - 1.0).abs() > 1e-2);
    let scaled: Vec<f32> = unit
        .iter()
        .map(|v| (f64::from(*v) * length(&plain)) as f32)
        .collect();
    assert_near(&scaled, &plain, "scaled back");
}

/// A folder without a classifier has the features as its output.
#[test]
fn folders_without_classes_return_their_output() {
    let place = tempfile::tempdir().unwrap();
    let folder = model_folder(place.path(), "resnet", "resnet18", 5, [3, 64, 64], &[]);
    let path = place.path().join("features");
    fs::create_dir(&path).unwrap();
    fs::copy(
        folder.path.join("model.safetensors"),
        path.join("model.safetensors"),
    )
    .unwrap();
    let config = fs::read_to_string(folder.path.join("config.json")).unwrap();
    let config = config.replace("\"num_classes\":5", "\"num_classes\":0");
    fs::write(path.join("config.json"), config).unwrap();
    let features = ModelFolder::open(path).unwrap();
    assert_eq!(features.num_classes, 0);
    let [found, expected] = [&features, &folder].map(|folder| {
        let mut embedder = Embedder::new(&Device::cpu(), folder, &Default::default()).unwrap();
        embedder.embed(&image("rocket.jpg")).unwrap()
    });
    assert_eq!(found, expected);
}

#[test]
fn other_networks_need_a_layer() {
    let place = tempfile::tempdir().unwrap();
    let folder = model_folder(place.path(), "unet", "unet_bilinear", 2, [3, 32, 32], &[]);
    let device = Device::cpu();
    let error = Embedder::new(&device, &folder, &Default::default());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("unet: a classifier was expected"), "{error}");
    assert!(
        error.ends_with("name the layer whose output is to be taken"),
        "{error}"
    );
    let layers = Embedder::layers(&folder).unwrap();
    let (layer, _, shape) = layers
        .iter()
        .min_by_key(|(_, _, shape)| shape.dims()[3])
        .unwrap();
    let mut embedder = Embedder::from_layer(&device, &folder, layer, &Default::default()).unwrap();
    let vector = embedder.embed(&image("coffee.png")).unwrap();
    assert_eq!(vector.len(), shape.dims()[1]);
}

/// Every network of the zoo that classifies images has features.
#[test]
fn every_classifier_of_the_zoo_has_features() {
    for architecture in zoo::architectures() {
        if architecture.task != zoo::Task::Classification || architecture.tokens.is_some() {
            continue;
        }
        let graph = architecture.build(&Default::default()).unwrap();
        let features = graph.classifier_input().unwrap();
        let shapes = graph
            .infer(&architecture.input_shapes(1, &Default::default()))
            .unwrap();
        let dims = shapes[features.index()].dims();
        assert!(
            dims[1] >= 64 || architecture.name == "mlp",
            "{}: {dims:?}",
            architecture.name
        );
    }
}
