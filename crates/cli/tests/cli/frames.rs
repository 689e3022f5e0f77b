//! `--frames`: raw frames of a video on standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use shadernet::vision::{Interpolation, RgbImage, decode, resize};

use crate::segment::unet;
use crate::support::{CommandOutput, classify, execute, execute_with_input, shadernet, test_image};

const WIDTH: u32 = 48;
const HEIGHT: u32 = 32;

/// Three different frames.
fn frames() -> Vec<RgbImage> {
    ["chelsea.png", "rocket.jpg", "coffee.png"]
        .map(|name| {
            let image = decode(test_image(name)).unwrap();
            resize(&image, WIDTH, HEIGHT, Interpolation::Bicubic).unwrap()
        })
        .into()
}

fn raw(frames: &[RgbImage]) -> Vec<u8> {
    frames
        .iter()
        .flat_map(|frame| frame.as_raw())
        .copied()
        .collect()
}

fn with_frames(mut command: Command, others: &[&str], video: &[u8]) -> CommandOutput {
    command.args(["--frames", "48x32", "-"]).args(others);
    execute_with_input(&mut command, video)
}

#[test]
fn frames_are_classified_as_images_are() {
    let folder = tempfile::tempdir().unwrap();
    let frames = frames();
    let mut command = classify();
    command.arg("--json");
    for (i, frame) in frames.iter().enumerate() {
        let path = folder.path().join(format!("{i}.png"));
        frame.save(&path).unwrap();
        command.arg(path);
    }
    let expected = execute(&mut command).ok().json();
    for batch in ["1", "2"] {
        let others = ["--fps", "30000/1001", "--batch", batch];
        let found = with_frames(classify(), &others, &raw(&frames)).ok();
        let found = found.says(&["3 images in "]).json();
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found["frame"], i);
            let time = found["time"].as_f64().unwrap();
            assert!((time - i as f64 * 1001.0 / 30000.0).abs() < 1e-6, "{time}");
            assert_eq!(found["image"], Value::Null);
            let label = |line: &Value| line["predictions"][0]["label"].clone();
            assert_eq!(label(found), label(expected));
        }
        assert_eq!(found.len(), 3);
    }
}

/// Other formats, and files that are named after frames.
#[test]
fn frames_have_rows_and_files() {
    let video = raw(&frames());
    let csv = with_frames(classify(), &["--format=csv", "--top=1", "--fps=10"], &video).ok();
    let mut lines = csv.out.lines();
    assert_eq!(lines.next(), Some("frame,time,class,label,probability"));
    let starts: Vec<&str> = lines
        .map(|line| &line[..line.match_indices(',').nth(1).unwrap().0])
        .collect();
    assert_eq!(starts, ["0,0", "1,0.1", "2,0.2"]);
    let text = with_frames(classify(), &["--format=text", "--fps=10"], &video).ok();
    assert!(text.out.contains("frame 2, 0.200 s\n"), "{}", text.out);

    let folder = tempfile::tempdir().unwrap();
    let masks = folder.path().join("masks");
    let mut segment = shadernet();
    segment
        .args(["segment", "--backend", "cpu", "--model"])
        .arg(unet(2));
    segment.arg("-o").arg(&masks);
    let lines = with_frames(segment, &[], &video).ok().json();
    assert_eq!(
        lines[2]["mask"],
        masks.join("frame-000002.png").to_str().unwrap()
    );
    let mask = image::image_dimensions(masks.join("frame-000002.png")).unwrap();
    assert_eq!(mask, (WIDTH, HEIGHT));

    let mut detect = shadernet();
    detect.args(["detect", "--backend", "cpu", "--size", "64"]);
    let lines = with_frames(detect, &[], &video).ok().json();
    assert!(
        lines.iter().all(|line| line["detections"].is_array()),
        "{lines:?}"
    );
    // Seconds since the first frame was read.
    assert!(
        lines
            .windows(2)
            .all(|pair| pair[0]["time"].as_f64() <= pair[1]["time"].as_f64())
    );
}

#[test]
fn a_video_that_is_cut_off_keeps_its_results() {
    let mut video = raw(&frames());
    video.truncate(video.len() - 8);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.csv");
    let message = [
        "frame 2: 4608 bytes (48 x 32 pixels of 3) were expected, found 4600",
        "2 images in ",
        "1 failed",
    ];
    let cut = with_frames(classify(), &[], &video);
    assert_eq!(cut.code, 1);
    let lines = cut.json();
    cut.says(&message);
    assert_eq!(lines.len(), 3);
    assert!(lines[1]["predictions"].is_array());
    assert_eq!(lines[2]["frame"], 2);
    assert!(lines[2]["error"].as_str().unwrap().contains("4600"));
    let cut = with_frames(
        classify(),
        &["--top=1", "-o", file.to_str().unwrap()],
        &video,
    );
    assert_eq!(cut.code, 1);
    cut.says(&message);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap().lines().count(),
        1 + 2
    );
}

/// The results of a frame come before the next frame is needed.
#[test]
fn frames_of_a_camera_are_not_waited_for() {
    let mut command = classify();
    command.args(["--frames", "48x32", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let results = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || (results.lines()).try_for_each(|line| sender.send(line.unwrap())));
    let mut camera = child.stdin.take().unwrap();
    for (i, frame) in frames().iter().enumerate() {
        camera.write_all(frame.as_raw()).unwrap();
        camera.flush().unwrap();
        let line = lines.recv_timeout(Duration::from_secs(60)).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["frame"], i);
    }
    drop(camera);
    assert!(child.wait().unwrap().success());
}

#[test]
fn frames_are_of_standard_input_and_of_a_size() {
    let usage = |arguments: &[&str], part: &str| {
        let run = execute(classify().args(arguments));
        assert_eq!(run.code, 2, "{}", run.err);
        run.says(&[part]);
    };
    usage(
        &["--frames", "48x32", "photo.jpg"],
        "expected - as the only image",
    );
    usage(&["--frames", "48", "-"], "width and height such as 640x480");
    usage(
        &["--frames", "0x32", "-"],
        "width and height such as 640x480",
    );
    usage(&["--fps", "25", "-"], "--frames");
    usage(
        &["--frames", "48x32", "--fps", "0", "-"],
        "frames per second",
    );
    usage(
        &["--frames", "48x32", "--resume", "-o", "x.csv", "-"],
        "--resume",
    );
    let empty = with_frames(classify(), &[], &[]).ok();
    assert_eq!(empty.out, "");
}
