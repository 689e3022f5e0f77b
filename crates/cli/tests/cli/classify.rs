//! `shadernet classify`, with valid and invalid images.

use std::fs;
use std::path::Path;

use crate::support::{CommandOutput, chelsea, classify, copies, execute, shadernet, test_image};

/// A PNG whose header claims 60000x60000 pixels, with no data for them.
const HUGE_PNG: &[u8] = b"\x89PNG\r\n\x1a\n\
    \0\0\0\rIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0\x0f\xb0\xe2\x15\
    \0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82";

/// A folder of files that are not images.
struct InvalidImages {
    folder: tempfile::TempDir,
    /// Each file, and a part of its error message.
    files: Vec<(String, &'static str)>,
}

fn invalid_images() -> InvalidImages {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(test_image("chelsea.png")).unwrap();
    let files: [(&str, &[u8], &str); 4] = [
        (
            "text.png",
            b"This is a text.",
            "an image was expected: PNG, JPEG",
        ),
        ("huge.png", HUGE_PNG, "this PNG is 60000x60000"),
        ("zero.png", b"", "the file is empty (0 bytes)"),
        ("half.png", &whole[..whole.len() / 2], "truncated"),
    ];
    let mut named: Vec<(String, &str)> = Vec::new();
    for (name, bytes, message) in files {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        named.push((path.to_str().unwrap().to_owned(), message));
    }
    let missing = folder.path().join("missing.png");
    named.push((missing.to_str().unwrap().to_owned(), "missing.png: "));
    InvalidImages {
        folder,
        files: named,
    }
}

/// Parses text output: the images' names and the number of classes of each.
#[track_caller]
fn parse_text(output: &CommandOutput) -> Vec<(&str, usize)> {
    let mut images: Vec<(&str, usize)> = Vec::new();
    for line in output.out.lines() {
        if let Some(class) = line.strip_prefix("  ") {
            let (percent, rest) = class.split_once(" %  ").unwrap();
            assert!((0.0..=100.0).contains(&percent.trim().parse::<f32>().unwrap()));
            assert!(rest.ends_with(')'), "{line}");
            images.last_mut().unwrap().1 += 1;
        } else {
            images.push((line, 0));
        }
    }
    images
}

#[test]
fn the_first_example_finds_the_cat() {
    let run = |args: &[&str]| {
        let mut command = shadernet();
        command.args(["classify", "--backend", "cpu", "tests/images/chelsea.png"]);
        execute(command.args(args)).ok()
    };
    let text = run(&[]);
    assert_eq!(parse_text(&text), [("tests/images/chelsea.png", 5)]);
    assert!(
        text.out.lines().nth(1).unwrap().ends_with("(282)"),
        "{}",
        text.out
    );
    // One line on standard error, with the time and the device.
    assert_eq!(text.err.lines().count(), 1, "{}", text.err);
    assert!(text.err.starts_with("1 image in "), "{}", text.err);
    assert!(text.err.contains(" images/s, on the CPU"), "{}", text.err);

    let json = run(&["--json", "--top", "2"]).json();
    assert_eq!(json.len(), 1);
    assert_eq!(json[0]["image"], "tests/images/chelsea.png");
    let classes = json[0]["predictions"].as_array().unwrap();
    assert_eq!(classes.len(), 2);
    assert_eq!(classes[0]["class"], 282);
    assert!(classes[0]["label"].is_string());
    let [first, second] = [0, 1].map(|i| classes[i]["probability"].as_f64().unwrap());
    assert!(
        0.3 < first && second < first && second > 0.2,
        "{first} {second}"
    );
}

#[test]
fn invalid_images_are_reported_and_skipped() {
    let invalid = invalid_images();
    let run = execute(
        (classify().arg(chelsea()))
            .args(invalid.files.iter().map(|(path, _)| path))
            .args([chelsea().as_str(), "--top", "3"]),
    );
    assert_eq!(run.code, 1);
    let chelsea = chelsea();
    assert_eq!(
        parse_text(&run),
        [(chelsea.as_str(), 3), (chelsea.as_str(), 3)]
    );
    let errors = run.err.lines().filter(|line| line.starts_with("error: "));
    let errors: Vec<&str> = errors.collect();
    assert_eq!(errors.len(), invalid.files.len(), "{}", run.err);
    for (error, (path, message)) in errors.iter().zip(&invalid.files) {
        assert!(error.starts_with(&format!("error: {path}: ")), "{error}");
        assert!(error.contains(message), "'{message}' is not in: {error}");
    }
    run.says(&["2 images in ", "5 failed, on the CPU"]);
}

/// For every batch size, and wherever in a batch the invalid images are.
#[test]
fn json_has_one_line_per_image_in_the_order_given() {
    let invalid = invalid_images();
    let chelsea = chelsea();
    let mut given: Vec<&str> = Vec::new();
    for (path, _) in &invalid.files {
        given.extend([chelsea.as_str(), path]);
    }
    for batch in ["1", "2", "3", "100000"] {
        let run = execute(classify().args(&given).args(["--json", "--batch", batch]));
        assert_eq!(run.code, 1);
        let lines = run.json();
        assert_eq!(lines.len(), given.len());
        for (i, (line, path)) in lines.iter().zip(&given).enumerate() {
            assert_eq!(line["image"], *path, "batch {batch}");
            assert_eq!(line.as_object().unwrap().len(), 2);
            match i % 2 {
                0 => assert_eq!(line["predictions"].as_array().unwrap().len(), 5),
                _ => assert!(line["error"].as_str().unwrap().starts_with(path)),
            }
        }
    }
}

#[test]
fn folders_stand_for_their_images_in_order_of_names() {
    let folder = copies(3);
    for other in ["notes.txt", "images", "000.jpg.part"] {
        fs::write(
            folder.path().join(other),
            "not an image; skipped without an error",
        )
        .unwrap();
    }
    fs::create_dir(folder.path().join("folder.png")).unwrap();
    fs::rename(folder.path().join("001.jpg"), folder.path().join("001.JPG")).unwrap();
    let run = execute(
        classify()
            .arg(folder.path())
            .args(["--json", "--batch", "2"]),
    )
    .ok();
    let lines = run.json();
    let names = lines
        .iter()
        .map(|line| Path::new(line["image"].as_str().unwrap()));
    let names: Vec<_> = names.map(|path| path.file_name().unwrap()).collect();
    assert_eq!(names, ["000.jpg", "001.JPG", "002.jpg"]);
    assert!(
        lines
            .iter()
            .all(|line| line["predictions"] == lines[0]["predictions"])
    );
    run.says(&["3 images in "]);
}

#[test]
fn folders_without_images_are_errors() {
    let invalid = invalid_images();
    let empty = invalid.folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::write(empty.join("notes.txt"), "").unwrap();
    execute(classify().arg(&empty)).fails(&[
        "empty: expected images (png, jpg,",
        "in this folder, found none",
    ]);
}

#[test]
fn the_batch_size_does_not_change_the_results() {
    let images = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"];
    let run = |batch: &str| {
        let mut command = classify();
        command.args(images.map(test_image));
        execute(command.args(["--json", "--batch", batch])).ok().out
    };
    let one = run("1");
    assert_eq!(one.lines().count(), 4);
    assert_eq!(one, run("3"));
    assert_eq!(one, run("1000000"));
}

/// As in `| head -1`: not an error.
#[cfg(unix)]
#[test]
fn a_closed_standard_output_ends_quietly() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = copies(40);
    let mut command = classify();
    let mut child = (command.arg(folder.path()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    assert!(first.ends_with("000.jpg\n"), "{first}");
    let end = CommandOutput::new(child.wait_with_output().unwrap()).ok();
    assert_eq!(end.err, "");
}

/// As in `2>&1 | head -1`, and on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn write_errors_matter_on_standard_output_only() {
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let mut command = classify();
    command.args(["missing.png", &chelsea(), "--json"]);
    let unheard = execute(command.stderr(full()));
    assert_eq!((unheard.code, unheard.json().len()), (1, 2));

    let mut command = classify();
    execute(command.arg(chelsea()).stdout(full()))
        .fails(&["standard output: could not be written: No space left"]);
}

#[test]
fn float16_on_the_cpu_is_warned_about() {
    let mut command = classify();
    let run = execute(command.args([&chelsea(), "--precision", "f16", "--top", "1"])).ok();
    assert_eq!(parse_text(&run).len(), 1);
    run.says(&["the CPU computes in float32"]);
}
