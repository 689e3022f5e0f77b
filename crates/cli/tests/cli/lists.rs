//! `shadernet classify -`: lists on standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{chelsea, classify, execute_with_input, test_image};

#[test]
fn lists_are_read_line_by_line() {
    let [cat, rocket] = ["chelsea.png", "rocket.jpg"].map(|n| test_image(n).display().to_string());
    let list = format!("{cat}\r\n\n{rocket}\nmissing.png\n{cat}");
    let mut command = classify();
    // The batch is larger than the list: only as many images as there are cost time.
    command.args([&rocket, "-", "--json", "--batch", "2000"]);
    let run = execute_with_input(&mut command, list.as_bytes());
    assert_eq!(run.code, 1);
    let lines = run.json();
    let images: Vec<&str> = lines.iter().map(|l| l["image"].as_str().unwrap()).collect();
    assert_eq!(images, [&rocket, &cat, &rocket, "missing.png", &cat]);
    assert_eq!(lines[1]["predictions"], lines[4]["predictions"]);
    run.says(&["4 images in ", "1 failed"]);
}

#[test]
fn an_empty_list_has_no_images() {
    let run = execute_with_input(classify().arg("-"), b"\n\n").ok();
    assert_eq!(run.out, "");
    run.says(&["0 images in "]);
}

/// File names are bytes. One that is not UTF-8 is used like any other.
#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder
        .path()
        .join(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
    std::fs::copy(test_image("chelsea.png"), &path).unwrap();
    let list = [path.as_os_str().as_bytes(), b"\n", chelsea().as_bytes()].concat();
    let lines = execute_with_input(classify().args(["-", "--json"]), &list)
        .ok()
        .json();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["predictions"], lines[1]["predictions"]);
}

#[cfg(unix)]
#[test]
fn a_standard_input_that_cannot_be_read_is_an_error() {
    let folder = std::fs::File::open(crate::common::place::repository()).unwrap();
    let run = crate::support::execute(classify().arg("-").stdin(folder));
    run.fails(&["error: standard input: "]);
}

/// A program that writes one name and waits for the result before the next does not block.
#[test]
fn each_result_is_printed_before_the_next_name_is_read() {
    let mut command = classify();
    let mut child = (command.args(["-", "--json"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        output
            .lines()
            .try_for_each(|line| sender.send(line.unwrap()))
    });
    for name in [chelsea().as_str(), "missing.png", &chelsea()] {
        writeln!(input, "{name}").unwrap();
        match lines.recv_timeout(Duration::from_secs(60)) {
            Ok(line) => assert!(line.contains(name), "{line}"),
            Err(error) => {
                child.kill().unwrap();
                panic!("no result for {name}: {error}");
            }
        }
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

/// An absurd batch size must be an error, not an allocation.
#[test]
fn absurd_batches_are_rejected_before_any_image_is_read() {
    let run = |batch: &str| {
        execute_with_input(
            classify().args(["-", "--batch", batch]),
            chelsea().as_bytes(),
        )
    };
    let shape = "[1000000, 3, 64, 64]";
    run("1000000").fails(&["node 'input'", shape, "give a smaller batch"]);
    assert_eq!(run("18446744073709551615").code, 2);
}
