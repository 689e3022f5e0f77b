//! What the commands for images share: where images come from, and formats of results.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::segment::unet;
use crate::support::*;

/// A folder with an image, and one in a folder in it.
fn nested() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("b/c");
    fs::create_dir_all(&inner).unwrap();
    fs::copy(test_image("rocket.jpg"), folder.path().join("a.jpg")).unwrap();
    fs::copy(test_image("chelsea.png"), inner.join("cat.png")).unwrap();
    // Links to folders may lead back.
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    folder
}

fn command(name: &str, images: &[&Path]) -> Command {
    let mut command = shadernet();
    command.args([name, "--backend", "cpu"]).args(images);
    match name {
        "classify" | "explain" => command.arg("--model").arg(small_model()),
        "segment" => command.arg("--model").arg(unet(2)),
        _ => &mut command,
    };
    command
}

fn images(lines: &[Value]) -> Vec<&str> {
    let images = lines.iter().map(|line| line["image"].as_str().unwrap());
    images.collect()
}

#[test]
fn folders_in_folders_are_searched_on_request() {
    let folder = nested();
    let run = |args: &[&str]| {
        execute(
            command("classify", &[folder.path()])
                .arg("--json")
                .args(args),
        )
        .ok()
    };
    let first = folder.path().join("a.jpg");
    assert_eq!(images(&run(&[]).json()), [first.to_str().unwrap()]);
    let second = folder.path().join("b/c/cat.png");
    let both = [first.to_str().unwrap(), second.to_str().unwrap()];
    for flag in ["-r", "--recursive"] {
        assert_eq!(images(&run(&[flag]).json()), both);
    }
    let inner = folder.path().join("b");
    execute(&mut command("classify", &[&inner])).fails(&["--recursive searches the folders in it"]);
    let empty = tempfile::tempdir().unwrap();
    execute(command("classify", &[empty.path()]).arg("-r"))
        .fails(&["in this folder and those in it"]);
}

#[test]
fn standard_input_is_an_image_or_a_list() {
    for name in ["classify", "detect", "segment", "explain"] {
        let run =
            |input: &[u8]| execute_with_input(command(name, &[]).args(["-", "--json"]), input);
        let image = fs::read(test_image("rocket.jpg")).unwrap();
        let from_image = run(&image).ok();
        let from_list = run(test_image("rocket.jpg").to_str().unwrap().as_bytes()).ok();
        let (mut image, mut list) = (from_image.json(), from_list.json());
        assert_eq!(images(&image), ["-"], "{name}");
        for lines in [&mut image, &mut list] {
            lines[0].as_object_mut().unwrap().remove("image");
        }
        assert_eq!(image, list, "{name}");
        run(b"\x89PNG\r\n\x1a\n\0\0\0\0").says(&["standard input: "]);
    }
    // One image is drawn into a file.
    let folder = tempfile::tempdir().unwrap();
    let drawn = folder.path().join("drawn.png");
    let image = fs::read(test_image("coffee.png")).unwrap();
    execute_with_input(command("detect", &[]).args(["-", "-o"]).arg(&drawn), &image).ok();
    assert!(drawn.is_file());
    execute_with_input(
        command("detect", &[]).args(["-", "-o"]).arg(folder.path()),
        &image,
    )
    .ok();
    assert!(folder.path().join("stdin.png").is_file());
}

#[test]
fn rows_hold_what_json_holds() {
    for (name, list, header) in [
        ("classify", "predictions", "image,class,label,probability"),
        (
            "detect",
            "detections",
            "image,class,label,score,left,top,right,bottom",
        ),
        (
            "segment",
            "classes",
            "image,class,label,pixels,share,mean_probability",
        ),
        (
            "explain",
            "predictions",
            "image,class,label,probability,score,peak_x,peak_y",
        ),
    ] {
        let coffee = test_image("coffee.png");
        let run = |format: &str| execute(command(name, &[&coffee]).args(["--format", format])).ok();
        let json = &run("json").json()[0];
        let parts = json[list].as_array().unwrap();
        assert!(!parts.is_empty());
        let (csv, tsv) = (run("csv").out, run("tsv").out);
        assert_eq!(csv.lines().next(), Some(header));
        assert_eq!(tsv.lines().next(), Some(&*header.replace(',', "\t")));
        let rows: Vec<Vec<&str>> = tsv
            .lines()
            .skip(1)
            .map(|row| row.split('\t').collect())
            .collect();
        assert_eq!(rows.len(), parts.len());
        for (row, part) in rows.iter().zip(parts) {
            assert_eq!(row[0], coffee.to_str().unwrap());
            assert_eq!(row[1], part["class"].to_string());
            assert_eq!(row[2], part["label"].as_str().unwrap());
            assert_eq!(row.len(), header.split(',').count());
        }
    }
    let both = execute(shadernet().args(["classify", "a.png", "--json", "--format", "csv"]));
    assert_eq!(both.code, 2);
}

#[test]
fn results_are_written_to_a_file() {
    let folder = nested();
    let file = folder.path().join("results.csv");
    for (name, option) in [
        ("classify", "--output"),
        ("detect", "--results"),
        ("segment", "--results"),
        ("explain", "--results"),
    ] {
        let image = folder.path().join("a.jpg");
        let mut to_file = command(name, &[&image]);
        to_file.args(["--format=csv", option]).arg(&file);
        let run = execute(&mut to_file).ok();
        assert_eq!(run.out, "", "{name}");
        let expected = execute(command(name, &[&image]).arg("--csv")).ok();
        assert_eq!(fs::read_to_string(&file).unwrap(), expected.out, "{name}");
        // An image is no place for results, and a missing folder is said before the work.
        execute(command(name, &[&image]).arg(option).arg(&image)).fails(&["this is an input"]);
        execute(
            command(name, &[&image])
                .arg(option)
                .arg(folder.path().join("no/a")),
        )
        .fails(&["there is no folder"]);
    }
}

#[test]
fn the_name_of_a_results_file_tells_its_format() {
    let folder = tempfile::tempdir().unwrap();
    let image = test_image("rocket.jpg");
    for format in ["csv", "tsv", "json"] {
        let file = folder.path().join(format!("a.{format}"));
        execute(command("classify", &[&image]).arg("-o").arg(&file)).ok();
        let expected = execute(command("classify", &[&image]).args(["--format", format])).ok();
        assert_eq!(fs::read_to_string(&file).unwrap(), expected.out);
        // A file without an image to report keeps its results.
        let missing = command("classify", &[Path::new("no.png")])
            .arg("-o")
            .arg(&file)
            .output();
        assert_eq!(missing.unwrap().status.code(), Some(1));
        assert_eq!(fs::read_to_string(&file).unwrap(), expected.out);
    }
    let text = execute(command("classify", &[&image]).args(["-o", "-"])).ok();
    assert!(text.out.contains(" %  kind "), "{}", text.out);
}

#[test]
fn a_folder_without_images_does_not_keep_others_from_running() {
    let empty = tempfile::tempdir().unwrap();
    let image = test_image("rocket.jpg");
    let run = execute(command("classify", &[empty.path(), &image]).arg("--json"));
    assert_eq!(run.code, 1);
    let lines = run.json();
    assert_eq!(
        images(&lines),
        [empty.path().to_str().unwrap(), image.to_str().unwrap()]
    );
    assert!(lines[0]["error"].as_str().unwrap().contains("found none"));
    assert!(lines[1]["predictions"].is_array());
    execute(&mut command("classify", &[empty.path(), empty.path()])).fails(&["found none"]);
}

#[test]
fn several_images_are_not_drawn_into_one_file() {
    let folder = nested();
    let (coffee, chelsea) = (test_image("coffee.png"), test_image("chelsea.png"));
    for name in ["detect", "segment", "explain"] {
        let target = folder.path().join("one.png");
        let mut drawn = command(name, &[&coffee, &chelsea]);
        let run = execute(drawn.arg("-o").arg(&target));
        assert_eq!(run.code, 2, "{name}: {}", run.err);
        run.says(&["several images are written: expected a folder, found the name of an image"]);
        assert!(!target.exists());
    }
}

#[test]
fn labels_and_thresholds_of_classes() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("names.txt");
    let names: Vec<String> = (0..10).map(|class| format!("sort {class}")).collect();
    fs::write(&labels, names.join("\n")).unwrap();
    let image = test_image("chelsea.png");
    let run = |args: &[&str]| {
        execute(
            command("classify", &[&image])
                .args(["--json", "--top=10"])
                .args(args),
        )
    };
    let all = run(&["--labels", labels.to_str().unwrap()]).ok();
    let all = all.json()[0]["predictions"].as_array().unwrap().clone();
    assert_eq!(all[0]["label"], format!("sort {}", all[0]["class"]));
    let third = all[2]["probability"].as_f64().unwrap();
    let some = run(&["--threshold", &third.to_string()]).ok();
    assert_eq!(some.json()[0]["predictions"].as_array().unwrap().len(), 2);
    let none = execute(command("classify", &[&image]).args(["--threshold", "1"])).ok();
    assert_eq!(none.out.lines().nth(1), Some("  nothing above 1"));
    fs::write(&labels, "one\ntwo").unwrap();
    run(&["--labels", labels.to_str().unwrap()]).fails(&["10 names were expected", "found 2"]);
}

#[test]
fn boxes_are_filtered() {
    let image = test_image("coffee.png");
    let run = |args: &[&str]| {
        execute(
            command("detect", &[&image])
                .args(["--json", "--threshold=0.01"])
                .args(args),
        )
    };
    let boxes = |args: &[&str]| {
        run(args).ok().json()[0]["detections"]
            .as_array()
            .unwrap()
            .clone()
    };
    let all = boxes(&[]);
    assert!(all.len() > 3);
    assert_eq!(boxes(&["--max-boxes", "2"]), all[..2]);
    let cups: Vec<Value> = all
        .iter()
        .filter(|found| found["label"] == "cup")
        .cloned()
        .collect();
    assert!(!cups.is_empty());
    for class in ["cup", "41", "cup,cup"] {
        assert_eq!(boxes(&["--classes", class]), cups);
    }
    let others = boxes(&["--classes", "cup,bowl", "--classes", "diningtable"]);
    assert!(others.len() > cups.len() && others.len() <= all.len());
    run(&["--classes", "cups"]).fails(&["'cups'", "cup (41)"]);
}

#[test]
fn classes_of_masks_are_filtered() {
    let image = test_image("coffee.png");
    let run = |args: &[&str]| execute(command("segment", &[&image]).arg("--json").args(args));
    let classes = |args: &[&str]| {
        run(args).ok().json()[0]["classes"]
            .as_array()
            .unwrap()
            .clone()
    };
    let all = classes(&[]);
    assert_eq!(all.len(), 2);
    for found in &all {
        for class in [
            found["class"].to_string(),
            found["label"].as_str().unwrap().to_owned(),
        ] {
            assert_eq!(classes(&["--classes", &class]), std::slice::from_ref(found));
        }
    }
    assert_eq!(classes(&["--classes", "0,1"]), all);
    run(&["--classes", "part 7"]).fails(&["'part 7'"]);
}

#[test]
fn batches_do_not_change_the_results() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["coffee.png", "rocket.jpg", "chelsea.png"] {
        fs::copy(test_image(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("broken.png"), "no image").unwrap();
    for name in ["detect", "segment"] {
        let run = |batch: &str| {
            let mut command = command(name, &[folder.path()]);
            let run = execute(command.args(["--json", "--batch", batch]));
            assert_eq!(run.code, 1);
            run.json()
        };
        assert_eq!(run("1"), run("2"), "{name}");
        assert_eq!(run("1"), run("1000"), "{name}");
    }
    let wrong = execute(command("segment", &[folder.path()]).args(["--batch=2", "--size=image"]));
    assert_eq!(wrong.code, 2);
    wrong.says(&["--batch: images of a batch have the model's size"]);
}

#[test]
fn quiet_leaves_results_and_errors() {
    let image = test_image("chelsea.png");
    let loud = execute(&mut command("classify", &[&image])).ok();
    assert!(loud.err.contains("1 image in "));
    let quiet = execute(command("classify", &[&image]).arg("-q")).ok();
    assert_eq!((quiet.out, quiet.err.as_str()), (loud.out, ""));
    execute(command("classify", &[Path::new("no.png")]).arg("--quiet")).fails(&["no.png"]);
    let verbose = execute(shadernet().args(["-vv", "plan", "small_cnn", "--limits=default"])).ok();
    let silent = execute(shadernet().args(["plan", "small_cnn", "--limits=default"])).ok();
    assert_eq!(verbose.out, silent.out);
    assert!(verbose.err.len() > silent.err.len());
}

#[test]
fn a_list_is_read_line_by_line() {
    use std::io::{BufRead, BufReader, Write};
    let mut command = command("classify", &[]);
    command.args(["-", "--json"]);
    let mut child = (command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null()))
    .spawn()
    .unwrap();
    let mut list = child.stdin.take().unwrap();
    let mut results = BufReader::new(child.stdout.take().unwrap()).lines();
    for image in ["chelsea.png", "rocket.jpg"] {
        writeln!(list, "{}", test_image(image).display()).unwrap();
        // The result comes before the next line.
        assert!(results.next().unwrap().unwrap().contains(image));
    }
    drop(list);
    assert!(child.wait().unwrap().success());
}
