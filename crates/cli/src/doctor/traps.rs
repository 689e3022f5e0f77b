//! What backends and drivers have that costs users time without an error: notes in the results of a device.

use serde_json::{Value, json};
use shadernet::gpu::{Gpu, ShaderCompiler};

use crate::bench::text;

/// What compiles shaders on Direct3D 12, and what to do about it; null on other backends.
pub fn shader_compiler(gpu: &Gpu) -> Value {
    gpu.shader_compiler().map_or(Value::Null, compiler)
}

fn compiler(compiler: ShaderCompiler) -> Value {
    json!({"name": compiler.name(), "advice": compiler.advice()})
}

/// The notes in a device's results, one line each.
pub fn notes(results: &Value) -> Vec<String> {
    compiler_note(&results["shader_compiler"])
        .into_iter()
        .collect()
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
