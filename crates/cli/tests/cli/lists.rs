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
    // More at once than the list has: only as much work as there are images.
    command.args([&rocket, "-", "--json", "--batch", "2000"]);
    let run = execute_with_input(&mut command, list.as_bytes());
    assert_eq!(run.code, 1);
    let lines = run.json();
    let images: Vec<&str> = lines.iter().map(|l| l["image"].as_str().unwrap()).collect();
    assert_eq!(images, [&rocket, &cat, &rocket, "missing.png", &cat]);
    assert_eq!(lines[1]["predictions"], lines[4]["predictions"]);
    run.says(&["4 images in ", "1 could not be read"]);
}

#[test]
fn an_empty_list_is_no_picture() {
    let run = execute_with_input(classify().arg("-"), b"\n\n").ok();
    assert_eq!(run.out, "");
    run.says(&["0 images in "]);
}

/// Names are bytes: one that is not text is a file like any other, and the list goes on after it.
#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_text() {
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

/// Whoever writes a name and waits for the answer before the next gets it.
#[test]
fn every_picture_is_answered_before_the_next_is_named() {
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
                panic!("{name} was not answered: {error}");
            }
        }
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

/// A batch size that nobody checked must not become an allocation that nobody survives.
#[test]
fn batches_beyond_all_bounds_are_refused_before_any_picture() {
    for batch in ["1000000", "18446744073709551615"] {
        let run = execute_with_input(
            classify().args(["-", "--batch", batch]),
            chelsea().as_bytes(),
        );
        let shape = format!("[{batch}, 3, 64, 64]");
        run.fails(&["node 'input'", &shape, "give a smaller batch"]);
    }
}
