//! Drivers that crash while their adapters are listed: only their own backend is lost.

use serde_json::Value;
use shadernet::gpu::Backend;

use crate::devices::backends;
use crate::support::{execute, shadernet};

/// A command where the driver of `backend` crashes when it is asked for its adapters.
fn crashing(backend: Backend, args: &[&str]) -> std::process::Command {
    let mut command = shadernet();
    command.env("SHADERNET_TEST_CRASH", backend.name());
    command.args(args);
    command
}

fn of_backend(lines: &[Value], backend: Backend) -> Vec<&Value> {
    let of = lines
        .iter()
        .filter(|line| line["backend"] == backend.name());
    of.collect()
}

#[test]
fn devices_lists_the_others_where_a_driver_crashes() {
    for broken in backends() {
        let run = execute(&mut crashing(broken, &["devices", "--json"]));
        assert_eq!(run.code, 1, "{}", run.err);
        let lines = run.json();
        let [row] = of_backend(&lines, broken)[..] else {
            panic!("{lines:?}");
        };
        assert_eq!(row["kind"], "none");
        let error = row["error"].as_str().unwrap();
        assert!(
            error.contains("its adapters could not be listed: its process died ("),
            "{error}"
        );
        #[cfg(unix)]
        assert!(error.contains("SIGABRT"), "{error}");
        for other in backends().into_iter().filter(|&other| other != broken) {
            let rows = of_backend(&lines, other);
            assert!(!rows.is_empty(), "{lines:?}");
            assert!(rows.iter().all(|row| row["error"].is_null()), "{rows:?}");
        }
        let cpu = lines.last().unwrap();
        assert_eq!(cpu["backend"], "cpu");

        let text = execute(&mut crashing(broken, &["devices"]));
        assert_eq!(text.code, 1, "{}", text.err);
        let line = format!("  {}\n    error      its adapters", broken.name());
        assert!(text.out.contains(&line), "{}", text.out);
        // Nothing is chosen in place of a device that cannot be opened.
        let has_default = lines.iter().any(|line| line["default"] == true);
        assert_eq!(run.err.contains("no default device"), !has_default);
        if broken == Backend::Vulkan {
            assert!(!has_default);
            run.says(&["its process died", "WGPU_BACKEND"]);
        }
    }
}

/// The adapters are still listed where the driver has only failed to open one.
#[test]
fn a_crash_while_an_adapter_is_opened_is_a_line_of_its_own() {
    let broken = backends()[0];
    let mut command = shadernet();
    command.env("SHADERNET_TEST_CRASH_OPENING", broken.name());
    let run = execute(command.args(["devices", "--json"]));
    assert_eq!(run.code, 1, "{}", run.err);
    let lines = run.json();
    let rows = of_backend(&lines, broken);
    let (error, listed) = rows.split_last().unwrap();
    assert!(!listed.is_empty(), "{lines:?}");
    assert!(listed.iter().all(|row| row["kind"] != "none"), "{rows:?}");
    assert_eq!(error["kind"], "none");
    let error = error["error"].as_str().unwrap();
    assert!(
        error.contains("opening its adapters failed: its process died ("),
        "{error}"
    );
    for other in backends().into_iter().filter(|&other| other != broken) {
        assert!(!of_backend(&lines, other).is_empty(), "{lines:?}");
    }
}

#[test]
fn doctor_checks_the_others_where_a_driver_crashes() {
    let broken = backends()[0];
    let report = tempfile::tempdir().unwrap();
    let report = report.path().join("doctor.md");
    let mut command = crashing(broken, &["doctor", "--quick", "--json", "--report"]);
    let run = execute(command.arg(&report));
    assert_eq!(run.code, 1, "{}", run.err);
    let lines = run.json();
    let [failed] = of_backend(&lines, broken)[..] else {
        panic!("{lines:?}");
    };
    let reason = failed["failed"].as_str().unwrap();
    assert!(reason.contains("its process died ("), "{reason}");
    for other in backends().into_iter().filter(|&other| other != broken) {
        let lines = of_backend(&lines, other);
        assert!(!lines.is_empty());
        assert!(lines.iter().all(|line| line["kernels"].is_array()));
    }
    assert_eq!(lines.last().unwrap()["backend"], "cpu");
    let text = std::fs::read_to_string(&report).unwrap();
    assert!(text.contains("WRONG"), "{text}");
    assert!(text.contains("its process died ("), "{text}");
}

#[test]
fn benchmarks_of_all_adapters_say_which_backend_crashed() {
    let broken = backends()[0];
    let args = [
        "bench",
        "kernels",
        "--all",
        "--filter=relu",
        "--time-limit=2",
    ];
    let run = execute(&mut crashing(broken, &args));
    assert_eq!(run.code, 1, "{}", run.err);
    let said = run.out + &run.err;
    assert!(said.contains("could not be listed"), "{said}");
}

/// `--all` names what there is no adapter of, which is no error.
#[cfg(target_os = "linux")]
#[test]
fn devices_names_backends_without_adapters() {
    let without = |args: &[&str]| {
        let mut command = shadernet();
        for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
            command.env(name, "/nonexistent");
        }
        execute(command.args(args)).ok().json()
    };
    let lines = without(&["devices", "--json"]);
    assert!(of_backend(&lines, Backend::Vulkan).is_empty());
    let lines = without(&["devices", "--json", "--all"]);
    let [row] = of_backend(&lines, Backend::Vulkan)[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(
        (&row["kind"], &row["error"]),
        (&"none".into(), &"it has no adapter".into())
    );
}
