//! `shadernet detect`: text, JSON and drawings.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use shadernet::vision::decode;

use crate::support::{execute, execute_with_input, shadernet, small_model, test_image};

fn detect(images: &[&Path]) -> Command {
    let mut command = shadernet();
    command.args(["detect", "--backend", "cpu"]).args(images);
    command
}

/// A folder with two images and a file that is not an image.
fn mixed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(test_image("coffee.png"), folder.path().join("a.png")).unwrap();
    fs::write(folder.path().join("b.png"), "This is a text.").unwrap();
    fs::copy(test_image("rocket.jpg"), folder.path().join("c.jpg")).unwrap();
    folder
}

#[test]
fn the_first_example_finds_the_cup() {
    let run = execute(&mut detect(&[
        &test_image("coffee.png"),
        &test_image("chelsea.png"),
    ]))
    .ok();
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", run.out);
    assert!(lines[1].contains(" %  cup (41) from "), "{}", run.out);
    assert_eq!(lines[3], "  nothing above 0.25");
    run.says(&["2 images in ", "on the CPU"]);
}

#[test]
fn json_has_boxes_in_pixels_and_invalid_images_are_skipped() {
    let folder = mixed();
    let run = execute(detect(&[folder.path()]).arg("--json"));
    assert_eq!(run.code, 1);
    let lines = run.json();
    assert_eq!(lines.len(), 3);
    let found = &lines[0]["detections"][0];
    assert_eq!(
        (&found["label"], &found["class"]),
        (&json!("cup"), &json!(41))
    );
    assert!((found["score"].as_f64().unwrap() - 0.6397).abs() < 0.03);
    for (i, wanted) in [151.1, 23.3, 427.8, 306.9].into_iter().enumerate() {
        assert!((found["box"][i].as_f64().unwrap() - wanted).abs() < 3.0);
    }
    assert!(
        lines[1]["error"]
            .as_str()
            .unwrap()
            .contains("an image was expected")
    );
    assert_eq!(lines[2]["detections"], json!([]));
    run.says(&["b.png: an image was expected", "1 failed"]);
}

#[test]
fn lists_are_read_from_standard_input() {
    let list = format!("{}\n", test_image("coffee.png").display());
    let run = execute_with_input(
        detect(&[Path::new("-")]).args(["--json", "--threshold", "0.1"]),
        list.as_bytes(),
    )
    .ok();
    let lines = run.json();
    // With lower scores, the cup is also found as a bowl, and a dining table is found.
    assert_eq!(lines[0]["detections"].as_array().unwrap().len(), 3);
}

#[test]
fn boxes_are_drawn_into_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["out.png", "out.jpg"] {
        let out = folder.path().join(name);
        execute(detect(&[&test_image("coffee.png")]).arg("-o").arg(&out)).ok();
        let (drawn, plain) = (
            decode(&out).unwrap(),
            decode(test_image("coffee.png")).unwrap(),
        );
        assert_eq!(drawn.dimensions(), plain.dimensions());
        let differs = |x, y| {
            let pairs = drawn
                .get_pixel(x, y)
                .0
                .into_iter()
                .zip(plain.get_pixel(x, y).0);
            pairs.map(|(a, b)| a.abs_diff(b)).max().unwrap() > 50
        };
        // The left edge of the box and the label above it differ; the middle and the outside do not.
        assert!(differs(151, 250) && differs(155, 10), "{name}");
        assert!(!differs(300, 160) && !differs(50, 380), "{name}");
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "nothing else is left"
    );
}

#[test]
fn boxes_of_several_images_are_drawn_into_a_folder() {
    let (one, other) = (mixed(), mixed());
    let out = one.path().join("made/here");
    let run = execute(detect(&[one.path(), other.path()]).arg("-o").arg(&out));
    assert_eq!(run.code, 1);
    let mut names: Vec<String> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["a-2.png", "a.png", "c-2.png", "c.png"]);
    for name in names {
        decode(out.join(name)).unwrap();
    }
}

#[test]
fn input_images_are_never_overwritten() {
    let folder = mixed();
    let before = fs::read(folder.path().join("a.png")).unwrap();
    let image = folder.path().join("a.png");
    let run = execute(detect(&[&image]).arg("-o").arg(&image));
    run.fails(&["this is the input image"]);
    let run = execute(detect(&[&image]).arg("-o").arg(folder.path()));
    run.fails(&["the image is in the output folder"]);
    assert_eq!(fs::read(image).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn invalid_outputs_are_usage_errors() {
    let folder = mixed();
    let text = folder.path().join("b.png");
    for (images, out, part) in [
        (
            vec![test_image("coffee.png")],
            folder.path().join("out.xyz"),
            "expected a .png or .jpg file",
        ),
        (
            vec![test_image("coffee.png"), test_image("chelsea.png")],
            text.clone(),
            "several images are written: expected a folder",
        ),
        (
            vec![folder.path().to_owned()],
            text.clone(),
            "several images are written: expected a folder",
        ),
    ] {
        let images: Vec<&Path> = images.iter().map(|p| p.as_path()).collect();
        let run = execute(detect(&images).arg("-o").arg(out));
        assert_eq!((run.code, run.out.as_str()), (2, ""));
        run.says(&["error: ", part]);
    }
    assert_eq!(fs::read(text).unwrap(), b"This is a text.");
}

#[test]
fn an_image_of_one_pixel_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dot.ppm");
    fs::write(&path, b"P6 1 1 255 \xff\x00\x00").unwrap();
    let run = execute(detect(&[&path]).arg("--json")).ok();
    assert_eq!(run.json()[0]["detections"], json!([]));
}

#[test]
fn models_for_other_tasks_are_rejected() {
    execute(
        detect(&[&test_image("coffee.png")])
            .arg("--model")
            .arg(small_model()),
    )
    .fails(&[
        "a network for detection was expected; resnet18 is one for classification",
        "`shadernet classify`",
    ]);
    let mut classify = shadernet();
    classify.args(["classify", "--backend", "cpu", "--model", "yolov3_tiny"]);
    execute(classify.arg(test_image("coffee.png"))).fails(&[
        "a network for classification was expected; yolov3_tiny is one for detection",
        "`shadernet detect`",
    ]);
}
