//! `.weights`: the order of tensors, and files that are too short or too long.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shadernet::Error;
use shadernet::device::Device;
use shadernet::model_folder::{ModelFolder, convert_darknet};
use shadernet::reference::Reference;
use shadernet::session::SessionOptions;
use shadernet::tasks::Classifier;
use shadernet::tensor::Tensor;
use shadernet::vision::{CropMode, Interpolation};
use shadernet::weights::generate::{self, generated_input};
use shadernet::weights::{Dtype, Weights};

use crate::tolerance::{STORED_F16, STORED_F16_FLOOR};
use crate::{CFG, network};

/// The tensors of [`CFG`] in the order of its file, with their shapes.
const ORDER: [(&str, &[usize]); 14] = [
    ("layers.0.bn.bias", &[4]),
    ("layers.0.bn.weight", &[4]),
    ("layers.0.bn.running_mean", &[4]),
    ("layers.0.bn.running_var", &[4]),
    ("layers.0.conv.weight", &[4, 2, 3, 3]),
    ("layers.2.conv.bias", &[4]),
    ("layers.2.conv.weight", &[4, 4, 1, 1]),
    ("layers.9.fc.bias", &[6]),
    ("layers.9.fc.weight", &[6, 20 * 12 * 16]),
    ("layers.10.bn.bias", &[5]),
    ("layers.10.fc.weight", &[5, 6]),
    ("layers.10.bn.weight", &[5]),
    ("layers.10.bn.running_mean", &[5]),
    ("layers.10.bn.running_var", &[5]),
];

fn tensors() -> BTreeMap<&'static str, Tensor> {
    let tensor =
        |(name, shape): (&'static str, &[usize])| (name, generate::tensor(name, shape, 1.0));
    ORDER.into_iter().map(tensor).collect()
}

/// A `.weights` of [`tensors`], version `[major, minor]`, with `images` as the count of training images.
/// If `transposed`, matrices are `[in, out]`.
fn file([major, minor]: [i32; 2], images: &[u8], transposed: bool) -> Vec<u8> {
    let mut bytes: Vec<u8> = [major, minor, 0]
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
    bytes.extend(images);
    let tensors = tensors();
    for (name, shape) in ORDER {
        let data = tensors[name].data();
        let numbers: Vec<f32> = match (transposed && name.ends_with("fc.weight"), shape) {
            (true, &[outputs, inputs]) => (0..inputs)
                .flat_map(|i| (0..outputs).map(move |o| data[o * inputs + i]))
                .collect(),
            _ => data.to_vec(),
        };
        bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
    }
    bytes
}

fn complete() -> Vec<u8> {
    file([0, 2], &[7; 8], false)
}

struct Files {
    folder: tempfile::TempDir,
    cfg: PathBuf,
    weights: PathBuf,
}

impl Files {
    fn new(weights: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (cfg, path) = (folder.path().join("a.cfg"), folder.path().join("a.weights"));
        std::fs::write(&cfg, CFG).unwrap();
        std::fs::write(&path, weights).unwrap();
        Self {
            folder,
            cfg,
            weights: path,
        }
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn convert(&self, matrices: Dtype) -> shadernet::Result<()> {
        convert_darknet(
            &self.cfg,
            &self.weights,
            None,
            None,
            self.output(),
            matrices,
        )
        .map(drop)
    }

    /// The names of all files in the folder, sorted.
    fn listing(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

fn assert_holds_all_tensors(weights: &Weights, what: &str) {
    let tensors = tensors();
    assert_eq!(weights.names().len(), tensors.len(), "{what}");
    for (name, tensor) in &tensors {
        assert_eq!(weights.shape(name), Some(tensor.shape()), "{what}: {name}");
        assert_eq!(
            weights.read(name).unwrap()[..],
            *tensor.data(),
            "{what}: {name}"
        );
    }
}

#[test]
fn tensors_are_read_from_files_of_all_versions() {
    let long = [7; 8];
    for (what, bytes) in [
        ("0.2", file([0, 2], &long, false)),
        ("2.0", file([2, 0], &long, false)),
        (
            "0.1, whose count is shorter",
            file([0, 1], &long[..4], false),
        ),
        ("transposed matrices", file([0, 1001], &long[..4], true)),
    ] {
        let files = Files::new(&bytes);
        assert_holds_all_tensors(&network().read_weights(&files.weights).unwrap(), what);
    }
}

#[test]
fn a_converted_folder_gives_the_same_outputs() {
    let files = Files::new(&complete());
    let network = network();
    let weights = network.read_weights(&files.weights).unwrap();
    let input = generated_input([1, 2, 24, 32]);
    let run = |weights: &Weights| {
        let reference = Reference::new(network.graph(), weights).unwrap();
        reference
            .run(std::slice::from_ref(&input))
            .unwrap()
            .swap_remove(0)
    };
    let expected = run(&weights);

    files.convert(Dtype::F32).unwrap();
    let folder = ModelFolder::open(files.output()).unwrap();
    assert_eq!(folder.architecture, "darknet");
    assert_eq!(
        (folder.num_classes, folder.preprocessing.input_size),
        (5, [2, 24, 32])
    );
    let stored = Weights::open(folder.weights_path().unwrap()).unwrap();
    assert_holds_all_tensors(&stored, "the folder");
    assert_eq!(run(&stored), expected);
    let (graph, _) = folder.graph().unwrap();
    let reference = Reference::new(&graph, &stored).unwrap();
    assert_eq!(
        reference.run(std::slice::from_ref(&input)).unwrap(),
        [expected]
    );
    let mut classifier =
        Classifier::new(&Device::cpu(), &folder, &SessionOptions::default()).unwrap();
    let predictions = classifier.predict(input, 9).unwrap().swap_remove(0);
    assert_eq!(predictions.len(), 5);
    assert_eq!(
        predictions[0].label,
        format!("class {}", predictions[0].class)
    );
}

#[test]
fn only_filters_and_matrices_are_stored_as_float16() {
    let files = Files::new(&complete());
    files.convert(Dtype::F16).unwrap();
    let stored = Weights::open(files.output().join("model.safetensors")).unwrap();
    for (name, tensor) in tensors() {
        let (dtype, tolerance) = match tensor.shape().rank() {
            1 => (Dtype::F32, 0.0),
            _ => (Dtype::F16, STORED_F16),
        };
        assert_eq!(stored.dtype(name), Some(dtype), "{name}");
        for (found, expected) in stored.read(name).unwrap().iter().zip(tensor.data()) {
            assert!(
                (found - expected).abs() <= tolerance * expected.abs().max(STORED_F16_FLOOR),
                "{name}"
            );
        }
    }
}

#[test]
fn values_beyond_float16_are_refused_and_nothing_is_left() {
    let mut bytes = complete();
    // The first value of the first filter, after four vectors of four.
    bytes[20 + 64..][..4].copy_from_slice(&1e6_f32.to_le_bytes());
    let files = Files::new(&bytes);
    let text = files.convert(Dtype::F16).unwrap_err().to_string();
    assert!(
        text.contains("'layers.0.conv.weight': 1000000 is beyond the range of float16"),
        "{text}"
    );
    assert_eq!(files.listing(), ["a.cfg", "a.weights"]);
    files.convert(Dtype::F32).unwrap();
}

#[track_caller]
fn refusal(bytes: &[u8]) -> String {
    let files = Files::new(bytes);
    let error = files.convert(Dtype::F16).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    assert_eq!(
        files.listing(),
        ["a.cfg", "a.weights"],
        "something was left behind"
    );
    let text = error.to_string();
    assert!(text.contains("a.weights: "), "{text}");
    text
}

#[test]
fn files_of_other_lengths_are_refused_with_the_counts() {
    let complete = complete();
    let needed = (complete.len() - 20) / 4;
    for length in (0..300)
        .chain((300..complete.len()).step_by(997))
        .chain([complete.len() - 1])
    {
        refusal(&complete[..length]);
    }
    let text = refusal(&complete[..19]);
    assert!(
        text.contains("a header of 20 bytes; the file has 19"),
        "{text}"
    );
    let text = refusal(&complete[..20 + 4 * 50 + 1]);
    assert!(
        text.contains(&format!(
            "needs {needed} numbers, found 50 numbers and 1 bytes"
        )),
        "{text}"
    );
    assert!(
        text.contains("ends within layers.0.conv.weight; it is truncated"),
        "{text}"
    );

    let longer = [&complete[..], &[0; 8]].concat();
    let text = refusal(&longer);
    let found = needed + 2;
    assert!(
        text.contains(&format!("needs {needed} numbers, found {found} numbers")),
        "{text}"
    );
    let text = refusal(&[&complete[..], &[0]].concat());
    assert!(
        text.contains(&format!("found {needed} numbers and 1 bytes")),
        "{text}"
    );
}

#[test]
fn folders_and_missing_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = network()
        .read_weights(folder.path())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("expected a Darknet .weights file, found a folder"),
        "{text}"
    );
    let missing = folder.path().join("none.weights");
    assert!(matches!(
        network().read_weights(missing),
        Err(Error::Io { .. })
    ));
}

#[test]
fn letter_box_decides_how_images_are_fitted() {
    let crop_mode = |setting: &str, layers: &str, chosen| {
        let files = Files::new(&[0; 16 + 4 * (14 + 14 * 3)]);
        let text = format!("[net]\nwidth=32\nheight=32\nchannels=3\n{setting}\n{layers}");
        std::fs::write(&files.cfg, text).unwrap();
        let (cfg, weights, output) = (&files.cfg, &files.weights, files.output());
        let made = convert_darknet(cfg, weights, None, chosen, &output, Dtype::F32)?;
        let preprocessing = ModelFolder::open(output)?.preprocessing;
        assert_eq!(preprocessing.interpolation, Interpolation::Darknet);
        assert_eq!(preprocessing.crop_mode, made.crop_mode);
        Ok::<_, Error>(made.crop_mode)
    };
    let conv = "[convolutional]\nfilters=14\nsize=1\nstride=8\nactivation=linear\n";
    let detector = format!("{conv}[yolo]\nmask=0,1\nanchors=10,14,23,27\nclasses=2\nnum=2\n");
    let classifier = format!("{conv}[avgpool]\n[softmax]\n");
    let of = |setting, layers: &str| crop_mode(setting, layers, None).unwrap();
    assert_eq!(of("", &detector), CropMode::Letterbox);
    assert_eq!(of("letter_box=0", &detector), CropMode::Squash);
    assert_eq!(of("letter_box=1", &detector), CropMode::Letterbox);
    assert_eq!(of("letter_box=1", &classifier), CropMode::Center);
    // What the caller chooses has precedence.
    let chosen = crop_mode("letter_box=1", &detector, Some(CropMode::Squash));
    assert_eq!(chosen.unwrap(), CropMode::Squash);
    let text = crop_mode("letter_box=2", &detector, None)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("letter_box: a whole number from 0 to 1"),
        "{text}"
    );
}

#[test]
fn folders_and_names_are_checked_before_anything_is_written() {
    let files = Files::new(&complete());
    let names = files.folder.path().join("names.txt");
    let convert = |text: &[u8], output: &Path| {
        std::fs::write(&names, text).unwrap();
        let names = Some(names.as_path());
        convert_darknet(&files.cfg, &files.weights, names, None, output, Dtype::F32)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let output = files.output();
    let text = convert(b"a\nb\nc\nd\n", &output).unwrap_err();
    assert!(text.contains("names.txt: 5 names were expected"), "{text}");
    assert!(text.ends_with("found 4"), "{text}");
    assert!(!output.exists());

    // An empty folder is filled; a folder with files in it, or a file, is left unchanged.
    std::fs::create_dir(&output).unwrap();
    convert(b"a\r\nb\nc\nd\n\xc3\xa9\n\n\n", &output).unwrap();
    let labels = ModelFolder::open(&output).unwrap().labels;
    assert_eq!([labels.text(0), labels.text(4)], ["a", "é"]);
    let text = convert(b"a\nb\nc\nd\ne", &output).unwrap_err();
    assert!(
        text.contains("found a file or a folder with files in it"),
        "{text}"
    );
    assert!(convert(b"a\nb\nc\nd\ne", &files.cfg).is_err());
    assert_eq!(std::fs::read_to_string(&files.cfg).unwrap(), CFG);
    let text = convert(b"a\nb\nc\nd\ne", &files.folder.path().join("no/where")).unwrap_err();
    assert!(text.contains("there is no folder"), "{text}");
}
