//! `shadernet bench compare`, with made-up results.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{CommandOutput, execute, shadernet};

/// A folder with results files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, lines: &[Value]) {
        let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(self.path(name), lines.concat()).unwrap();
    }

    /// Compares `a` with `b`.
    fn compare(&self, args: &[&str]) -> CommandOutput {
        let mut compare = shadernet();
        compare.args(["bench", "compare", "a", "b"]);
        execute(compare.args(args).current_dir(self.0.path()))
    }
}

fn kernels() -> Value {
    let kernel = |case: &str, kernel: &str, ms: f64| json!({"case": case, "kernel": kernel, "rule": true, "min_ms": ms, "spread_percent": 5.0});
    json!({
        "kind": "kernels",
        "device": "Someone's GPU",
        "backend": "vulkan",
        "precision": "f32",
        "kernels": [
            kernel("conv2d 1x8x6x6 out=8", "direct", 10.0),
            kernel("conv2d 1x8x6x6 out=8", "subgroup", 3.0),
            kernel("relu 1x8x6x6", "activation", 1.0),
        ],
    })
}

fn model(batch: usize, ms: f64) -> Value {
    json!({
        "kind": "model",
        "device": "Someone's GPU",
        "backend": "vulkan",
        "precision": "f32",
        "network": "resnet50",
        "batch": batch,
        "input": [3, 224, 224],
        "median_ms": ms,
        "spread_percent": 1.0,
    })
}

/// The verdicts that are not "same", by kernel or setting.
fn changes(output: &CommandOutput) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pairs = output.json()[0]["pairs"].as_array().unwrap().clone();
    let pairs = pairs.iter().filter(|pair| pair["verdict"] != "same");
    pairs
        .map(|pair| {
            let name = pair.get("kernel").unwrap_or(&pair["setting"]);
            (text(name), text(&pair["verdict"]))
        })
        .collect()
}

fn pair(name: &str, verdict: &str) -> (String, String) {
    (name.to_owned(), verdict.to_owned())
}

#[test]
fn only_the_slower_kernel_is_worse() {
    let files = Files::new();
    files.write("a", &[kernels(), model(1, 20.0)]);
    let mut after = kernels();
    after["kernels"][1]["min_ms"] = json!(3.9);
    files.write("b", &[after, model(1, 20.0)]);
    let table = files.compare(&[]);
    assert_eq!(table.code, 3, "{}", table.err);
    let worse: Vec<&str> = table
        .out
        .lines()
        .filter(|line| line.ends_with("worse"))
        .collect();
    assert_eq!(worse.len(), 1, "{}", table.out);
    for part in ["subgroup", "3.000", "3.900", "1.30", "5.0 %"] {
        assert!(worse[0].contains(part), "{}", worse[0]);
    }
    assert!(table.out.contains("4 pairs: 1 worse"), "{}", table.out);
    assert!(table.out.contains("batch 1, 3x224x224"), "{}", table.out);
    let table = table.says(&[
        "worse: subgroup of conv2d 1x8x6x6 out=8 on Someone's GPU, vulkan, f32",
        "3.900 ms, 1.30 times the 3.000 ms before",
    ]);
    assert_eq!(table.err.lines().count(), 1);

    let line = files.compare(&["--json"]);
    assert_eq!(line.code, 3);
    assert_eq!(changes(&line), [pair("subgroup", "worse")]);
    assert_eq!(line.json()[0]["worse"], 1);

    // Within the tolerance it is slower, but not worse.
    let line = files.compare(&["--json", "--tolerance=31"]).ok();
    assert_eq!(changes(&line), [pair("subgroup", "slower")]);
    // With the files swapped it is faster.
    std::fs::rename(files.path("a"), files.path("c")).unwrap();
    std::fs::rename(files.path("b"), files.path("a")).unwrap();
    std::fs::rename(files.path("c"), files.path("b")).unwrap();
    let line = files.compare(&["--json"]).ok();
    assert_eq!(changes(&line), [pair("subgroup", "faster")]);
}

#[test]
fn differences_within_the_spread_are_not_worse() {
    let files = Files::new();
    files.write("a", &[kernels()]);
    let mut after = kernels();
    after["kernels"][1]["min_ms"] = json!(3.9);
    // Either file's spread counts.
    after["kernels"][1]["spread_percent"] = json!(40.0);
    files.write("b", &[after]);
    assert_eq!(changes(&files.compare(&["--json"]).ok()), []);
}

#[test]
fn a_result_without_a_time_is_worse() {
    let files = Files::new();
    let mut before = kernels();
    before["kernels"][0] =
        json!({"case": "conv2d 1x8x6x6 out=8", "kernel": "direct", "wrong": "by 3"});
    files.write("a", &[before]);
    let mut after = kernels();
    after["kernels"][2] =
        json!({"case": "relu 1x8x6x6", "kernel": "activation", "failed": "no memory"});
    files.write("b", &[after]);
    let line = files.compare(&["--json"]);
    assert_eq!(line.code, 3);
    assert_eq!(
        changes(&line),
        [pair("direct", "mended"), pair("activation", "worse")]
    );
    files
        .compare(&[])
        .says(&["activation of relu 1x8x6x6", "failed: no memory"]);

    // A device that crashed has no kernels, and is reported once.
    let crashed = json!({"kind": "kernels", "device": "Someone's GPU", "backend": "vulkan", "failed": "signal 11"});
    files.write("b", std::slice::from_ref(&crashed));
    let table = files.compare(&[]);
    assert_eq!(
        (table.code, table.err.lines().count()),
        (3, 1),
        "{}",
        table.err
    );
    assert!(!table.out.contains("only in"), "{}", table.out);
    table.says(&["every kernel on Someone's GPU, vulkan: failed: signal 11"]);
    // Networks and other precisions are not affected.
    files.write("a", &[kernels(), model(1, 20.0)]);
    files.write("b", &[crashed.clone(), model(1, 20.0)]);
    assert_eq!(files.compare(&[]).code, 3);
    let mut half = crashed.clone();
    half["precision"] = json!("f16");
    files.write("b", &[half, model(1, 20.0)]);
    files.compare(&[]).ok();
    let lost =
        json!({"kind": "model", "device": "Someone's GPU", "backend": "vulkan", "failed": "hung"});
    files.write("b", &[kernels(), lost]);
    let table = files.compare(&[]);
    assert_eq!(table.code, 3);
    table.says(&["every network on Someone's GPU, vulkan: failed: hung"]);
    // It had crashed before, too.
    files.write("b", std::slice::from_ref(&crashed));
    files.write("a", &[crashed]);
    files.compare(&[]).ok();
}

#[test]
fn rows_in_only_one_file_are_listed() {
    let files = Files::new();
    files.write("a", &[model(1, 20.0), model(8, 90.0)]);
    files.write("b", &[model(1, 20.1), model(32, 300.0), kernels()]);
    let table = files.compare(&[]).ok();
    for part in [
        "only in a: resnet50, batch 8, 3x224x224",
        "only in b: resnet50, batch 32, 3x224x224",
        "only in b: activation of relu 1x8x6x6",
        "1 pair: 0 worse",
    ] {
        assert!(
            table.out.contains(part),
            "'{part}' is not in: {}",
            table.out
        );
    }
    let line = &files.compare(&["--json"]).ok().json()[0];
    assert_eq!(line["only_in_a"][0]["setting"], "batch 8, 3x224x224");
    assert_eq!(line["only_in_b"].as_array().unwrap().len(), 4);
}

#[test]
fn invalid_files_and_arguments_are_errors() {
    let files = Files::new();
    files.write("a", &[kernels()]);
    files.compare(&[]).fails(&["b: ", "No such file"]);
    let refused = |text: &str, parts: &[&str]| {
        std::fs::write(files.path("b"), text).unwrap();
        files.compare(&[]).fails(&[&["b: "], parts].concat());
    };
    refused("", &["line 1", "empty"]);
    refused(
        &format!("{}\n{{\"kind\": ", kernels()),
        &["line 2", "not JSON: EOF"],
    );
    refused(
        "case  kernel\n",
        &["line 1", "not JSON", "bench kernels --json"],
    );
    refused("{}", &["line 1", "missing field `kind`"]);
    refused("[1]\n", &["line 1"]);
    refused(
        "\n{\"kind\": \"peak\"}\n",
        &[
            "line 2",
            "unknown variant `peak`, expected `kernels` or `model`",
        ],
    );
    refused(
        "{\"kind\": \"kernels\", \"device\": \"x\", \"backend\": \"gl\", \"kernels\": [{\"case\": 3}]}",
        &["line 1", "invalid type: integer `3`, expected a string"],
    );
    let mut untimed = kernels();
    untimed["kernels"][0]["min_ms"] = json!(null);
    refused(
        &untimed.to_string(),
        &["direct of conv2d", "neither a time (median_ms, min_ms) nor"],
    );
    // Results without common rows are an error.
    let mut other = kernels();
    other["device"] = json!("Another GPU");
    refused(
        &other.to_string(),
        &["Someone's GPU, vulkan, f32", "Another GPU"],
    );
    for wrong in [
        "--tolerance=-1",
        "--tolerance=much",
        "--tolerance=NaN",
        "extra",
    ] {
        let usage = files.compare(&[wrong]);
        assert_eq!((usage.code, usage.out.as_str()), (2, ""), "{wrong}");
    }
}
