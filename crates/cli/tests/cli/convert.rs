//! `shadernet convert`: what is written, and that errors leave no files behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use shadernet::weights::{Dtype, Weights};

use crate::support::{execute, shadernet, small_model, test_image};

/// A detector with one convolution for 32x32 images: 3 anchors and 2 classes make 21 channels.
const CFG: &str = "\
[net]
width=32
height=32
channels=3

[convolutional]
filters=21
size=3
stride=16
pad=1
activation=linear

[yolo]
mask=0,1,2
anchors=4,4, 8,8, 16,16
num=3
classes=2
";
const NUMBERS: usize = 21 + 21 * 3 * 9;

struct Files(tempfile::TempDir);

impl Files {
    /// Writes `tiny.cfg`, and `tiny.weights` with `numbers` numbers.
    fn new(cfg: &str, numbers: usize) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        fs::write(files.path("tiny.cfg"), cfg).unwrap();
        let mut bytes = [0_u8; 20];
        bytes[4] = 2;
        let numbers = (0..numbers).flat_map(|i| (0.01 * (i % 7) as f32).to_le_bytes());
        let weights: Vec<u8> = bytes.into_iter().chain(numbers).collect();
        fs::write(files.path("tiny.weights"), weights).unwrap();
        fs::write(files.path("tiny.names"), "cat\ndog\n").unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `convert` with these arguments; those that are not options are files in this folder.
    fn convert(&self, args: &[&str]) -> Command {
        let mut command = shadernet();
        command.arg("convert");
        for arg in args {
            match arg.starts_with('-') {
                true => command.arg(arg),
                false => command.arg(self.path(arg)),
            };
        }
        command
    }

    /// Checks that the folder holds only the files of [`Self::new`].
    #[track_caller]
    fn assert_untouched(&self) {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        assert_eq!(names, ["tiny.cfg", "tiny.names", "tiny.weights"]);
    }
}

#[test]
fn darknet_files_become_a_folder_for_detect() {
    let files = Files::new(CFG, NUMBERS);
    let args = [
        "tiny.cfg",
        "tiny.weights",
        "--names",
        "tiny.names",
        "-o",
        "out",
        "--half",
    ];
    let run = execute(files.convert(&args).arg("--json")).ok();
    let written = &run.json()[0];
    assert_eq!(
        (
            &written["architecture"],
            &written["num_classes"],
            &written["parameters"]
        ),
        (&json!("darknet"), &json!(2), &json!(NUMBERS))
    );
    let mut detect = shadernet();
    detect.args([
        "detect",
        "--backend",
        "cpu",
        "--json",
        "--threshold",
        "0",
        "--model",
    ]);
    let run = execute(detect.arg(files.path("out")).arg(test_image("chelsea.png"))).ok();
    let label = &run.json()[0]["detections"][0]["label"];
    assert!(
        ["cat", "dog"].map(|name| json!(name)).contains(label),
        "{label}"
    );

    // An existing folder is not overwritten.
    let run = execute(&mut files.convert(&args));
    run.fails(&["out: ", "found a file or a folder with files in it"]);
}

#[test]
fn resize_chooses_how_pictures_are_fitted() {
    let files = Files::new(CFG, NUMBERS);
    for (mode, crop_mode) in [("letterbox", "letterbox"), ("stretch", "squash")] {
        let args = ["tiny.cfg", "tiny.weights", "--json", "-o", mode];
        let mut command = files.convert(&args);
        let run = execute(command.args(["--resize", mode])).ok();
        assert_eq!(run.json()[0]["crop_mode"], crop_mode);
    }
}

#[test]
fn a_safetensors_file_is_converted_to_float16() {
    let files = Files::new(CFG, NUMBERS);
    let whole = small_model().join("model.safetensors");
    let convert = |from: &Path, to: &str, args: &[&str]| {
        let mut command = shadernet();
        command
            .arg("convert")
            .arg(from)
            .arg("-o")
            .arg(files.path(to))
            .args(args);
        execute(&mut command)
    };
    // The small model is float16: it is converted to float32 and back.
    convert(&whole, "f32.safetensors", &[]).ok();
    let run = convert(
        &files.path("f32.safetensors"),
        "f16.safetensors",
        &["--half"],
    )
    .ok();
    let tensors = Weights::open(files.path("f16.safetensors"))
        .unwrap()
        .names()
        .len();
    assert!(run.out.starts_with(&format!(
        "{tensors} tensors (21 matrices as float16, {} others), ",
        tensors - 21
    )));
    let stored = Weights::open(files.path("f16.safetensors")).unwrap();
    assert_eq!(stored.dtype("conv1.weight"), Some(Dtype::F16));
    assert_eq!(stored.dtype("bn1.running_var"), Some(Dtype::F32));
    let original = Weights::open(&whole).unwrap();
    for name in original.names() {
        assert_eq!(
            stored.read(name).unwrap(),
            original.read(name).unwrap(),
            "{name}"
        );
    }
    // The only copy of the float32 weights.
    let original = fs::read(files.path("f32.safetensors")).unwrap();
    convert(
        &files.path("f32.safetensors"),
        "f32.safetensors",
        &["--half"],
    )
    .fails(&["f32.safetensors: this is an input of the command"]);
    assert!(fs::read(files.path("f32.safetensors")).unwrap() == original);
    convert(&files.path("tiny.names"), "x", &["--half"]).fails(&["tiny.names: "]);
    convert(&files.path("none"), "x", &[]).fails(&["none: "]);
    assert!(!files.path("x").exists());
}

#[test]
fn damaged_files_leave_nothing_behind() {
    let args = ["tiny.cfg", "tiny.weights", "-o", "out"];
    let unknown = CFG.replace("[convolutional]", "[gru]");
    let cases = [
        (CFG, NUMBERS - 1, "tiny.weights: "),
        (
            CFG,
            NUMBERS - 1,
            "tiny.cfg needs 588 numbers, found 587 numbers: the file ends within layers.0.conv.weight",
        ),
        (CFG, NUMBERS + 1, "needs 588 numbers, found 589 numbers"),
        (CFG, 0, "found 0 numbers"),
        (&unknown, NUMBERS, "tiny.cfg: line 6: unknown section [gru]"),
        (
            "",
            NUMBERS,
            "tiny.cfg: a Darknet .cfg, which begins with [net], was expected",
        ),
    ];
    for (cfg, numbers, part) in cases {
        let files = Files::new(cfg, numbers);
        execute(&mut files.convert(&args)).fails(&[part]);
        files.assert_untouched();
    }
    let files = Files::new(CFG, NUMBERS);
    fs::write(files.path("tiny.names"), "one\n").unwrap();
    execute(
        files
            .convert(&args)
            .arg("--names")
            .arg(files.path("tiny.names")),
    )
    .fails(&["tiny.names: 2 names were expected", "found 1"]);
    files.assert_untouched();
    execute(&mut files.convert(&["tiny.cfg", "tiny.weights", "-o", "no/where"]))
        .fails(&["there is no folder"]);
    execute(&mut files.convert(&["none.cfg", "tiny.weights", "-o", "out"])).fails(&["none.cfg: "]);
    execute(&mut files.convert(&["tiny.cfg", "none.weights", "-o", "out"]))
        .fails(&["none.weights: "]);
    files.assert_untouched();
}

#[test]
fn wrong_combinations_of_files_are_usage_errors() {
    let files = Files::new(CFG, NUMBERS);
    for (args, part) in [
        (&["tiny.cfg", "-o", "out"][..], "expected both"),
        (&["tiny.weights", "-o", "out"], "expected both"),
        (
            &["tiny.weights", "tiny.cfg", "-o", "out"],
            "expected the .cfg first",
        ),
        (
            &["a.safetensors", "--names", "tiny.names", "-o", "out"],
            "--names is only for Darknet files",
        ),
        (
            &["a.safetensors", "--resize=stretch", "-o", "out"],
            "--resize is only for Darknet files",
        ),
        (
            &["tiny.cfg", "tiny.weights", "-o", "out.onnx"],
            "become a folder first",
        ),
        (
            &[
                "tiny.weights.safetensors",
                "--generate-weights",
                "-o",
                "out",
            ],
            "for an architecture that is written as ONNX",
        ),
        (
            &["tiny.names", "-o", "out.onnx"],
            "does not say which network its weights are for",
        ),
        (&["a.onnx", "--half", "-o", "out"], "--half: "),
    ] {
        let run = execute(&mut files.convert(args));
        assert_eq!((run.code, run.out.as_str()), (2, ""));
        run.says(&["error: ", part]);
    }
    files.assert_untouched();
}

/// Running averages and norms count batches.
#[test]
fn counters_are_kept_and_counted() {
    let files = Files::new(CFG, NUMBERS);
    let header = r#"{"n_averaged":{"dtype":"I64","shape":[],"data_offsets":[0,8]},
        "conv.weight":{"dtype":"F32","shape":[1,1,1,1],"data_offsets":[8,12]}}"#;
    fs::write(
        files.path("a.safetensors"),
        crate::common::safetensors(header, 12),
    )
    .unwrap();
    let run = execute(&mut files.convert(&["a.safetensors", "-o", "b.safetensors", "--half"])).ok();
    assert!(
        run.out
            .starts_with("2 tensors (1 matrices as float16, 1 others), 10 B, written to"),
        "{}",
        run.out
    );
    let saved = Weights::open(files.path("b.safetensors")).unwrap();
    assert_eq!(saved.dtype_name("n_averaged"), Some("I64"));
    assert_eq!(saved.dtype("conv.weight"), Some(Dtype::F16));
}

#[test]
fn a_model_becomes_a_folder_that_classifies() {
    let files = tempfile::tempdir().unwrap();
    let copy = files.path().join("copy");
    let convert = |model: &str, output: &Path| {
        let mut command = shadernet();
        command.env("SHADERNET_MODELS", small_model());
        execute(
            command
                .args(["convert", model, "--half", "--json", "-o"])
                .arg(output),
        )
    };
    let line = &convert("resnet18_ten", &copy).ok().json()[0];
    // Convolutions and the classifier; vectors and batch norms.
    assert_eq!(
        (&line["tensors"], &line["matrices"]),
        (&json!(102), &json!(21))
    );
    let config = |folder: &Path| fs::read(folder.join("config.json")).unwrap();
    assert!(config(&copy) == config(small_model()));
    let classes = |model: &Path| {
        let mut command = shadernet();
        command
            .args(["classify", "--backend=cpu", "--json", "--model"])
            .arg(model);
        execute(command.arg(test_image("chelsea.png"))).ok().out
    };
    // The small model's weights are float16 already.
    assert_eq!(classes(&copy), classes(small_model()));
    convert("resnet18_ten", &copy).fails(&["a new or empty folder was expected"]);
    convert("no_such.safetensors", &files.path().join("b")).fails(&["no_such.safetensors: "]);
    let built_in = files.path().join("lite0");
    convert("efficientnet_lite0", &built_in).ok();
    let text = execute(
        shadernet()
            .args(["convert", "--half", "-o"])
            .arg(files.path().join("again"))
            .arg(&built_in),
    )
    .ok();
    assert!(text.out.contains(" matrices as float16, "), "{}", text.out);
}

/// What `classify` prints for a model: classes and probabilities.
fn classes(model: &Path) -> Vec<(String, f64)> {
    let mut command = shadernet();
    command
        .args(["classify", "--backend=cpu", "--json", "--model"])
        .arg(model);
    let run = execute(command.arg(test_image("chelsea.png"))).ok();
    assert!(!run.err.contains("assumed"), "{}", run.err);
    let lines = run.json();
    let found = lines[0]["predictions"].as_array().unwrap();
    let of = |found: &serde_json::Value| {
        let label = found["label"].as_str().unwrap().to_owned();
        (label, found["probability"].as_f64().unwrap())
    };
    found.iter().map(of).collect()
}

#[track_caller]
fn assert_alike(a: &[(String, f64)], b: &[(String, f64)], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for ((a, x), (b, y)) in a.iter().zip(b) {
        assert_eq!(a, b);
        assert!((x - y).abs() <= tolerance, "{x} and {y}");
    }
}

#[test]
fn a_model_becomes_an_onnx_file_and_that_a_folder() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name);
    let convert = |args: &[&str], model: &Path, output: &Path| {
        let mut command = shadernet();
        command.arg("convert").arg(model).arg("-o").arg(output);
        execute(command.args(args))
    };
    let expected = classes(small_model());
    let line = &convert(&["--json"], small_model(), &path("a.onnx"))
        .ok()
        .json()[0];
    assert_eq!(
        (&line["opset"], &line["tensors"], &line["any_size"]),
        (&json!(17), &json!(102), &json!(true))
    );
    let size = fs::metadata(path("a.onnx")).unwrap().len();
    assert_eq!(line["bytes"], json!(size));
    assert_alike(&classes(&path("a.onnx")), &expected, 1e-6);

    // The model's weights are float16 already.
    let half = convert(&["--half"], small_model(), &path("half.onnx")).ok();
    assert!(half.out.contains("21 matrices as float16"), "{}", half.out);
    assert!(fs::metadata(path("half.onnx")).unwrap().len() < size * 6 / 10);
    assert_alike(&classes(&path("half.onnx")), &expected, 1e-6);

    let line = &convert(&["--json"], &path("a.onnx"), &path("folder"))
        .ok()
        .json()[0];
    assert_eq!(
        (&line["task"], &line["num_classes"]),
        (&json!("classification"), &json!(10))
    );
    assert_eq!(classes(&path("folder")), classes(&path("a.onnx")));
    let config = fs::read_to_string(path("folder").join("config.json")).unwrap();
    assert!(config.contains("\"tag\": \"a1_in1k\""), "{config}");
    convert(&[], &path("a.onnx"), &path("folder")).fails(&["a new or empty folder was expected"]);
    convert(&[], &path("folder"), &path("b.onnx")).fails(&["it is an ONNX file already: copy it"]);
    convert(&[], &path("a.onnx"), &path("b.onnx"))
        .fails(&["this is an ONNX file already: copy it"]);
    let own = path("folder").join("model.onnx");
    convert(&[], &path("folder"), &own).fails(&["this is an input of the command"]);
    assert!(!path("b.onnx").exists());
}

#[test]
fn an_architecture_becomes_an_onnx_file_with_weights_of_a_file() {
    let files = tempfile::tempdir().unwrap();
    let output = files.path().join("out.onnx");
    let weights = small_model().join("model.safetensors");
    let convert = |args: &[&str]| {
        let mut command = shadernet();
        command.args(["convert", "resnet18", "-o"]).arg(&output);
        execute(command.args(args))
    };
    let run = convert(&[]);
    assert_eq!(run.code, 2);
    run.says(&["resnet18 is an architecture", "--weights was expected"]);
    let weights = format!("--weights={}", weights.display());
    let run = convert(&[&weights, "--generate-weights"]);
    assert_eq!(run.code, 2);
    convert(&["--weights=none.pth"]).fails(&["none.pth: "]);
    assert!(!output.exists());
    let line = &convert(&[&weights, "--json"]).ok().json()[0];
    assert_eq!(line["architecture"], "resnet18");
    let model = shadernet::model_folder::ModelFolder::open(&output).unwrap();
    assert_eq!(model.num_classes, 10);
    let assumptions = model.assumptions().unwrap();
    assert!(
        assumptions.contains("(assumed: mean, std, channel order)"),
        "{assumptions}"
    );
}

/// Of a checkpoint, the tensors of the network are written, not those of the optimizer.
#[test]
fn checkpoints_of_pytorch_become_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/pytorch");
    let output = folder.path().join("out.safetensors");
    let convert = |name: &str| {
        let mut command = shadernet();
        command.arg("convert").arg(checkpoints.join(name));
        execute(command.arg("-o").arg(&output))
    };
    let done = convert("nested.pth");
    assert_eq!(done.code, 0, "{}", done.err);
    let weights = Weights::open(&output).unwrap();
    let names: Vec<&str> = weights.names().collect();
    let expected = [
        "module.conv.bias",
        "module.conv.weight",
        "module.norm.num_batches_tracked",
    ];
    assert_eq!(names, expected);
    fs::remove_file(&output).unwrap();
    for (name, expected) in [("module.pth", "__main__.Net"), ("script.pt", "TorchScript")] {
        let refused = convert(name);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains(expected), "{}", refused.err);
        assert!(!output.exists());
    }
}
