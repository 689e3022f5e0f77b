//! `shadernet devices`, and selecting devices on the command line.

use shadernet::gpu::Backend;

use crate::devices::backends;
use crate::support::{chelsea, classify, execute, execute_with_input, shadernet, small_model};

#[test]
fn devices_lists_the_backends_under_test() {
    let lines = execute(shadernet().args(["devices", "--json"])).ok().json();
    let listed: Vec<&str> = (lines.iter())
        .map(|line| line["backend"].as_str().unwrap())
        .collect();
    for backend in backends() {
        assert!(listed.contains(&backend.name()), "{listed:?}");
    }
    assert_eq!(listed.last(), Some(&"cpu"));
    assert_eq!(
        lines.iter().filter(|line| line["default"] == true).count(),
        1
    );
    for line in &lines {
        assert!(line["features"].is_array(), "{line}");
        for key in ["name", "driver", "kind"] {
            assert!(line[key].is_string(), "{line}");
        }
        assert_eq!(line["threads"].is_u64(), line["backend"] == "cpu", "{line}");
        for key in [
            "max_storage_buffer_binding_size",
            "max_buffer_size",
            "max_compute_workgroup_storage_size",
            "max_compute_invocations_per_workgroup",
        ] {
            // The CPU has no such limits, but threads.
            let limit = line[key].as_u64().unwrap_or_default();
            assert_eq!(limit > 0, line["backend"] != "cpu", "{line}");
        }
    }

    let text = execute(shadernet().arg("devices")).ok().out;
    for line in &lines {
        assert!(text.contains(line["name"].as_str().unwrap()), "{text}");
        assert!(text.contains(line["driver"].as_str().unwrap()), "{text}");
    }
    assert_eq!(
        text.matches("\n* ").count() + usize::from(text.starts_with("* ")),
        2
    );
    // All lines fit a terminal, except for names, which come from the driver.
    for line in text.lines().filter(|line| line.starts_with("    ")) {
        assert!(line.contains("driver") || line.len() <= 80, "{line}");
    }
}

#[test]
fn every_backend_finds_the_same_class() {
    for backend in backends()
        .iter()
        .chain([&Backend::Cpu, &Backend::Reference])
    {
        let mut command = shadernet();
        command.args(["classify", "--json", "--top", "1", &chelsea()]);
        let run = execute(command.args(["--backend", backend.name()])).ok();
        assert_eq!(run.json()[0]["predictions"][0]["class"], 282);
        // The summary says which device it was.
        let device = match backend {
            Backend::Cpu => "on the CPU (".to_owned(),
            Backend::Reference => "on the reference backend on the CPU".to_owned(),
            backend => format!("({}", backend.name()),
        };
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
        run.says(&["1 image in ", &device]);
    }
}

#[test]
fn missing_devices_are_errors_that_list_the_available_ones() {
    let run = |args: &[&str]| {
        let mut command = shadernet();
        execute(command.args(["classify", &chelsea()]).args(args))
    };
    let other = match std::env::consts::OS {
        "macos" => "dx12",
        _ => "metal",
    };
    let os = std::env::consts::OS;
    run(&["--backend", other]).fails(&[
        &format!("no GPU adapter matches backend {other}; found: "),
        &format!("there is no such backend on {os}"),
    ]);
    run(&["--adapter", "nonsense"]).fails(&["a name that contains 'nonsense'; found: "]);
    for backend in ["cpu", "reference"] {
        let reason = format!("the {backend} backend has no adapters");
        run(&["--backend", backend, "--adapter", "x"]).fails(&[&reason]);
    }

    let mut command = shadernet();
    command.env("WGPU_ADAPTER_NAME", "nonsense");
    execute(command.args(["classify", &chelsea()])).fails(&["'nonsense'"]);
    let mut command = shadernet();
    command.env("WGPU_BACKEND", "vulcan");
    execute(command.args(["classify", &chelsea()])).fails(&[
        "no GPU adapter matches WGPU_BACKEND=vulcan; found: ",
        "the backends are vulkan, metal, dx12 and gl",
    ]);
    let mut command = shadernet();
    command.env("WGPU_ADAPTER_NAME", "nonsense");
    let list = execute(command.args(["devices", "--json"]));
    assert_eq!(list.code, 1);
    assert!(list.json().iter().all(|line| line["default"] == false));
    list.says(&["'nonsense'"]);
}

/// The batch exceeds the maximum size of a binding. It is rejected before any image is read.
#[test]
fn a_batch_beyond_the_devices_limit_is_an_error_with_node_and_advice() {
    let backend = backends()[0].name();
    let lines = execute(shadernet().args(["devices", "--json"])).ok().json();
    let device = lines.iter().find(|line| line["backend"] == backend);
    let limit = &device.unwrap()["max_storage_buffer_binding_size"];
    // The output of conv1 for one image: 64 maps of 32x32.
    let batch = limit.as_u64().unwrap() / (64 * 32 * 32 * 4) + 1;
    let mut command = shadernet();
    command.args(["classify", "-", "--backend", backend, "--model"]);
    command
        .arg(small_model())
        .args(["--batch", &batch.to_string()]);
    execute_with_input(&mut command, b"nothing of this is read\n").fails(&[
        &format!("the output [{batch}, 64, 32, 32] of '"),
        &format!("allows {limit} (max_storage_buffer_binding_size)"),
        "use a smaller image or batch",
    ]);
}

#[test]
fn the_cpu_computes_with_as_many_threads_as_are_asked_for() {
    let classify = |args: &[&str]| {
        let mut command = shadernet();
        execute(command.args(["classify", &chelsea()]).args(args))
    };
    let cpu = ["--backend=cpu", "--threads=1"];
    let run = classify(&cpu).ok();
    assert!(run.err.trim_end().ends_with("1 thread)"), "{}", run.err);
    classify(&["--backend=cpu", "--threads=3"])
        .ok()
        .says(&["3 threads)"]);
    // What ignores the number refuses it.
    for backend in [backends()[0].name(), "reference"] {
        classify(&["--backend", backend, "--threads=2"]).fails(&[
            "--threads 2 is for the cpu backend",
            "add --backend cpu, or leave --threads out",
        ]);
    }
    for threads in ["--threads=0", "--threads=2000", "--threads=two"] {
        let run = classify(&["--backend=cpu", threads]);
        assert_eq!(run.code, 2, "{}", run.err);
        assert!(run.err.contains("from 1 to 1024"), "{}", run.err);
    }
    let doctor = execute(shadernet().args(["doctor", "--threads=2"]));
    assert_eq!(doctor.code, 2, "{}", doctor.err);
}

/// Software adapters are skipped, unless they are asked for; hardware comes before the CPU.
#[test]
fn software_runs_only_where_it_is_asked_for() {
    if !backends().contains(&Backend::Vulkan) {
        return;
    }
    let with = |variable: Option<(&str, &str)>| {
        let mut command = shadernet();
        command.envs(variable);
        let run = execute(command.args(["classify", "--json", &chelsea()])).ok();
        assert_eq!(run.json()[0]["predictions"][0]["class"], 282);
        run
    };
    with(Some(("WGPU_BACKEND", "vulkan"))).says(&["(vulkan"]);
    with(Some(("SHADERNET_TEST_HARDWARE", "vulkan"))).says(&["(vulkan"]);
    let lines = execute(shadernet().args(["devices", "--json"])).ok().json();
    let is_hardware =
        |line: &serde_json::Value| line["kind"] != "software" && line["kind"] != "cpu";
    if !lines.iter().any(is_hardware) {
        let run = with(None).says(&["running on the CPU (", "slower software", "on the CPU ("]);
        assert_eq!(run.err.lines().count(), 2, "{}", run.err);
        assert_eq!(lines.last().unwrap()["default"], true);
    }
}

/// Without a Vulkan driver, as on a new machine; with and without software OpenGL.
#[cfg(target_os = "linux")]
#[test]
fn without_a_driver_the_cpu_runs_and_a_warning_says_so() {
    for opengl in [true, false] {
        let without = |command: &mut std::process::Command| {
            for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
                command.env(name, "/nonexistent");
            }
            if !opengl {
                command.env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent");
            }
            // Only software OpenGL, which every machine has.
            command.env("LIBGL_ALWAYS_SOFTWARE", "1");
            execute(command)
        };
        let run = without(shadernet().args(["classify", "--json", &chelsea()])).ok();
        assert_eq!(run.json()[0]["predictions"][0]["class"], 282);
        assert_eq!(run.err.lines().count(), 2, "{}", run.err);
        let run = run.says(&[
            "running on the CPU (",
            "no GPU was found",
            "if this machine has a GPU, install its Vulkan driver",
            "apt-get install mesa-vulkan-drivers",
            "images/s, on the CPU",
        ]);
        assert_eq!(run.err.contains("slower software"), opengl, "{}", run.err);

        let lines = without(shadernet().args(["devices", "--json"])).ok().json();
        assert_eq!(lines.len(), 1 + usize::from(opengl));
        let cpu = lines.last().unwrap();
        assert_eq!(
            (&cpu["backend"], &cpu["default"]),
            (&"cpu".into(), &true.into())
        );
        // A backend given by name has no fallback.
        let refused = without(shadernet().args(["classify", "--backend", "vulkan", &chelsea()]));
        refused.fails(&[
            "matches backend vulkan",
            "apt-get install mesa-vulkan-drivers",
        ]);
    }
}

/// In containers and over SSH, libwayland would print an error.
#[cfg(target_os = "linux")]
#[test]
fn a_missing_display_prints_no_error() {
    let mut command = shadernet();
    for name in ["XDG_RUNTIME_DIR", "WAYLAND_DISPLAY", "DISPLAY"] {
        command.env_remove(name);
    }
    assert_eq!(execute(command.arg("devices")).ok().err, "");
    assert!(
        execute(classify().arg(chelsea()))
            .ok()
            .err
            .starts_with("1 image")
    );
}

/// The driver of a backend refuses: more is requested of it than it has.
#[test]
fn the_next_adapter_runs_where_the_best_cannot_be_opened() {
    if !(backends().contains(&Backend::Vulkan) && backends().contains(&Backend::Gl)) {
        return;
    }
    let refusing = |args: &[&str]| {
        let mut command = shadernet();
        command.env("SHADERNET_TEST_REFUSE", "vulkan");
        command.env("SHADERNET_TEST_HARDWARE", "vulkan").args(args);
        command
    };
    let image = chelsea();
    // Software is not worth it unless it is asked for.
    let mut command = refusing(&["classify", &image]);
    let run = execute(&mut command).ok();
    run.says(&[
        "running on the CPU (",
        "a better adapter cannot be opened",
        "on the CPU",
    ]);
    let mut command = refusing(&["classify", &image]);
    let run = execute(command.env("WGPU_BACKEND", "vulkan,gl")).ok();
    run.says(&["a better adapter cannot be opened", "(gl"]);
    // One that is asked for is not replaced.
    let mut command = refusing(&["classify", &image, "--backend", "vulkan"]);
    let run = execute(&mut command).fails(&["max_bind_groups"]);
    assert!(!run.err.contains("images/s"), "{}", run.err);

    let rows = execute(&mut refusing(&["devices", "--json"])).ok().json();
    for row in &rows {
        let error = row["error"].as_str().unwrap_or_default();
        let is_refused = row["backend"] == "vulkan";
        assert_eq!(error.contains("max_bind_groups"), is_refused, "{row}");
    }
    let defaults = rows.iter().filter(|row| row["default"] == true);
    let defaults: Vec<&str> = defaults
        .map(|row| row["backend"].as_str().unwrap())
        .collect();
    assert_eq!(defaults, ["cpu"]);
    let text = execute(&mut refusing(&["devices"])).ok().out;
    assert!(text.contains("max_bind_groups"), "{text}");
}
