//! `shadernet plan`.

use serde_json::Value;

use crate::devices::backends;
use crate::support::{CommandOutput, execute, shadernet, small_model};

/// A plan for WebGPU's default limits, which is the same on every machine.
fn plan(arguments: &[&str]) -> CommandOutput {
    let mut command = shadernet();
    command
        .args(["plan", "--limits", "default"])
        .args(arguments);
    execute(&mut command)
}

fn verdict<'a>(object: &'a Value, backend: &str) -> &'a Value {
    let limits = object["limits"].as_array().unwrap();
    (limits.iter().find(|limits| limits["backend"] == backend)).unwrap()
}

#[test]
fn the_table_has_steps_totals_and_limits() {
    let text = plan(&["resnet18"]).ok().out;
    for part in [
        "resnet18 for WebGPU's default limits, assumed",
        "Conv2d + norm + residual + ReLU",
        "winograd_input (winograd-4)",
        "Winograd costs ",
        "no Winograd: stride 2x2",
        "16 tiles, fewer than 32",
        "selection reason",
        "fusions not applied\n  none\n",
        "peak memory",
        "lower bound",
        "WebGPU's default limits (assumed)",
    ] {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
    // Every reason why a fusion was not applied, with the nodes of one reason together.
    let text = plan(&["densenet121"]).ok().out;
    let reason = "norms: its input '…' (Concat) has no weights to fold it into; \
                  it became a prologue instead: ";
    assert_eq!(text.matches(reason).count(), 1, "{text}");
    assert!(text.contains(" and 55 more\n"), "{text}");
    let text = plan(&["resnet18", "--no-optimize"]).ok().out;
    assert!(text.contains("  passes skipped: identities, "), "{text}");
    let text = plan(&["resnet18", "--without-pass", "residuals"]).ok().out;
    assert!(text.contains("  passes skipped: residuals\n"), "{text}");
}

#[test]
fn json_is_one_object() {
    let lines = plan(&["resnet18", "--batch=2", "--json"]).ok().json();
    let [object] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(object["network"], "resnet18");
    assert_eq!(object["inputs"][0], serde_json::json!([2, 3, 224, 224]));
    assert_eq!(object["outputs"][0], serde_json::json!([2, 1000]));
    assert_eq!(verdict(object, "assumed")["broken"], serde_json::json!([]));
    let number = |key: &str| object[key].as_u64().unwrap();
    assert!(number("lower_bound_bytes") <= number("activation_bytes"));
    let parts = ["weight_bytes", "activation_bytes", "workspace_bytes"].map(number);
    let parts = parts.iter().sum::<u64>() + number("input_output_bytes");
    assert_eq!(number("peak_bytes"), parts);
    let nodes = object["nodes"].as_array().unwrap();
    for step in object["steps"].as_array().unwrap() {
        let node = &nodes[step["node"].as_u64().unwrap() as usize];
        assert_eq!(node["name"], step["name"]);
        assert!(!step["why"].as_str().unwrap().is_empty(), "{step}");
    }
    let half = plan(&["resnet18", "--batch=2", "--precision=f16", "--json"]).ok();
    let half = half.json()[0]["activation_bytes"].as_u64().unwrap();
    assert!(half < number("activation_bytes"));
    // A folder at its own input size and at another.
    let folder = small_model().to_str().unwrap();
    let own = plan(&[folder, "--json"]).ok().json();
    assert_eq!(own[0]["inputs"][0], serde_json::json!([1, 3, 64, 64]));
    let other = plan(&[folder, "--input=3x96x64", "--json"]).ok().json();
    assert_eq!(other[0]["inputs"][0], serde_json::json!([1, 3, 96, 64]));
}

#[test]
fn dot_has_one_box_per_node_and_one_edge_per_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.dot");
    let path_text = path.to_str().unwrap();
    plan(&["resnet18", "--dot", path_text]).ok();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("digraph \"resnet18\" {\n") && text.ends_with("}\n"));
    assert!(text.contains("layer1.0.conv2\\lConv2d\\l+ norm layer1.0.bn2\\l"));
    assert!(text.contains("\\l+ residual maxpool\\l+ activation ReLU\\l"));
    // The input, 20 convolutions, two poolings, the flattening, the classifier.
    assert_eq!(
        text.matches("  n").count() - 1 - text.matches(" -> ").count(),
        25
    );
    // One edge per node but the input, one more for each of 8 residuals, and the output.
    assert_eq!(text.matches(" -> ").count(), 24 + 8 + 1);
    assert!(text.contains("label=\"[1, 64, 56, 56]\", style=bold"));
    // No temporary file is left.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let missing = folder.path().join("no/such/plan.dot");
    plan(&["resnet18", "--dot", missing.to_str().unwrap()]).fails(&["no/such/plan.dot"]);
}

#[test]
fn plans_are_made_for_the_selected_adapter() {
    for backend in backends().iter().map(|backend| backend.name()) {
        let mut command = shadernet();
        command.args(["plan", "resnet18", "--json", "--backend", backend]);
        let object = &execute(&mut command).ok().json()[0];
        assert!(object["device"].as_str().unwrap().contains(backend));
        assert_eq!(object["broken"], verdict(object, backend)["broken"]);
    }

    // The reference backend has no plan.
    let mut command = shadernet();
    command.args(["plan", "mlp", "--backend=reference"]);
    let without = execute(&mut command)
        .ok()
        .says(&["the reference backend on the CPU has none; WebGPU's default limits are assumed"]);
    assert!(
        without
            .out
            .starts_with("mlp for WebGPU's default limits, assumed")
    );
}

#[cfg(target_os = "linux")]
#[test]
fn plan_needs_no_driver() {
    let without = |arguments: &[&str]| {
        let mut command = shadernet();
        command.args(["plan", "resnet18", "--json"]).args(arguments);
        for name in [
            "VK_DRIVER_FILES",
            "VK_ICD_FILENAMES",
            "__EGL_VENDOR_LIBRARY_FILENAMES",
        ] {
            command.env(name, "/nonexistent");
        }
        execute(&mut command)
    };
    let assumed = without(&["--limits=default"]).ok();
    assert_eq!(assumed.err, "");
    assert_eq!(assumed.json()[0]["limits"].as_array().unwrap().len(), 1);
    // What would run is planned.
    let of_cpu = without(&[]).ok().says(&["running on the CPU ("]);
    let cpu = without(&["--backend=cpu"]).ok();
    assert_eq!(cpu.err, "");
    assert_eq!(of_cpu.json(), cpu.json());
    without(&["--limits=adapter"]).fails(&["--limits adapter plans for a GPU", "the CPU ("]);
    without(&["--backend=vulkan"]).fails(&["matches backend vulkan"]);
}

/// The plan of a network for the CPU.
fn cpu_plan(arguments: &[&str]) -> CommandOutput {
    let mut command = shadernet();
    command.args(["plan", "--backend=cpu", "--threads=2"]);
    execute(command.args(arguments)).ok()
}

#[test]
fn a_plan_for_the_cpu_has_its_kernels() {
    let folder = tempfile::tempdir().unwrap();
    let dot = folder.path().join("plan.dot");
    let text = cpu_plan(&["resnet18", "--dot", dot.to_str().unwrap()]).out;
    for part in [
        "resnet18 for the CPU (",
        "2 threads)",
        "Conv2d + norm + residual + ReLU",
        "implicit_gemm rows",
        "winograd 4x4",
        "Winograd costs ",
        "no Winograd: stride 2x2",
        "the only kernel of this operator",
        "no fast kernel: none\n",
        "fusions not applied\n  none\n",
        "steps ",
        "peak memory",
    ] {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
    for part in ["dispatches", "pipelines", "cannot run there"] {
        assert!(!text.contains(part), "'{part}' is in: {text}");
    }
    let dot = std::fs::read_to_string(dot).unwrap();
    assert!(dot.contains("\\lwinograd 4x4\\l"), "{dot}");

    let half = ["resnet18", "--precision=f16", "--json"];
    let half = cpu_plan(&half).says(&["computes in float32"]).json();
    let lines = cpu_plan(&["resnet18", "--json"]).json();
    assert_eq!(half, lines);
    let [object] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(
        (&object["precision"], &object["pipelines"]),
        (&"f32".into(), &0.into())
    );
    assert_eq!(object["no_fast_kernel"], serde_json::json!([]));
    let number = |key: &str| object[key].as_u64().unwrap();
    assert!(number("lower_bound_bytes") <= number("activation_bytes"));
    // Winograd's weights take more than the parameters.
    assert!(number("weight_bytes") > 46_000_000 && number("workspace_bytes") > 0);
    for step in object["steps"].as_array().unwrap() {
        assert!(step["shader"].is_null(), "{step}");
        assert!(!step["kernel"].as_str().unwrap().is_empty(), "{step}");
        assert!(!step["why"].as_str().unwrap().is_empty(), "{step}");
    }
}

#[test]
fn nodes_without_a_fast_kernel_are_named() {
    let text = cpu_plan(&["alexnet_paper"]).out;
    assert!(text.contains("no fast kernel: "), "{text}");
    let object = &cpu_plan(&["alexnet_paper", "--json"]).json()[0];
    let names = object["no_fast_kernel"].as_array().unwrap();
    assert!(!names.is_empty());
    let steps = object["steps"].as_array().unwrap();
    let by_reference = steps.iter().filter(|step| step["kernel"] == "reference");
    let by_reference: Vec<&Value> = by_reference.map(|step| &step["name"]).collect();
    assert_eq!(by_reference, names.iter().collect::<Vec<_>>());
    assert!(text.contains(names[0].as_str().unwrap()), "{text}");
}

/// All nodes, each with the size it needs and the limit. The plan ignores the limits.
#[test]
fn every_node_that_exceeds_a_limit_is_listed() {
    let large = ["unet", "--input=3x4096x4096"];
    let text = plan(&large).ok().out;
    let line = "the output [1, 64, 4096, 4096] of 'inc.double_conv.0' needs 4,294,967,296 bytes; \
                max_storage_buffer_binding_size allows 134,217,728";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("The network cannot run there"), "{text}");
    assert!(text.contains("of 'outc.conv' needs"), "{text}");
    let object = &plan(&[&large[..], &["--json"]].concat()).ok().json()[0];
    let broken = object["broken"].as_array().unwrap();
    assert!(broken.len() > 20, "{}", broken.len());
    assert_eq!(&verdict(object, "assumed")["broken"], &object["broken"]);
    for broken in broken {
        assert!(broken["needed"].as_u64() > broken["allowed"].as_u64());
    }
    assert!(object["steps"].as_array().unwrap().len() > 20);
}

#[test]
fn invalid_arguments_are_errors() {
    plan(&["resnet81"]).fails(&["resnet81", "resnet18"]);
    plan(&["no/such/folder"]).fails(&["no/such/folder"]);
    plan(&["darknet19", "--input=3x8x8"]).fails(&["layers."]);
    plan(&["unet", "--batch=100000"]).fails(&["give a smaller batch"]);
    plan(&["mlp", "--tuning=tuned.txt"])
        .ok()
        .says(&["tuned kernels are not used"]);
    for wrong in [
        ["mlp", "--limits=mine"],
        ["mlp", "--without-pass=norm"],
        ["mlp", "--precision=f8"],
        ["mlp", "--batch=0"],
        ["mlp", "--adapter=llvmpipe"],
    ] {
        assert_eq!(plan(&wrong).code, 2, "{wrong:?}");
    }
}
