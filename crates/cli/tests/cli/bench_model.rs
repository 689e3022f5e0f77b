//! `shadernet bench model`, `frames`, `peak` and `profile`.

use serde_json::json;

use crate::devices::backends;
use crate::support::{execute, execute_with_input, shadernet, small_model};

/// Every backend, the CPU and the reference backend.
fn backend_names() -> Vec<&'static str> {
    let backends = backends().into_iter().map(|backend| backend.name());
    backends.chain(["cpu", "reference"]).collect()
}

#[test]
fn networks_are_timed_on_every_backend() {
    for backend in backend_names() {
        for precision in ["f32", "f16"] {
            let bench = execute(shadernet().args([
                "bench",
                "model",
                "mobilenet_v1",
                "--input=3x32x40",
                "--batch=2",
                "--rounds=3",
                "--json",
                "--backend",
                backend,
                "--precision",
                precision,
            ]))
            .ok();
            let lines = bench.json();
            let [line] = &lines[..] else {
                panic!("{}", bench.out);
            };
            assert_eq!(line["network"], "mobilenet_v1");
            assert_eq!(line["model"], json!(null));
            assert_eq!(line["backend"], backend);
            assert_eq!(line["precision"], precision);
            assert_eq!(line["input"], json!([3, 32, 40]));
            assert_eq!(line["inputs"], json!([[2, 3, 32, 40]]));
            assert_eq!((&line["batch"], &line["rounds"]), (&json!(2), &json!(3)));
            let number = |key: &str| {
                line[key]
                    .as_f64()
                    .unwrap_or_else(|| panic!("{key}: {line}"))
            };
            let (min, median, max) = (number("min_ms"), number("median_ms"), number("max_ms"));
            assert!(0.0 < min && min <= median && median <= max, "{line}");
            let parts = ["device_ms", "weights_ms", "prepare_ms", "first_run_ms"].map(number);
            assert!(parts.iter().sum::<f64>() <= number("first_ms"), "{line}");
            let images = 2.0 / (median / 1e3);
            assert!((number("images_per_second") / images - 1.0).abs() < 1e-9);
            assert!(number("gflop") > 0.0 && number("bytes") > 4.2e6, "{line}");
        }
    }
}

#[test]
fn model_folders_are_timed_with_their_own_weights() {
    let folder = small_model().to_str().unwrap();
    let bench = || {
        let mut bench = shadernet();
        bench.args(["bench", "model", folder, "--rounds=2", "--backend=cpu"]);
        bench.arg("--threads=2");
        bench
    };
    let line = &execute(bench().arg("--json")).ok().json()[0];
    assert_eq!(line["model"], folder);
    assert_eq!(line["network"], "resnet18");
    assert_eq!(line["input"], json!([3, 64, 64]));
    assert_eq!(line["threads"], 2);
    // Winograd's weights take more than the parameters.
    assert!(
        line["device_bytes"].as_u64().unwrap() > 40_000_000,
        "{line}"
    );

    let table = execute(&mut bench()).ok();
    for part in [
        "resnet18",
        folder,
        "[1, 3, 64, 64]",
        "median",
        "first result",
        "2 passes",
        "(cpu, 2 threads)\n",
        "MiB of weights and values",
    ] {
        assert!(
            table.out.contains(part),
            "'{part}' is not in: {}",
            table.out
        );
    }
}

#[test]
fn frames_are_timed_in_chunks() {
    let bench = || {
        let mut bench = shadernet();
        bench.args([
            "bench",
            "frames",
            "resnet18",
            "--input=3x64x64",
            "--frames=30",
            "--backend",
            backends()[0].name(),
        ]);
        bench
    };
    let line = &execute(bench().args(["--budget=0.5", "--json"]))
        .ok()
        .json()[0];
    let number = |key: &str| line[key].as_f64().unwrap();
    assert_eq!(number("frames"), 30.0);
    assert!(number("pieces") > 1.0 && number("pieces") <= 60.0, "{line}");
    assert!(number("median_ms") < number("whole_pass_ms"), "{line}");
    assert!(number("longest_ms") >= number("median_ms"), "{line}");

    let table = execute(bench().arg("--budget=1e6")).ok();
    for part in [
        "1 chunks per pass, 30 passes",
        "times the budget",
        "without a budget",
    ] {
        assert!(
            table.out.contains(part),
            "'{part}' is not in: {}",
            table.out
        );
    }
    let wrong = execute(bench().arg("--budget=0"));
    assert!(wrong.err.contains("a number above 0"), "{}", wrong.err);
    for (backend, device) in [
        ("cpu", "the CPU ("),
        ("reference", "the reference backend on"),
    ] {
        let mut frames = shadernet();
        frames.args(["bench", "frames", "resnet18", "--backend", backend]);
        execute(&mut frames).fails(&["this command measures shaders, and ", device, " has none"]);
    }
}

/// Token inputs are generated, too.
#[test]
fn networks_with_two_inputs_are_timed() {
    let line = &execute(shadernet().args([
        "bench",
        "model",
        "densenet_multimodal",
        "--input=1x64x64",
        "--rounds=1",
        "--json",
        "--backend=cpu",
    ]))
    .ok()
    .json()[0];
    assert_eq!(line["inputs"].as_array().unwrap().len(), 2);
}

#[test]
fn serve_times_one_pass_per_line() {
    let serve = || {
        let mut serve = shadernet();
        serve.args(["bench", "model", "small_cnn", "--serve", "--backend=cpu"]);
        serve
    };
    let served = execute_with_input(&mut serve(), b"\nnext\nno newline at the end").ok();
    let lines: Vec<&str> = served.out.lines().collect();
    assert_eq!((lines[0], lines.len()), ("ready", 4), "{}", served.out);
    for seconds in &lines[1..] {
        assert!(seconds.parse::<f64>().unwrap() > 0.0, "{seconds}");
    }
    assert_eq!(execute(&mut serve()).ok().out, "ready\n");
    assert_eq!(execute(serve().arg("--json")).code, 2);
}

#[test]
fn invalid_arguments_are_errors() {
    let bench = |args: &[&str]| execute(shadernet().args(["bench", "model"]).args(args));
    bench(&["resnet81"]).fails(&["resnet81", "resnet18"]);
    bench(&["models/nonsuch"]).fails(&["models/nonsuch", "no such folder"]);
    bench(&["tests/images"]).fails(&["config.json"]);
    bench(&["resnet18", "--input=3x0x224"]).fails(&["[1, 3, 0, 224]"]);
    bench(&["small_cnn", "--input=3x64x64"]).fails(&["one image size only"]);
    bench(&["resnet18", "--backend=cpu", "--input=3x2000000x2000000"]).fails(&["smaller batch"]);
    for wrong in [
        &["resnet18", "--input", "3,224"][..],
        &["resnet18", "--input", "3xAx224"],
        &["resnet18", "--input", "3x-1x224"],
        &["resnet18", "--batch", "0"],
        &["resnet18", "--rounds", "0"],
        &["resnet18", "--precision", "int8"],
        &[],
    ] {
        let usage = bench(wrong);
        assert_eq!((usage.code, usage.out.as_str()), (2, ""), "{wrong:?}");
        usage.says(&["error: "]);
    }
}

#[test]
fn the_peak_is_measured() {
    for backend in backend_names() {
        let peak = || execute(shadernet().args(["bench", "peak", "--json", "--backend", backend]));
        if backend == "reference" {
            peak().fails(&[
                "the reference backend on the CPU is not measured",
                "--backend cpu",
            ]);
            continue;
        }
        let line = &peak().ok().json()[0];
        assert_eq!(line["backend"], backend);
        for key in [
            "gflop_per_second",
            "gbyte_per_second",
            "cached_gbyte_per_second",
        ] {
            assert!(line[key].as_f64().unwrap() > 0.1, "{line}");
        }
    }
}

#[test]
fn steps_are_profiled_on_every_backend() {
    let folder = tempfile::tempdir().unwrap();
    let backends = backend_names().into_iter();
    for backend in backends.filter(|backend| *backend != "reference") {
        let path = folder.path().join(format!("{backend}.json"));
        let profile = execute(
            shadernet()
                .args(["bench", "profile", "mobilenet_v1", "--input=3x32x40"])
                .args(["--rounds=3", "--json", "--backend", backend, "--trace"])
                .arg(&path),
        )
        .ok();
        let lines = profile.json();
        let line = &lines[0];
        let steps = line["steps"].as_array().unwrap();
        // 27 convolutions, pooling and the classifier at least, each with its cost. On the CPU, depthwise convolutions
        // compute the pointwise ones before them.
        let is_pair = |step: &&serde_json::Value| step["kernel"] == "pointwise depthwise";
        let pairs = steps.iter().filter(is_pair).count();
        assert!(steps.len() + pairs >= 29, "{line}");
        assert_eq!(pairs, if backend == "cpu" { 12 } else { 0 }, "{line}");
        let sum = |key: &str| -> f64 { steps.iter().map(|s| s[key].as_f64().unwrap()).sum() };
        assert!((sum("share") - 1.0).abs() < 1e-9);
        assert!((sum("ms") - line["steps_ms"].as_f64().unwrap()).abs() < 1e-9);
        assert!(sum("of_bound") > 0.0, "{line}");
        assert_eq!(line["method"] == "step clock", backend == "cpu", "{line}");
        // The same operations as in `bench model`, because no Winograd kernel is used.
        let model = execute(shadernet().args([
            "bench",
            "model",
            "mobilenet_v1",
            "--input=3x32x40",
            "--rounds=1",
            "--json",
            "--backend=cpu",
        ]))
        .ok();
        let gflop = model.json()[0]["gflop"].as_f64().unwrap();
        assert!((sum("operations") / 1e9 - gflop).abs() < 1e-9, "{line}");

        let trace: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let complete = events.iter().filter(|event| event["ph"] == "X");
        let complete: Vec<_> = complete.collect();
        assert_eq!(complete.len(), steps.len());
        for pair in complete.windows(2) {
            let number = |event: &serde_json::Value, key: &str| event[key].as_f64().unwrap();
            assert!(number(pair[1], "ts") >= number(pair[0], "ts"), "{trace}");
        }
    }
}

#[test]
fn a_profile_of_the_cpu_has_its_kernels_and_peaks() {
    let mut profile = shadernet();
    profile.args(["bench", "profile", "small_cnn", "--rounds=2"]);
    profile.args(["--backend=cpu", "--threads=2"]);
    let text = execute(&mut profile).ok().out;
    for part in [
        "implicit_gemm",
        "by step clock",
        "a whole pass: ",
        "peaks: ",
        "2 threads)",
    ] {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
    assert!(!text.contains("variant"), "{text}");
}

#[test]
fn the_reference_backend_cannot_be_profiled() {
    let mut profile = shadernet();
    profile.args(["bench", "profile", "small_cnn", "--backend=reference"]);
    execute(&mut profile).fails(&["the reference backend on the CPU is not measured"]);
}
