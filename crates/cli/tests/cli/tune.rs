//! `shadernet tune`, and tuned kernels in other commands.

use serde_json::json;

use crate::common::place;
use crate::support::{CommandOutput, chelsea, execute, shadernet, small_model};

/// A few algorithms: software drivers take a while to compile each.
const FEW: [&str; 2] = ["--only=direct", "--only=winograd-2"];

/// The Vulkan backend, whose software adapter compiles quickly.
const ON: [&str; 2] = ["--backend", "vulkan"];

fn tune(folder: &std::path::Path) -> CommandOutput {
    let mut command = shadernet();
    command.args(["tune", "small_cnn", "--rounds=1", "--json"]);
    execute(command.args(ON).args(FEW).env("SHADERNET_CACHE", folder)).ok()
}

#[test]
fn the_winners_are_saved_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let tuned = tune(folder.path());
    let line = &tuned.json()[0];
    assert_eq!(line["network"], "small_cnn");
    assert_eq!(line["quarantined"], json!([]));
    let layers = line["layers"].as_array().unwrap();
    assert!(!layers.is_empty());
    for layer in layers {
        assert!(layer["ratio"].as_f64().unwrap() >= 1.0, "{layer}");
        assert!(layer["candidates"].as_array().unwrap().len() > 1, "{layer}");
    }
    let path = line["file"].as_str().unwrap();
    assert!(path.starts_with(folder.path().to_str().unwrap()), "{path}");

    let bench = |more: &[&str]| {
        let mut command = shadernet();
        command.args(["bench", "model", "small_cnn", "--rounds=1", "--json"]);
        command.args(ON).args(more);
        execute(command.env("SHADERNET_CACHE", folder.path())).ok()
    };
    let found = bench(&[]);
    assert_eq!(
        (&found.json()[0]["tuned"], &found.err[..]),
        (&json!(true), "")
    );
    assert_eq!(bench(&["--no-tuning"]).json()[0]["tuned"], json!(false));
    assert_eq!(bench(&["--tuning", path]).json()[0]["tuned"], json!(true));

    // A damaged file is reported and ignored.
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, text.replacen("use ", "use  ", 1)).unwrap();
    let damaged = bench(&[]).says(&["tuned kernels are not used", path, "damaged"]);
    assert_eq!(damaged.json()[0]["tuned"], json!(false));
    tune(folder.path()).says(&["replaced: ", "damaged"]);
    assert_eq!(
        std::fs::read_to_string(path).unwrap().lines().next(),
        text.lines().next()
    );
    assert_eq!(bench(&[]).json()[0]["tuned"], json!(true));
}

#[test]
fn a_tuned_classifier_finds_the_same_classes() {
    let bundled = place::repository().join("models/efficientnet_lite0");
    for model in [small_model(), &bundled] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tuned.txt");
        let mut command = shadernet();
        command.arg("tune").arg(model).args(["--rounds=1", "-o"]);
        command
            .arg(&file)
            .args(ON)
            .args(FEW)
            .arg("--only=tiled-128x16");
        let table = execute(&mut command).ok().out;
        assert!(
            table.contains("times faster") && table.contains("saved to"),
            "{table}"
        );

        let classes = |more: &[&str]| {
            let mut command = shadernet();
            command.args(["classify", "--json", "--top=10", "--model"]);
            command.arg(model).arg(chelsea()).args(ON).args(more);
            let run = execute(&mut command).ok();
            assert!(!run.err.contains("not used"), "{}", run.err);
            let predictions = run.json()[0]["predictions"].as_array().unwrap().clone();
            predictions
                .iter()
                .map(|p| p["label"].clone())
                .collect::<Vec<_>>()
        };
        let file = file.to_str().unwrap();
        let tuned = classes(&["--tuning", file]);
        assert_eq!(tuned.len(), 10);
        assert_eq!(tuned, classes(&["--no-tuning"]));
    }
}

#[test]
fn a_network_is_tuned_before_it_is_timed() {
    let folder = tempfile::tempdir().unwrap();
    let bench = |more: &[&str]| {
        let mut command = shadernet();
        command.args(["bench", "model", "small_cnn", "--tune", "--rounds=3"]);
        command
            .args(ON)
            .args(more)
            .env("SHADERNET_CACHE", folder.path());
        execute(&mut command)
    };
    let line = &bench(&["--json"]).ok().json()[0];
    assert_eq!(
        (&line["tuned"], &line["vs"]["tuned"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(line["vs"]["setting"], "no-tuning");
    assert!(line["ratio"].as_f64().unwrap() > 0.0, "{line}");
    let count = |key: &str| line["tuning"][key].as_u64().unwrap();
    assert!(
        count("changed") <= count("layers") && count("layers") > 0,
        "{line}"
    );
    assert_eq!(count("untimed"), 0, "{line}");
    // Other commands do not use it.
    let files = std::fs::read_dir(folder.path()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(
        !names
            .collect::<Vec<_>>()
            .iter()
            .any(|name| name.starts_with("tuning"))
    );

    let mut on_cpu = shadernet();
    on_cpu.args([
        "bench",
        "model",
        "mlp",
        "--tune",
        "--rounds=3",
        "--backend=cpu",
    ]);
    let on_cpu = execute(&mut on_cpu).ok();
    on_cpu.says(&["nothing is tuned: tuning times shaders"]);
    for other in ["--vs=precision=f16", "--no-tuning", "--serve"] {
        assert_eq!(bench(&[other]).code, 2, "{other}");
    }
}

#[test]
fn tuning_ends_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = shadernet();
    // The first shader takes longer to compile.
    command
        .args(["tune", "resnet18", "--budget=1", "--json", "-o"])
        .arg(folder.path().join("tuned.txt"));
    let tuned = execute(command.args(ON).args(FEW)).ok();
    let line = &tuned.json()[0];
    let layers = line["layers"].as_array().unwrap();
    assert!(layers.iter().any(|layer| layer["timed"] == false), "{line}");
    assert!(line["seconds"].as_f64().unwrap() > 0.0);
    tuned.says(&["the time was over before "]);
}

#[test]
fn invalid_arguments_and_files_are_reported() {
    let cpu = execute(shadernet().args(["tune", "small_cnn", "--backend=cpu"]));
    assert_eq!((cpu.code, cpu.out.as_str()), (2, ""));
    cpu.says(&["the cpu backend has nothing to tune: a cost model chooses its kernels"]);
    execute(shadernet().args(["tune", "small_cnn", "--backend=reference"]))
        .fails(&["nothing to tune on the reference backend"]);
    execute(shadernet().args(["tune", "resnet81"])).fails(&["resnet18"]);
    let both = ["bench", "model", "mlp", "--tuning=x", "--no-tuning"];
    assert_eq!(execute(shadernet().args(both)).code, 2);
    let missing = [
        "bench",
        "model",
        "mlp",
        "--tuning=no/such/file",
        "--rounds=1",
    ];
    execute(shadernet().args(missing).args(ON))
        .ok()
        .says(&["tuned kernels are not used", "no/such/file"]);
}
