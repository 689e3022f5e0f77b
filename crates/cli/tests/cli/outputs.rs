//! Where commands write: devices, pipes, links, read-only files, and files that are also inputs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::*;

/// A folder for the outputs of commands.
struct Outputs(tempfile::TempDir);

impl Outputs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Checks the names in the folder: no temporary file is left.
    #[track_caller]
    fn assert_holds(&self, expected: &[&str]) {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, expected);
    }
}

/// A command that needs no GPU, and writes a file.
fn plan(network: &str, dot: &Path) -> Command {
    let mut command = shadernet();
    command.args(["plan", network, "--limits", "default", "--dot"]);
    command.arg(dot);
    command
}

/// Commands that write one file, without it: their last argument is the option for it.
fn writers() -> Vec<Command> {
    let image = chelsea();
    let model = small_model().to_str().unwrap();
    let weights = small_model().join("model.safetensors");
    let commands: [&[&str]; 9] = [
        &["plan", "small_cnn", "--limits", "default", "--dot"],
        &["tune", "small_cnn", "--output"],
        &["doctor", "--report"],
        &["bench", "profile", "small_cnn", "--trace"],
        &["bench", "model", "small_cnn", "--report"],
        &["bench", "kernels", "--report"],
        &["bench", "kernels", "--json"],
        &["convert", weights.to_str().unwrap(), "--output"],
        &[
            "features",
            &image,
            "--model",
            model,
            "--backend=cpu",
            "--layer=layer4.1.relu",
            "--output",
        ],
    ];
    commands
        .into_iter()
        .map(|args| {
            let mut command = shadernet();
            command.args(args);
            command
        })
        .collect()
}

#[test]
fn wrong_destinations_are_errors_before_the_work() {
    let outputs = Outputs::new();
    fs::create_dir(outputs.path("folder.png")).unwrap();
    let path = outputs.path("old.png");
    fs::write(&path, "old").unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    for (name, part) in [
        ("no/where.png", "there is no folder"),
        ("old.png", "read-only"),
    ] {
        for mut command in writers() {
            // Without an adapter, the work of some fails at once, with another message.
            let path = outputs.path(name);
            let run = execute(command.arg(&path)).fails(&[part, name]);
            assert!(!run.err.contains(".shadernet-"), "{}", run.err);
        }
    }
    let dot = outputs.path("folder.png");
    execute(&mut plan("small_cnn", &dot)).fails(&["found a folder"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    outputs.assert_holds(&["folder.png", "old.png"]);
}

#[test]
fn inputs_and_other_outputs_are_not_overwritten() {
    let outputs = Outputs::new();
    let config = small_model().join("config.json");
    let before = fs::read(&config).unwrap();
    execute(&mut plan(small_model().to_str().unwrap(), &config))
        .fails(&["an input of the command"]);
    let weights = outputs.path("a.safetensors");
    fs::copy(small_model().join("model.safetensors"), &weights).unwrap();
    // By another name.
    fs::hard_link(&weights, outputs.path("b.safetensors")).unwrap();
    let shapes = outputs.path("shapes.txt");
    fs::write(&shapes, "relu 1x8x9x9\n").unwrap();
    let kernels = |args: &[&str]| {
        let mut command = shadernet();
        command.args(["bench", "kernels", "--shapes"]).arg(&shapes);
        execute(command.args(args).current_dir(outputs.0.path()))
    };
    kernels(&["--json", "shapes.txt"]).fails(&["shapes.txt", "an input of the command"]);
    kernels(&["--json", "new", "--report", "./new"]).fails(&["./new", "the file of --json"]);
    let mut run = shadernet();
    run.args(["run", "--arch=resnet18", "--num-classes=10", "--weights"]);
    run.arg(&weights).arg("--input").arg(write_input(&outputs));
    run.arg("--output").arg(outputs.path("b.safetensors"));
    execute(&mut run).fails(&["b.safetensors", "an input of the command"]);
    assert_eq!(fs::read(config).unwrap(), before);
    outputs.assert_holds(&[
        "a.safetensors",
        "b.safetensors",
        "input.safetensors",
        "shapes.txt",
    ]);
}

/// The input of a network for images.
fn write_input(outputs: &Outputs) -> PathBuf {
    use shadernet::tensor::Tensor;
    use shadernet::weights::{Dtype, write_safetensors};

    let path = outputs.path("input.safetensors");
    let input = Tensor::zeros([1, 3, 32, 32]);
    write_safetensors(&path, [("input", &input)], Dtype::F32).unwrap();
    path
}

#[test]
fn images_are_not_written_over_images() {
    let outputs = Outputs::new();
    // `a.png` of one folder would be written over that of the other.
    for folder in ["in", "out"] {
        fs::create_dir(outputs.path(folder)).unwrap();
        fs::copy(chelsea(), outputs.path(folder).join("a.png")).unwrap();
    }
    let mut explain = shadernet();
    explain
        .args(["explain", "--backend=cpu", "--model"])
        .arg(small_model());
    explain
        .arg(outputs.path("in/a.png"))
        .arg(outputs.path("out/a.png"));
    let run = execute(explain.arg("-o").arg(outputs.path("out")));
    run.fails(&["the image is in the output folder"]);
    assert_eq!(
        fs::read(outputs.path("out/a.png")).unwrap(),
        fs::read(chelsea()).unwrap()
    );
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    use std::thread;

    use super::*;

    fn mkfifo(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn pipes_get_what_files_would_get() {
        let outputs = Outputs::new();
        let file = outputs.path("file.dot");
        execute(&mut plan("small_cnn", &file)).ok();
        let pipe = outputs.path("pipe");
        mkfifo(&pipe);
        let reader = thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        execute(&mut plan("small_cnn", &pipe)).ok();
        assert_eq!(reader.join().unwrap(), fs::read(file).unwrap());
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());

        // Images, too, although a pipe has no extension.
        let reader = thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        let mut explain = shadernet();
        explain.args(["explain", &chelsea(), "--backend=cpu", "--model"]);
        explain.arg(small_model()).arg("-o").arg(&pipe);
        execute(&mut explain).ok();
        let image = image::load_from_memory(&reader.join().unwrap()).unwrap();
        assert!(image.width() >= 451, "{}", image.width());
        outputs.assert_holds(&["file.dot", "pipe"]);
    }

    /// A device like `/dev/null`, where this process may make one.
    #[test]
    fn devices_stay_devices() {
        let outputs = Outputs::new();
        let null = outputs.path("null");
        let made = Command::new("mknod")
            .arg(&null)
            .args(["c", "1", "3"])
            .status();
        let is_usable = || File::options().write(true).open(&null).is_ok();
        if !made.is_ok_and(|made| made.success()) || !is_usable() {
            return;
        }
        execute(&mut plan("small_cnn", &null)).ok();
        let mut features = shadernet();
        features.args([
            "features",
            &chelsea(),
            "--backend=cpu",
            "--layer=layer4.1.relu",
            "--model",
        ]);
        features.arg(small_model()).arg("-o").arg(&null);
        execute(&mut features).ok();
        assert!(fs::metadata(&null).unwrap().file_type().is_char_device());
        outputs.assert_holds(&["null"]);
    }

    #[test]
    fn standard_output_can_be_named() {
        let outputs = Outputs::new();
        let expected = outputs.path("expected.dot");
        let table = execute(&mut plan("small_cnn", &expected)).ok().out;
        let dot = fs::read_to_string(&expected).unwrap();
        // A pipe, and a file, whose position both writers share.
        let run = execute(&mut plan("small_cnn", Path::new("/dev/stdout"))).ok();
        assert_eq!(run.out, format!("{dot}{table}"));
        let both = outputs.path("both");
        let mut command = plan("small_cnn", Path::new("/dev/stdout"));
        command.stdout(File::create(&both).unwrap());
        assert!(command.status().unwrap().success());
        assert_eq!(fs::read_to_string(both).unwrap(), run.out);
    }

    #[test]
    fn links_and_permissions_are_kept() {
        let outputs = Outputs::new();
        let [file, link, hard] =
            ["file.dot", "link.dot", "hard.dot"].map(|name| outputs.path(name));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("file.dot", &link).unwrap();
        execute(&mut plan("small_cnn", &link)).ok();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("digraph"), "{text}");

        fs::hard_link(&file, &hard).unwrap();
        fs::write(&hard, "old").unwrap();
        execute(&mut plan("small_cnn", &file)).ok();
        assert_eq!(fs::read_to_string(&hard).unwrap(), text);
        assert_eq!(fs::metadata(&hard).unwrap().nlink(), 2);
        outputs.assert_holds(&["file.dot", "hard.dot", "link.dot"]);
    }
}
