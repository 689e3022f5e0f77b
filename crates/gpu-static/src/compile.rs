//! Compiles all forms of all shaders for a family, in this process.

use shadernet::gpu::{Precision, SHADERS, Shader};
use shadernet::internals::forms;

use crate::error::Error;
use crate::null_device::NullDevice;
use crate::row::{Row, form_text};
use crate::spirv::Source;

/// Shaders that need cooperative matrices.
fn needs_matrices(shader: &Shader) -> bool {
    shader.name == "conv2d_cooperative"
}

/// The rows of `family`, of the shaders whose names contain `part`.
///
/// # Errors
/// Where there is no null device of the family, or a shader does not compile.
pub fn compile(family: &str, part: &str) -> Result<Vec<Row>, Error> {
    let device = NullDevice::open()?;
    let mut rows = Vec::new();
    for shader in SHADERS.iter().filter(|shader| shader.name.contains(part)) {
        if needs_matrices(shader) && !device.has_cooperative_matrices {
            continue;
        }
        for precision in [Precision::F32, Precision::F16] {
            if needs_matrices(shader) && precision == Precision::F32 {
                continue;
            }
            let source = Source::new(shader, precision)?;
            for constants in forms(shader) {
                let form = form_text(precision, &constants);
                let name = format!("{} {form}", shader.name);
                let compiled =
                    device.compile(&source.spirv(&name, &constants)?, shader.bindings)?;
                rows.push(Row::new(family, shader, form, &compiled));
            }
        }
    }
    Ok(rows)
}

/// The machine code of one form of a shader.
///
/// # Errors
/// As [`compile`], and where there is no such shader or form.
pub fn assembly(name: &str, form: &str) -> Result<String, Error> {
    let device = NullDevice::open()?;
    let shader = SHADERS.iter().find(|shader| shader.name == name);
    let shader = shader.ok_or_else(|| Error::UnknownShader(name.to_owned()))?;
    for precision in [Precision::F32, Precision::F16] {
        for constants in forms(shader) {
            if form_text(precision, &constants) == form {
                let spirv = Source::new(shader, precision)?.spirv(name, &constants)?;
                return Ok(device.compile(&spirv, shader.bindings)?.assembly);
            }
        }
    }
    let of = |precision| {
        forms(shader)
            .into_iter()
            .map(move |it| form_text(precision, &it))
    };
    let known = of(Precision::F32).chain(of(Precision::F16)).collect();
    Err(Error::UnknownForm {
        name: name.to_owned(),
        form: form.to_owned(),
        known,
    })
}
