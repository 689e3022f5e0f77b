//! `shadernet run`: damaged weights, wrong inputs, outputs that cannot be written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use shadernet::tensor::Tensor;
use shadernet::weights::generate::generated_input;
use shadernet::weights::{Dtype, Weights, write_safetensors};

use crate::common::safetensors;
use crate::devices::backends;
use crate::support::{
    chelsea, execute, model_with, shadernet, small_config, small_model, with_header,
};

/// A folder with an input and an output of an earlier run.
struct Files {
    folder: tempfile::TempDir,
}

const OLD: &[u8] = b"what an earlier run wrote";

impl Files {
    fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        this.write_input("input", &generated_input([2, 3, 64, 64]));
        fs::write(this.output(), OLD).unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn output(&self) -> PathBuf {
        self.path("output.safetensors")
    }

    fn write_input(&self, name: &str, tensor: &Tensor) {
        let path = self.path("input.safetensors");
        write_safetensors(path, [(name, tensor)], Dtype::F32).unwrap();
    }

    fn run(&self, weights: &Path) -> Command {
        self.run_to(weights, &self.output())
    }

    fn run_to(&self, weights: &Path, output: &Path) -> Command {
        let mut command = shadernet();
        // The weights tell that there are ten classes.
        command.args(["run", "--arch", "resnet18"]);
        command.arg("--weights").arg(weights);
        command.arg("--input").arg(self.path("input.safetensors"));
        command.arg("--output").arg(output);
        command
    }

    /// Runs with `bytes` as weights. This must fail, and leave the files unchanged.
    #[track_caller]
    fn fails(&self, bytes: &[u8], parts: &[&str]) {
        let weights = self.path("weights.safetensors");
        fs::write(&weights, bytes).unwrap();
        let run = execute(self.run(&weights).args(["--backend", "cpu"]));
        run.fails(parts).says(&["weights.safetensors"]);
        fs::remove_file(&weights).unwrap();
        self.assert_unchanged();
    }

    /// Checks that the old output is unchanged, and that there is no temporary file.
    #[track_caller]
    fn assert_unchanged(&self) {
        assert_eq!(fs::read(self.output()).unwrap(), OLD);
        let mut names: Vec<_> = (fs::read_dir(self.folder.path()).unwrap())
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["input.safetensors", "output.safetensors"]);
    }
}

fn weights() -> PathBuf {
    small_model().join("model.safetensors")
}

fn weights_with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_header(&fs::read(weights()).unwrap(), change)
}

#[test]
fn damaged_weights_are_rejected() {
    let files = Files::new();
    let whole = fs::read(weights()).unwrap();
    files.fails(&whole[..whole.len() - 1], &["truncated", "download"]);
    files.fails(&whole[..1000], &["only 992 follow", "truncated"]);
    let mut huge = (1_u64 << 60).to_le_bytes().to_vec();
    huge.extend([b'{'; 100]);
    files.fails(&huge, &["claim a header of 1152921504606846976 bytes"]);
    let overlap = r#"{"first":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
        "second":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    files.fails(&safetensors(overlap, 12), &["'first' and 'second' overlap"]);
    files.fails(b"", &["empty", "expected a safetensors file"]);
    files.fails(b"plain text that is longer", &["safetensors"]);
    files.fails(b"PK\x03\x04....", &["PyTorch checkpoint", "save it again"]);
}

#[test]
fn every_tensor_that_does_not_fit_is_listed() {
    let changed = weights_with(|header| {
        header["bn1.weight"]["dtype"] = "I16".into();
        header["conv1.weight"]["shape"] = json!([64, 147]);
        let bias = header.as_object_mut().unwrap().remove("fc.bias").unwrap();
        header["fc.bais"] = bias;
    });
    Files::new().fails(
        &changed,
        &[
            "3 tensors cannot be used",
            "\n  'conv1.weight': expected shape [64, 3, 7, 7], found [64, 147]",
            "\n  'bn1.weight': found dtype I16, which is not supported; convert it to float32",
            "\n  'fc.bias': missing; did you mean 'fc.bais'?",
        ],
    );
}

#[test]
fn inputs_that_do_not_fit_are_rejected() {
    let files = Files::new();
    let run = || execute(files.run(&weights()).args(["--backend", "cpu"]));
    files.write_input("images", &generated_input([1, 3, 8, 8]));
    run().fails(&["expected a tensor 'input', found 'images'"]);
    files.write_input("input", &generated_input([1, 2, 8, 8]));
    run().fails(&["node 'input'", "expected [N, 3, H, W], found [1, 2, 8, 8]"]);
    fs::write(files.path("input.safetensors"), "").unwrap();
    run().fails(&["input.safetensors: the file is empty"]);
    fs::remove_file(files.path("input.safetensors")).unwrap();
    run().fails(&["input.safetensors: "]);
    files.write_input("input", &generated_input([1, 3, 8, 8]));
    files.assert_unchanged();
}

#[test]
fn unknown_architectures_suggest_the_nearest() {
    let unknown = |name: &str| {
        let mut run = shadernet();
        run.args(["run", "--arch", name]);
        // These files are missing, but the name is checked first.
        run.args(["--weights", "none", "--input", "none", "--output", "none"]);
        execute(&mut run)
    };
    unknown("resnet81").fails(&["unknown architecture 'resnet81'; did you mean 'resnet18'"]);
    let no_suggestion = unknown("vit_base").fails(&["unknown architecture 'vit_base' ("]);
    assert!(!no_suggestion.err.contains("did you mean"));
}

#[test]
fn outputs_that_cannot_be_written_leave_nothing_behind() {
    let files = Files::new();
    let run = |output: &Path| execute(files.run_to(&weights(), output).args(["--backend", "cpu"]));
    run(&files.path("none/output")).fails(&["there is no folder", "none to write it to"]);
    run(files.folder.path()).fails(&["expected a file to write to, found a folder"]);
    // A folder that even root cannot write to. The error does not name the temporary file.
    #[cfg(target_os = "linux")]
    {
        let run = run(Path::new("/sys/output.safetensors"));
        let run = run.fails(&["error: /sys/output.safetensors: "]);
        assert!(!run.err.contains(".shadernet-"), "{}", run.err);
    }
    files.assert_unchanged();
}

/// A full disk while the output is written, simulated with the shell's limit on file sizes.
#[cfg(target_os = "linux")]
#[test]
fn a_write_that_fails_halfway_leaves_the_old_output() {
    let files = Files::new();
    // 60 images: more than the 1024 bytes that the limit allows.
    files.write_input("input", &generated_input([60, 3, 32, 32]));
    let run = files.run(&weights());
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
        .arg(run.get_program())
        .args(run.get_args())
        .args(["--backend", "cpu"]);
    execute(&mut limited).fails(&["output.safetensors: could not be written: File too large"]);
    files.assert_unchanged();
}

/// NaN in one image of a batch appears in that image's output only.
#[test]
fn nan_is_passed_through_on_every_backend() {
    let files = Files::new();
    let mut input = generated_input([2, 3, 64, 64]);
    input.data_mut()[5000] = f32::NAN;
    files.write_input("input", &input);
    let names = backends().into_iter().map(|backend| backend.name());
    for backend in names.chain(["cpu", "reference"]) {
        let run = execute(files.run(&weights()).args(["--backend", backend])).ok();
        assert!(run.out.contains("[2, 10]"), "{}", run.out);
        let output = Weights::open(files.output()).unwrap();
        let logits = output.read("output.0").unwrap();
        assert_eq!(logits.len(), 20);
        assert!(logits[..10].iter().all(|x| x.is_nan()), "{backend}");
        assert!(logits[10..].iter().all(|x| x.is_finite()), "{backend}");
    }
}

/// The outputs are those of the default, except for rounding.
#[test]
fn passes_can_be_skipped() {
    let files = Files::new();
    let backend = backends()[0].name();
    let logits = |args: &[&str]| {
        execute(
            files
                .run(&weights())
                .args(["--backend", backend])
                .args(args),
        )
        .ok();
        let output = Weights::open(files.output()).unwrap();
        output.read("output.0").unwrap().into_owned()
    };
    let expected = logits(&[]);
    let some = ["--without-pass", "norms", "--without-pass", "residuals"];
    for args in [&["--no-optimize"][..], &some] {
        let found = logits(args);
        let largest = expected.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        let same = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * largest;
        assert!(found.iter().zip(&expected).all(same), "{args:?}");
    }
}

#[test]
fn results_are_printed_as_text_or_json() {
    let files = Files::new();
    let text = execute(files.run(&weights()).args(["--backend", "cpu"])).ok();
    assert_eq!((text.out.lines().count(), text.err.as_str()), (1, ""));
    assert!(text.out.contains("on the CPU"), "{}", text.out);
    assert!(text.out.contains("[2, 10]"), "{}", text.out);

    let json = execute(files.run(&weights()).args(["--backend", "cpu", "--json"])).ok();
    let [line] = &json.json()[..] else {
        panic!("{}", json.out)
    };
    assert_eq!(line["architecture"], "resnet18");
    assert_eq!(line["backend"], "cpu");
    assert_eq!(line["outputs"], json!([[2, 10]]));
    assert!(line["run_ms"].as_f64().unwrap() > 0.0);
    let bytes = fs::read(files.output()).unwrap();
    assert_ne!(bytes, OLD);
}

#[test]
fn a_models_own_weights_run() {
    let files = Files::new();
    let run = |args: &[&str]| {
        let mut command = shadernet();
        command
            .args(["run", "--json", "--backend=cpu", "--arch"])
            .args(args);
        command.env("SHADERNET_MODELS", small_model());
        command.arg("--input").arg(files.path("input.safetensors"));
        command.arg("--output").arg(files.output());
        execute(&mut command)
    };
    let expected = execute(files.run(&weights()).args(["--backend", "cpu"])).ok();
    assert!(
        expected.out.starts_with("resnet18, weights "),
        "{}",
        expected.out
    );
    let expected = fs::read(files.output()).unwrap();
    for model in [small_model().to_str().unwrap(), "resnet18_ten"] {
        fs::write(files.output(), OLD).unwrap();
        let line = &run(&[model, "--num-classes=10", "--in-channels=3"])
            .ok()
            .json()[0];
        assert_eq!(line["outputs"], json!([[2, 10]]));
        let weights = line["weights"].as_str().unwrap();
        assert!(
            weights.ends_with("resnet18_ten/model.safetensors"),
            "{weights}"
        );
        assert!(fs::read(files.output()).unwrap() == expected);
    }
    run(&["resnet18_ten", "--num-classes=7"])
        .fails(&["7 classes were expected (--num-classes), found a model of 10"]);
    run(&["resnet18_ten", "--in-channels=1"])
        .fails(&["1 channels were expected (--in-channels), found a model of 3"]);
    run(&["resnet81"]).fails(&["unknown architecture 'resnet81'; did you mean 'resnet18'"]);
    let unweighted = run(&["resnet18"]);
    assert_eq!(unweighted.code, 2);
    unweighted.says(&["resnet18 is an architecture", "--weights was expected"]);
}

#[test]
fn contradicting_classes_are_refused() {
    let files = Files::new();
    execute(files.run(&weights()).args(["--num-classes", "7"]))
        .fails(&["'fc.weight': expected shape [7, 512], found [10, 512]"]);
    execute(files.run(&weights()).args(["--in-channels", "1"])).fails(&["'input'"]);
}

#[test]
fn unused_tensors_are_reported() {
    let files = Files::new();
    let more = weights_with(|header| {
        let data = header.as_object().unwrap().values();
        let end = (data.filter_map(|tensor| tensor["data_offsets"][1].as_u64())).max();
        for name in ["head.weight", "bn1.num_batches_tracked"] {
            header[name] = json!({"dtype": "I64", "shape": [0], "data_offsets": [end, end]});
        }
    });
    let path = files.path("weights.safetensors");
    fs::write(&path, more).unwrap();
    let run = execute(files.run(&path).args(["--backend", "cpu"])).ok();
    assert_eq!(run.out.lines().count(), 1);
    run.says(&["not used by resnet18: 'head.weight'\n"]);
}

/// Every command that loads weights reports tensors that are not used, and refuses those of another network.
#[test]
fn all_commands_report_tensors_that_the_network_lacks() {
    let with = |name: &'static str| {
        model_with(&small_config().to_string(), move |header| {
            let data = header.as_object().unwrap().values();
            let end = (data.filter_map(|tensor| tensor["data_offsets"][1].as_u64())).max();
            header[name] = json!({"dtype": "F32", "shape": [0], "data_offsets": [end, end]});
        })
    };
    let (other, same) = (with("AuxLogits.fc.weight"), with("layer1.0.se.fc.weight"));
    let commands = [
        &["classify"][..],
        &["explain"],
        &["features", "--layer", "layer1.0.conv1"],
    ];
    for command in commands {
        let run = |folder: &Path| {
            let mut shadernet = shadernet();
            shadernet.args(command);
            shadernet.args([&chelsea(), "--backend", "cpu", "--model"]);
            execute(shadernet.arg(folder))
        };
        let reported = run(other.path()).ok();
        reported.says(&["not used by resnet18: 'AuxLogits.fc.weight'\n"]);
        run(same.path()).fails(&["'layer1.0.se.fc.weight': resnet18 has no such tensor"]);
    }
}
