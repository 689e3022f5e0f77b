//! `--resume`: a run that was killed continues, and its results are those of a run that was not.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::segment::unet;
use crate::support::{classify, copies, execute, execute_with_input, shadernet};

/// A command that reads a list of images from standard input.
struct Run<'a> {
    command: &'a dyn Fn() -> Command,
    results: PathBuf,
    images: Vec<PathBuf>,
}

impl Run<'_> {
    fn partial(&self) -> PathBuf {
        let mut name = self.results.clone().into_os_string();
        name.push(".partial");
        name.into()
    }

    fn list(&self) -> Vec<u8> {
        let names = self
            .images
            .iter()
            .map(|path| format!("{}\n", path.display()));
        names.collect::<String>().into_bytes()
    }

    /// A process that has results for the first `count` images, and waits for the name of the next one.
    fn waiting(&self, count: usize) -> Child {
        let mut command = (self.command)();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.as_mut().unwrap();
        for path in &self.images[..count] {
            writeln!(input, "{}", path.display()).unwrap();
        }
        if count == 0 {
            // Enough to tell that it is a list.
            write!(input, "{}", "x".repeat(64)).unwrap();
        }
        let start = Instant::now();
        while lines(&self.partial()) < 1 + count {
            assert!(start.elapsed() < Duration::from_secs(60), "no results");
            sleep(Duration::from_millis(5));
        }
        child
    }

    fn kill_after(&self, count: usize) {
        let mut child = self.waiting(count);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!self.results.exists());
    }
}

/// Whole lines of a file that may not exist yet.
fn lines(path: &Path) -> usize {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// The images of a folder of [`copies`].
fn images(folder: &tempfile::TempDir, count: usize) -> Vec<PathBuf> {
    let names = (0..count).map(|i| folder.path().join(format!("{i:03}.jpg")));
    names.collect()
}

/// `classify -` with a results file of this name.
fn into(
    folder: &tempfile::TempDir,
    name: &str,
    others: &[&str],
) -> (impl Fn() -> Command, PathBuf) {
    let results = folder.path().join(name);
    let (path, others) = (
        results.clone(),
        others.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(),
    );
    let command = move || {
        let mut command = classify();
        command.arg("-").arg("-o").arg(&path).args(&others);
        command
    };
    (command, results)
}

#[test]
fn a_killed_run_continues_where_it_was() {
    let folder = copies(7);
    let missing = folder.path().join("missing.jpg");
    for (name, options) in [
        ("results.csv", &["--batch", "1"][..]),
        // Nothing is above it: images without rows.
        ("none.tsv", &["--threshold", "1"]),
        ("results.jsonl", &["--top", "2"]),
        ("results.txt", &[]),
    ] {
        let (command, results) = into(&folder, name, options);
        let mut images = images(&folder, 7);
        images.insert(2, missing.clone());
        // One file twice.
        images.insert(3, images[0].clone());
        let run = Run {
            command: &command,
            results,
            images,
        };
        let whole = execute_with_input(&mut command(), &run.list());
        assert_eq!(whole.code, 1);
        let expected = fs::read_to_string(&run.results).unwrap();
        assert!(!run.partial().exists());
        fs::remove_file(&run.results).unwrap();

        run.kill_after(5);
        // What a process that was killed may have written of a line.
        let mut partial = fs::File::options()
            .append(true)
            .open(run.partial())
            .unwrap();
        write!(partial, "{{\"image\":\"half of a li").unwrap();
        drop(partial);
        // Finished images are not read again.
        let kept = fs::read(&run.images[0]).unwrap();
        fs::write(&run.images[0], "no image").unwrap();
        let resumed = execute_with_input(command().arg("--resume"), &run.list());
        fs::write(&run.images[0], kept).unwrap();
        // One image failed before.
        assert_eq!(resumed.code, 1, "{}", resumed.err);
        resumed.says(&["4 images in ", "5 before the interruption (1 failed)"]);
        assert_eq!(
            fs::read_to_string(&run.results).unwrap(),
            expected,
            "{name}"
        );
        assert!(!run.partial().exists());
        assert!(!expected.is_empty());
    }
}

#[test]
fn an_interrupted_run_is_neither_replaced_nor_mixed_with_another() {
    let folder = copies(3);
    let (command, results) = into(&folder, "results.csv", &[]);
    let run = Run {
        command: &command,
        results,
        images: images(&folder, 3),
    };
    // While it runs, no other process writes.
    let mut child = run.waiting(2);
    let busy = execute_with_input(&mut command(), &run.list());
    busy.fails(&["results.csv.partial: another process is writing"]);
    child.kill().unwrap();
    child.wait().unwrap();

    let again = execute_with_input(&mut command(), &run.list());
    again.fails(&[
        "results.csv.partial",
        "interrupted run for 2 images",
        "--resume",
        "remove it",
    ]);
    let other = execute_with_input(command().args(["--resume", "--top", "3"]), &run.list());
    other.fails(&["results.csv.partial", "--top: 5 there, 3 now"]);
    let other = execute_with_input(command().args(["--resume", "--format", "tsv"]), &run.list());
    other.fails(&["results.csv.partial", "--format: none there, tsv now"]);
    // Where and in which batches it runs does not matter.
    let mut command = command();
    command.args(["--resume", "--batch", "2", "--threads", "1"]);
    let resumed = execute_with_input(&mut command, &run.list()).ok();
    resumed.says(&["1 image in "]);
    assert_eq!(lines(&run.results), 1 + 3 * 5);

    // Damage is found.
    fs::write(run.partial(), "{\n").unwrap();
    let damaged = execute_with_input(&mut command, &run.list());
    damaged.fails(&["results.csv.partial: line 1 ", "remove the file"]);
}

#[test]
fn without_an_interrupted_run_all_images_are_done() {
    let folder = copies(2);
    let results = folder.path().join("results.csv");
    let mut command = classify();
    command.arg(folder.path()).arg("--resume");
    let usage = execute(&mut command);
    assert_eq!(usage.code, 2);
    usage.says(&["--resume", "results file"]);
    for _ in 0..2 {
        let mut command = classify();
        command
            .arg(folder.path())
            .arg("--resume")
            .arg("-o")
            .arg(&results);
        let run = execute(&mut command).ok();
        run.says(&["2 images in ", "the device was busy for ", "decoding took "]);
        assert_eq!(lines(&results), 1 + 2 * 5);
    }
    // Without results, nothing is left of it, and an older file stays.
    let mut command = classify();
    command
        .arg(folder.path().join("missing.jpg"))
        .arg("-o")
        .arg(&results);
    assert_eq!(execute(&mut command).code, 1);
    assert_eq!(lines(&results), 1 + 2 * 5);
    assert!(!folder.path().join("results.csv.partial").exists());
}

/// Masks of images of one name have numbers, which continue.
#[test]
fn masks_of_a_continued_run_have_the_same_names() {
    let folder = copies(1);
    let images: Vec<PathBuf> = (["a", "b", "c", "d"].iter())
        .map(|name| {
            let inner = folder.path().join(name);
            fs::create_dir(&inner).unwrap();
            let path = inner.join("x.jpg");
            fs::copy(folder.path().join("000.jpg"), &path).unwrap();
            path
        })
        .collect();
    let [masks, results] = ["masks", "results.jsonl"].map(|name| folder.path().join(name));
    let command = || {
        let mut command = shadernet();
        command.args(["segment", "--backend", "cpu", "-"]);
        command.arg("--model").arg(unet(2)).arg("-o").arg(&masks);
        command.arg("--results").arg(&results);
        command
    };
    let run = Run {
        command: &command,
        results: results.clone(),
        images,
    };
    execute_with_input(&mut command(), &run.list()).ok();
    let expected = fs::read_to_string(&results).unwrap();
    fs::remove_dir_all(&masks).unwrap();
    fs::remove_file(&results).unwrap();
    run.kill_after(2);
    execute_with_input(command().arg("--resume"), &run.list()).ok();
    assert_eq!(fs::read_to_string(&results).unwrap(), expected);
    let mut names: Vec<_> = (fs::read_dir(&masks).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["x-2.png", "x-3.png", "x-4.png", "x.png"]);
}

#[test]
fn an_interrupted_run_says_how_it_continues() {
    let folder = copies(3);
    let (command, results) = into(&folder, "results.csv", &[]);
    let run = Run {
        command: &command,
        results,
        images: images(&folder, 3),
    };
    for (count, is_kept) in [(0, false), (1, true)] {
        let child = run.waiting(count);
        let id = child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(killed.success());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert_eq!(
            err.contains("results.csv.partial; the same command with --resume"),
            is_kept,
            "{err}"
        );
        assert_eq!(run.partial().exists(), is_kept);
        assert!(!run.results.exists());
    }
}
