//! Text from files reaches the terminal escaped and shortened, and JSON exact.

use std::fs;

use serde_json::json;

use crate::support::*;

/// Clears the screen, imitates a message, reverses the direction, and sets the window's title.
const EVIL: &str = "cat\u{1b}[2J\nerror: all is well\u{202e}\u{9d}0;x\u{7}";

#[track_caller]
fn assert_printable(text: &str) {
    let is_bad = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
    assert_eq!(text.chars().find(is_bad), None, "{text:?}");
    assert!(
        !text.lines().any(|line| line.starts_with("error: all")),
        "{text}"
    );
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest.unwrap_or(0) < 5000, "{longest:?}");
}

#[test]
fn labels_are_escaped_and_shortened() {
    let mut config = small_config();
    let long = format!("dog{}", "x".repeat(1 << 20));
    let names: Vec<&str> = (0..10)
        .map(|i| if i % 2 == 0 { EVIL } else { &long })
        .collect();
    config["label_names"] = json!(names);
    let folder = model_with(&config.to_string(), |_| {});
    let run = |command: &str, args: &[&str]| {
        let mut shadernet = shadernet();
        shadernet.args([command, &chelsea(), "--backend", "cpu", "--model"]);
        execute(shadernet.arg(folder.path()).args(args)).ok()
    };
    for run in [
        run("classify", &["--top", "10"]),
        run("explain", &["--top", "10"]),
    ] {
        assert_printable(&run.out);
        assert_printable(&run.err);
        assert!(
            run.out
                .contains(r"cat\u{1b}[2J\nerror: all is well\u{202e}"),
            "{}",
            run.out
        );
        assert!(
            run.out.contains("dogxxx") && run.out.contains("xxx…xxx"),
            "{}",
            run.out
        );
    }
    // JSON has the labels as they are.
    let run = run("classify", &["--top", "10", "--json"]);
    let predictions = run.json()[0]["predictions"].as_array().unwrap().clone();
    for label in [EVIL, &long] {
        assert!(predictions.iter().any(|found| found["label"] == label));
    }
    assert!(!run.out.contains('\u{1b}'));
}

#[test]
fn names_in_errors_are_escaped_and_shortened() {
    let mut config = small_config();
    config["architecture"] = json!(format!("{EVIL}{}", "x".repeat(1 << 20)));
    let folder = model_with(&config.to_string(), |_| {});
    let mut command = shadernet();
    command.args(["summary"]).arg(folder.path());
    let run = execute(&mut command).fails(&[r"cat\u{1b}[2J\n"]);
    assert_printable(&run.err);

    // Tensors' names in the header of a safetensors file, among those of the network.
    let folder = model_with(&small_config().to_string(), |header| {
        let header = header.as_object_mut().unwrap();
        let tensor = header.remove("fc.bias").unwrap();
        header.insert(format!("{EVIL}{}", "x".repeat(1 << 20)), tensor);
    });
    let mut command = shadernet();
    command.args(["classify", &chelsea(), "--backend", "cpu", "--model"]);
    let run = execute(command.arg(folder.path()));
    assert_eq!(run.code, 1, "{}", run.err);
    assert_printable(&run.err);
}

#[test]
fn paths_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a\u{1b}[31m\u{202e}.png");
    // Not every file system has such names.
    if fs::copy(test_image("chelsea.png"), &path).is_err() {
        return;
    }
    let run = execute(classify().arg(&path)).ok();
    assert_printable(&run.out);
    assert!(run.out.contains(r"a\u{1b}[31m\u{202e}.png"), "{}", run.out);
    fs::write(&path, "no image").unwrap();
    let run = execute(classify().arg(&path));
    assert_printable(&run.err);
    assert!(
        run.err.contains(r"a\u{1b}[31m\u{202e}.png: "),
        "{}",
        run.err
    );
}

#[test]
fn results_files_cannot_reach_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let row = |ms: f64| {
        json!({
            "kind": "kernels", "device": EVIL, "backend": EVIL, "precision": "f32",
            "kernels": [{"case": EVIL, "kernel": EVIL, "min_ms": ms}],
        })
    };
    fs::write(&path, row(1.0).to_string()).unwrap();
    let slower = folder.path().join("b.json");
    fs::write(&slower, row(9.0).to_string()).unwrap();
    let mut compare = shadernet();
    let run = execute(compare.args(["bench", "compare"]).args([&path, &slower]));
    assert_eq!(run.code, 3);
    assert_printable(&run.out);
    assert_printable(&run.err);
    assert!(run.err.contains("worse: "), "{}", run.err);
}
