//! `shadernet bench kernels` and `shadernet doctor`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::devices::backends;
use crate::support::{execute, shadernet};

fn rows(line: &Value) -> &[Value] {
    line["kernels"].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn kernels_are_timed_on_every_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let shapes = folder.path().join("mine.txt");
    fs::write(
        &shapes,
        "# mine\nconv2d 1x8x9x9 out=8 kernel=3 padding=1 relu\n\nmax_pool2d 1x8x9x9 kernel=2\n",
    )
    .unwrap();
    let json = folder.path().join("kernels.json");
    let bench = execute(
        shadernet()
            .args(["bench", "kernels", "--all", "--rounds=2", "--kernel=direct"])
            .args(["--kernel=winograd-2", "--shapes"])
            .arg(&shapes)
            .arg("--json")
            .arg(&json),
    )
    .ok();
    let lines: Vec<Value> = (fs::read_to_string(&json).unwrap().lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for backend in backends() {
        let line = lines.iter().find(|l| l["backend"] == backend.name());
        let line = line.unwrap_or_else(|| panic!("{} is not in {lines:?}", backend.name()));
        let kernels: Vec<&str> = rows(line)
            .iter()
            .filter_map(|r| r["kernel"].as_str())
            .collect();
        assert_eq!(kernels, ["direct", "winograd-2", "pool"]);
        for row in rows(line) {
            for key in ["min_ms", "gbyte_per_second", "of_bound"] {
                assert!(row[key].as_f64().unwrap() > 0.0, "{key}: {row}");
            }
        }
        assert!(line["limits"]["max_buffer_size"].as_u64().unwrap() > 0);
        assert!(line["wgpu"].as_str().unwrap().starts_with("30."));
        // The table, too.
        assert!(
            bench.out.contains(&format!("({})", backend.name())),
            "{}",
            bench.out
        );
    }
    assert!(bench.out.contains("winograd-2"), "{}", bench.out);
}

#[test]
fn a_wrong_kernel_is_reported_and_not_timed() {
    for backend in backends() {
        let bench = execute(
            shadernet()
                .args([
                    "bench",
                    "kernels",
                    "--filter=1x128x28x28 out=32",
                    "--json",
                    "--rounds=1",
                ])
                .args([
                    "--kernel=direct",
                    "--kernel=winograd-4",
                    "--inject-fault=winograd_output",
                ])
                .args(["--backend", backend.name()]),
        );
        assert_eq!(bench.code, 1, "{}", bench.err);
        let lines = bench.json();
        let [right, wrong] = rows(&lines[0]) else {
            panic!("{}", bench.out);
        };
        assert!(right["min_ms"].is_number(), "{right}");
        assert_eq!(wrong["kernel"], "winograd-4");
        assert!(
            wrong["wrong"].as_str().unwrap().contains("is off by"),
            "{wrong}"
        );
        assert!(wrong.get("min_ms").is_none(), "{wrong}");
        assert!(
            bench.err.contains("winograd-4 of conv2d 1x128x28x28"),
            "{}",
            bench.err
        );
    }
}

#[test]
fn drivers_that_crash_or_hang_lose_only_their_own_results() {
    for (how, message) in [
        ("crash", "its process died"),
        ("hang", "did not end within 2 s"),
    ] {
        let bench = execute(shadernet().args([
            "bench",
            "kernels",
            "--all",
            "--time-limit=2",
            "--misbehave",
            how,
            "--filter=relu",
        ]));
        assert_eq!(bench.code, 1);
        assert!(bench.err.contains(message), "{}", bench.err);
    }
    // The page and the file are still written, and the file can be read.
    let folder = tempfile::tempdir().unwrap();
    for (what, rest) in [("kernels", "--filter=relu"), ("model", "small_cnn")] {
        let [page, results] = ["page.html", "results.json"].map(|name| folder.path().join(name));
        let mut bench = shadernet();
        bench.args(["bench", what, rest, "--all", "--misbehave=crash", "--json"]);
        let bench = execute(bench.arg("--report").arg(&page));
        assert_eq!(bench.code, 1);
        assert!(bench.err.contains("its process died"), "{}", bench.err);
        let page = fs::read_to_string(&page).unwrap();
        assert!(page.contains("its process died"), "{what}: {page}");
        fs::write(&results, &bench.out).unwrap();
        let compare = shadernet()
            .args(["bench", "compare"])
            .args([&results, &results])
            .output();
        let err = String::from_utf8(compare.unwrap().stderr).unwrap();
        assert!(!err.contains("missing field"), "{err}");
    }
}

#[test]
fn invalid_shapes_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let shapes = folder.path().join("mine.txt");
    fs::write(&shapes, "relu 1x8x9x9\nconv2d 1x8x9x9 out=8\n").unwrap();
    let bench = |args: &[&str]| execute(shadernet().args(["bench", "kernels"]).args(args));
    let path = shapes.to_str().unwrap();
    bench(&["--shapes", path]).fails(&["mine.txt", "line 2", "'kernel=NUMBER' is missing"]);
    bench(&["--shapes", "nonsuch.txt"]).fails(&["nonsuch.txt"]);
    bench(&["--backend=reference"]).fails(&["the reference backend on the CPU is not measured"]);
    for wrong in [
        &["--filter=nonsuch"][..],
        &["--kernel=fast"],
        &["--all", "--backend=gl"],
        &["--all", "--threads=2"],
        &["--backend=cpu", "--precision=f16"],
        &["--backend=cpu", "--kernel=direct"],
    ] {
        assert_eq!(bench(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn the_kernels_of_the_cpu_are_timed() {
    let bench = |more: &[&str]| {
        let mut bench = shadernet();
        bench.args(["bench", "kernels", "--backend=cpu", "--rounds=2"]);
        execute(bench.args(["--filter=56x56 out=64"]).args(more)).ok()
    };
    let lines = bench(&["--json"]).json();
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(
        (&line["backend"], &line["precision"]),
        (&"cpu".into(), &"f32".into())
    );
    assert!(
        line["peak_gflop_per_second"].as_f64().unwrap() > 0.1,
        "{line}"
    );
    assert!(!rows(line).is_empty());
    for row in rows(line) {
        assert_eq!(row["method"], "step clock", "{row}");
        assert!(row["min_ms"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["error"].as_f64().unwrap() < 2e-4, "{row}");
    }
    let table = bench(&[]).out;
    for part in ["winograd", "GFLOP/s", "by step clock", "(cpu)"] {
        assert!(table.contains(part), "'{part}' is not in: {table}");
    }
}

#[test]
fn two_settings_are_compared() {
    let bench = execute(shadernet().args([
        "bench",
        "model",
        "small_cnn",
        "--rounds=4",
        "--precision=f32,f16",
        "--batch=1,2",
        "--vs=kernel=direct",
        "--json",
        "--backend",
        backends()[0].name(),
    ]))
    .ok();
    let rows = bench.json();
    let settings: Vec<(Option<u64>, Option<&str>)> = (rows.iter())
        .map(|row| (row["batch"].as_u64(), row["precision"].as_str()))
        .collect();
    assert_eq!(
        settings,
        [
            (Some(1), Some("f32")),
            (Some(1), Some("f16")),
            (Some(2), Some("f32")),
            (Some(2), Some("f16")),
        ]
    );
    for row in &rows {
        let number = |key: &str| row[key].as_f64().unwrap();
        assert!(number("ratio_min") <= number("ratio") && number("ratio") <= number("ratio_max"));
        assert_eq!(
            (&row["rounds"], &row["vs"]["rounds"]),
            (&4.into(), &4.into())
        );
        assert_eq!(row["vs"]["setting"], "kernel=direct");
        assert!(number("median_ms") <= number("p95_ms") && number("p95_ms") <= number("max_ms"));
        assert!(number("device_bytes") > 1000.0, "{row}");
    }
    let wrong = ["--vs=speed=2", "--vs=fast"];
    for wrong in wrong {
        assert_eq!(
            execute(shadernet().args(["bench", "model", "small_cnn", wrong])).code,
            2
        );
    }
}

#[test]
fn doctor_finds_a_wrong_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doctor.md");
    let doctor = execute(
        shadernet()
            .args(["doctor", "--inject-fault=conv2d_depthwise_row", "--report"])
            .arg(&path)
            .args(["--json", "--backend", backends()[0].name()]),
    );
    assert_eq!(doctor.code, 1, "{}", doctor.err);
    let line = &doctor.json()[0];
    let wrong: Vec<&Value> = rows(line)
        .iter()
        .filter(|row| row["wrong"].is_string())
        .collect();
    // Both depthwise cases in both precisions, and nothing else.
    assert_eq!(wrong.len(), 4, "{wrong:?}");
    assert!(
        wrong
            .iter()
            .all(|row| row["kernel"] == "conv2d_depthwise_row")
    );
    let is_checked = |kernel: &str| (rows(line).iter()).any(|row| row["kernel"] == kernel);
    for kernel in [
        "direct",
        "tiled-128x128",
        "tiled-32x32-split-4",
        "winograd-4",
        "conv2d_grouped",
    ] {
        assert!(is_checked(kernel), "{kernel}: {line}");
    }
    // Where loops end early, the limit is known, or it would be an error.
    let loops = &line["loops"];
    let iterations = loops["iterations"].as_u64().unwrap();
    let known = loops["known_limit"].as_u64();
    assert!(
        iterations == 200_000 || known.unwrap() <= iterations,
        "{loops}"
    );
    // EfficientNet-Lite0 begins with a convolution, and a depthwise one after it.
    let step = &line["networks"][0]["diverges"];
    assert_eq!(step["operator"], "Conv2d", "{}", line["networks"]);
    assert!(
        step["shaders"][0]
            .as_str()
            .unwrap()
            .starts_with("conv2d_depthwise_row"),
        "{step}"
    );
    let report = fs::read_to_string(&path).unwrap();
    let pipelines = line["pipelines"]["count"].as_u64().unwrap();
    assert!(
        report.contains(&format!(" needs {pipelines} pipelines, compiled in ")),
        "{report}"
    );
    assert!(
        report.contains("the first step that differs between the reference backend and"),
        "{report}"
    );
}

#[test]
fn quick_doctor_checks_one_case_of_each_kind() {
    let start = std::time::Instant::now();
    let doctor = execute(shadernet().args(["doctor", "--quick", "--json"])).ok();
    // 20 s on a machine that does nothing else.
    assert!(start.elapsed() < std::time::Duration::from_secs(60));
    assert!(!doctor.err.contains("--quick"));
    let lines = doctor.json();
    let (cpu, adapters) = lines.split_last().unwrap();
    assert_eq!(cpu["backend"], "cpu");
    assert!(cpu["networks"][0]["ms"].as_f64().unwrap() > 0.0, "{cpu}");
    let of_cpu = rows(cpu);
    assert!(of_cpu.len() > 20, "{}", of_cpu.len());
    assert!(cpu["pipelines"].is_null(), "{cpu}");
    for line in adapters {
        let rows = rows(line);
        assert!(rows.len() > 30, "{}", rows.len());
        // Tests have no folder for a cache.
        let pipelines = &line["pipelines"];
        assert_eq!(pipelines["cached"], false, "{pipelines}");
        assert!(pipelines["count"].as_u64().unwrap() > 5, "{pipelines}");
        assert!(
            pipelines["compile_ms"].as_f64().unwrap() > 0.0,
            "{pipelines}"
        );
        assert_eq!(line["shader_compiler"].is_null(), line["backend"] != "dx12");
    }
    for row in lines.iter().flat_map(rows) {
        assert_eq!(row["precision"], "f32", "{row}");
        assert!(
            row["error"].is_f64() || row["impossible"].is_string(),
            "{row}"
        );
    }
    // All after the first are compared with it, too.
    let comparisons = |line: &Value| line["networks"].as_array().unwrap().len();
    assert_eq!(comparisons(&lines[0]), 1);
    assert!(lines[1..].iter().all(|line| comparisons(line) == 2));
}

/// The summary of each adapter is printed while the next one is checked.
#[test]
fn doctor_prints_each_adapter_when_it_is_done() {
    let mut command = shadernet();
    command
        .args(["doctor", "--quick", "--json"])
        .stdout(Stdio::piped());
    let mut doctor = command.spawn().unwrap();
    let mut lines = BufReader::new(doctor.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with('{'));
    let is_running = doctor.try_wait().unwrap().is_none();
    assert!(is_running || lines.next().is_none());
    for line in lines {
        line.unwrap();
    }
    assert!(doctor.wait().unwrap().success());
}

#[test]
fn doctor_compares_two_backends() {
    // A single backend is compared with itself.
    let backends = backends();
    let (first, last) = (backends[0], backends[backends.len() - 1]);
    let pair = |more: &[&str]| {
        execute(
            shadernet()
                .args([
                    "doctor",
                    "--backend",
                    last.name(),
                    "--against",
                    first.name(),
                ])
                .args(more),
        )
    };
    let agreeing = pair(&[]).ok();
    // A device's text; software devices are marked.
    let with = [", software", ""].map(|more| format!("({}{more})", first.name()));
    let says = |out: &str, rest: &str| {
        with.iter()
            .any(|with| out.contains(&format!("{with}{rest}")))
    };
    assert!(says(&agreeing.out, " to 1e-3"), "{}", agreeing.out);
    // The fault is only in the shaders of one backend.
    let broken = pair(&["--inject-fault=conv2d_depthwise_row"]);
    assert_eq!(broken.code, 1, "{}", broken.err);
    let message = format!(" and {} is '", last.name());
    assert!(says(&broken.out, &message), "{}", broken.out);
    assert!(
        broken.out.contains("conv2d_depthwise_row"),
        "{}",
        broken.out
    );
}
