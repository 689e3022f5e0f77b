//! `--report`: HTML pages of results.

use crate::devices::backends;
use crate::support::{execute, shadernet};

#[test]
fn kernels_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (page, results) = (
        folder.path().join("page.html"),
        folder.path().join("results.json"),
    );
    let backend = backends()[0].name();
    let cases = ["linear 1x2048 out=1000", "softmax 1x1000"];
    let mut bench = shadernet();
    bench.args(["bench", "kernels", "--rounds=1", "--backend", backend]);
    bench.args(["--filter", cases[0], "--filter", cases[1], "--report"]);
    execute(bench.arg(&page).arg("--json").arg(&results)).ok();
    let page = std::fs::read_to_string(page).unwrap();
    for part in cases
        .iter()
        .chain(&["</html>", "<svg", "Roofline", "GFLOP/s", backend])
    {
        assert!(page.contains(part), "'{part}' is not in: {page}");
    }
    // Results compared with themselves are not worse.
    let compare = |args: &[&str]| {
        execute(
            shadernet()
                .args(["bench", "compare"])
                .arg(&results)
                .arg(&results)
                .args(args),
        )
    };
    let line = &compare(&["--json"]).ok().json()[0];
    assert!(
        line["pairs"].as_array().unwrap().len() >= cases.len(),
        "{line}"
    );
    assert_eq!(line["only_in_a"].as_array().unwrap().len(), 0);
}

#[test]
fn networks_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let mut bench = shadernet();
    bench.args([
        "bench",
        "model",
        "mobilenet_v1",
        "--input=3x32x40",
        "--rounds=2",
    ]);
    execute(bench.args(["--backend=cpu", "--report"]).arg(&page)).ok();
    let page = std::fs::read_to_string(page).unwrap();
    for part in ["mobilenet_v1", "batch 1, 3x32x40", "cpu", "class=\"bar\""] {
        assert!(page.contains(part), "'{part}' is not in: {page}");
    }
}

/// Before anything is measured.
#[test]
fn an_unwritable_report_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let in_nothing = folder.path().join("missing").join("page.html");
    for (path, part) in [
        (in_nothing.as_path(), "there is no folder"),
        (folder.path(), "found a folder"),
    ] {
        for what in [&["kernels"][..], &["model", "small_cnn"]] {
            let mut bench = shadernet();
            bench.args(["bench"]).args(what).arg("--report").arg(path);
            execute(&mut bench).fails(&[path.to_str().unwrap(), part]);
        }
    }
}
