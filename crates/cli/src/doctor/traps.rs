//! What backends and drivers have that costs users time without an error: notes in the results of a device.

use serde_json::{Value, json};
use shadernet::Result;
use shadernet::device::Device;
use shadernet::gpu::{Gpu, MatrixCheck, ShaderCompiler};
use shadernet::session::{Session, SessionOptions};

use crate::bench::text;
use crate::resolve_model::Network;

/// What compiles shaders on Direct3D 12, and what to do about it; null on other backends.
pub fn shader_compiler(gpu: &Gpu) -> Value {
    gpu.shader_compiler().map_or(Value::Null, compiler)
}

fn compiler(compiler: ShaderCompiler) -> Value {
    json!({"name": compiler.name(), "advice": compiler.advice()})
}

/// How many pipelines `network` needs on `gpu`, and how long compiling them takes. Call it before anything else
/// compiles there.
pub fn pipelines(gpu: &Gpu, network: &Network) -> Result<Value> {
    let device = Device::from(gpu.clone());
    let before = gpu.compiled_pipelines();
    let (options, weights) = (SessionOptions::default(), network.weights()?);
    let session = Session::new(&device, &network.graph, weights, &options, &network.inputs);
    let after = gpu.compiled_pipelines();
    // Where the network does not run there, its comparison says why.
    Ok(session.map_or(Value::Null, |_| {
        json!({
            "network": network.graph.name(),
            "count": after.count - before.count,
            "compile_ms": (after.time - before.time).as_secs_f64() * 1e3,
            "cached": gpu.has_pipeline_cache(),
        })
    }))
}

/// Whether the device's cooperative matrices are offered and correct, as far as this process knows: null where they
/// are offered and it was not opened with them.
pub fn matrices(gpu: &Gpu) -> Value {
    match gpu.check_cooperative_matrices() {
        MatrixCheck::NotUsed => Value::Null,
        MatrixCheck::NotOffered => json!({"status": "not offered"}),
        MatrixCheck::Verified => json!({"status": "verified"}),
        MatrixCheck::Wrong(reason) => wrong_matrices(&reason),
    }
}

/// Cooperative matrices that are wrong, or whose check has not ended.
pub fn wrong_matrices(reason: &str) -> Value {
    json!({"status": "wrong", "reason": reason})
}

/// The fault of a device whose cooperative matrices are wrong.
pub fn matrix_fault(results: &Value) -> Option<String> {
    let matrices = &results["cooperative_matrices"];
    (matrices["status"] == "wrong").then(|| {
        format!(
            "the driver offers cooperative matrices, but {}",
            text(matrices, "reason")
        )
    })
}

fn matrices_note(matrices: &Value) -> Option<String> {
    let status = match matrices["status"].as_str()? {
        "verified" => "offered and verified; --cooperative-matrices uses them in float16",
        "wrong" => "offered and WRONG; they are not used",
        _ => "not offered",
    };
    Some(format!("cooperative matrices: {status}"))
}

/// The notes in a device's results, one line each.
pub fn notes(results: &Value) -> Vec<String> {
    [
        compiler_note(&results["shader_compiler"]),
        pipelines_note(&results["pipelines"], text(results, "backend")),
        matrices_note(&results["cooperative_matrices"]),
        units_note(results),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What every start costs where pipelines are not kept.
fn pipelines_note(pipelines: &Value, backend: &str) -> Option<String> {
    let count = pipelines["count"].as_u64()?;
    if pipelines["cached"] != false {
        return None;
    }
    let seconds = pipelines["compile_ms"].as_f64()? / 1e3;
    let reason = match backend {
        "vulkan" => "no folder for compiled pipelines is in use".to_owned(),
        backend => format!("wgpu has no pipeline cache on {backend}"),
    };
    Some(format!(
        "{} needs {count} pipelines, compiled in {seconds:.2} s at this start, and again at every other: {reason}",
        text(pipelines, "network")
    ))
}

/// The number of compute units by which kernels are selected. `assumed` where it could not be measured.
fn units_note(results: &Value) -> Option<String> {
    let number = results["compute_units"].as_u64()?;
    let origin = text(results, "compute_units_origin");
    Some(format!(
        "kernels are selected for {number} compute units, {origin}"
    ))
}

fn compiler_note(compiler: &Value) -> Option<String> {
    let name = compiler["name"].as_str()?;
    Some(match text(compiler, "advice") {
        "" => format!("shaders are compiled by {name}"),
        advice => format!("shaders are compiled by {name}: {advice}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_start_is_named_where_nothing_is_cached() {
        let notes = |backend: &str, cached: bool| {
            let pipelines =
                json!({"network": "net", "count": 21, "compile_ms": 1234.5, "cached": cached});
            notes(&json!({"backend": backend, "pipelines": pipelines}))
        };
        for backend in ["metal", "dx12", "gl"] {
            let expected = format!(
                "net needs 21 pipelines, compiled in 1.23 s at this start, and again at every other: wgpu has no \
                 pipeline cache on {backend}"
            );
            assert_eq!(notes(backend, false), [expected]);
        }
        assert!(notes("vulkan", true).is_empty());
        assert!(notes("vulkan", false)[0].contains("no folder"));
        assert!(super::notes(&json!({"backend": "cpu"})).is_empty());
    }

    #[test]
    fn compute_units_are_named_where_kernels_are_selected_by_them() {
        let results = json!({"compute_units": 84, "compute_units_origin": "measured"});
        let note = "kernels are selected for 84 compute units, measured";
        assert_eq!(notes(&results), [note]);
        assert!(notes(&json!({"compute_units": null})).is_empty());
    }

    #[test]
    fn matrices_have_one_of_three_states() {
        let results = |matrices: Value| json!({"cooperative_matrices": matrices});
        for (status, note) in [
            ("not offered", "cooperative matrices: not offered"),
            ("verified", "cooperative matrices: offered and verified; "),
        ] {
            let results = results(json!({"status": status}));
            assert!(notes(&results)[0].starts_with(note));
            assert_eq!(matrix_fault(&results), None);
        }
        let wrong = results(wrong_matrices("found 15"));
        let note = "cooperative matrices: offered and WRONG; they are not used";
        assert_eq!(notes(&wrong), [note]);
        let fault = "the driver offers cooperative matrices, but found 15";
        assert_eq!(matrix_fault(&wrong).as_deref(), Some(fault));
    }

    #[test]
    fn fxc_is_named_with_what_to_do() {
        let notes = |it| notes(&json!({"shader_compiler": compiler(it)}));
        let [fxc] = &notes(ShaderCompiler::Fxc)[..] else {
            panic!("one line was expected");
        };
        assert!(fxc.starts_with("shaders are compiled by fxc: "), "{fxc}");
        assert!(fxc.contains("static-dxc"), "{fxc}");
        assert_eq!(notes(ShaderCompiler::Dxc), ["shaders are compiled by dxc"]);
        assert!(super::notes(&json!({"shader_compiler": null})).is_empty());
    }
}
