//! Compiles pipelines for the family of this process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::error::Error;
use crate::module::Module;
use crate::null_device::{Compiled, NullDevice};
use crate::pipeline::Pipeline;
use crate::row::Row;
use crate::spirv::Source;

/// The rows of `pipelines`. Those that need cooperative matrices are left out where the family has none.
///
/// # Errors
/// Where there is no null device of the family, or a shader does not compile.
pub fn rows(family: &str, pipelines: &[Pipeline]) -> Result<Vec<Row>, Error> {
    let device = NullDevice::open()?;
    let mut sources = HashMap::new();
    let mut rows = Vec::with_capacity(pipelines.len());
    for pipeline in pipelines {
        if pipeline.needs_matrices() && !device.has_cooperative_matrices {
            continue;
        }
        let source = match sources.entry((pipeline.shader.as_str(), pipeline.half)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                entry.insert(Source::new(pipeline.shader()?, pipeline.precision())?)
            }
        };
        let (compiled, invocations) = compile(&device, source, pipeline)?;
        rows.push(Row::new(family, pipeline.key(), invocations, &compiled));
    }
    Ok(rows)
}

/// The machine code of a pipeline.
///
/// # Errors
/// As [`rows`].
pub fn assembly(pipeline: &Pipeline) -> Result<String, Error> {
    let source = Source::new(pipeline.shader()?, pipeline.precision())?;
    Ok(compile(&NullDevice::open()?, &source, pipeline)?.0.assembly)
}

/// The rows of modules that are not of this engine.
///
/// # Errors
/// As [`rows`].
pub fn module_rows(family: &str, modules: &[Module]) -> Result<Vec<Row>, Error> {
    let device = NullDevice::open()?;
    let row = |module: &Module| {
        let compiled = device.compile(&module.words()?, &module.constants, None)?;
        Ok(Row::new(
            family,
            module.key(),
            module.invocations,
            &compiled,
        ))
    };
    modules.iter().map(row).collect()
}

/// What the compiler makes of it, and the invocations of a workgroup.
fn compile(
    device: &NullDevice,
    source: &Source,
    pipeline: &Pipeline,
) -> Result<(Compiled, u32), Error> {
    let name = format!("{} {}", pipeline.shader, pipeline.form());
    let (spirv, invocations) = source.spirv(&name, &pipeline.constants)?;
    let compiled = device.compile(&spirv, &[], pipeline.subgroup_size())?;
    Ok((compiled, invocations))
}
