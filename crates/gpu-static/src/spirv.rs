//! SPIR-V as wgpu makes it of WGSL: without bounds checks, loop bounds and zeroed workgroup memory.

use naga::back::{PipelineConstants, pipeline_constants, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use shadernet::gpu::{Precision, Shader};

use crate::error::Error;

/// A shader of one precision, before its constants have values.
#[derive(Debug)]
pub struct Source {
    module: naga::Module,
    info: ModuleInfo,
}

impl Source {
    /// Parses and validates one of the engine's.
    pub fn new(shader: &Shader, precision: Precision) -> Result<Self, Error> {
        Self::parse(shader.name, &shader.assemble(precision))
    }

    /// Parses and validates.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let fault = |message: String| Error::Shader {
            name: name.to_owned(),
            message,
        };
        let module = naga::front::wgsl::parse_str(text)
            .map_err(|error| fault(error.emit_to_string(text)))?;
        let info = Validator::new(ValidationFlags::all(), Capabilities::all())
            .validate(&module)
            .map_err(|error| fault(error.emit_to_string(text)))?;
        Ok(Self { module, info })
    }

    /// The words of a module with these constants, and the invocations of a workgroup.
    ///
    /// # Errors
    /// Where naga refuses the constants.
    pub fn spirv(&self, name: &str, constants: &[(String, u32)]) -> Result<(Vec<u32>, u32), Error> {
        let fault = |message: String| Error::Shader {
            name: name.to_owned(),
            message,
        };
        let values: PipelineConstants = (constants.iter())
            .map(|(name, value)| (name.clone(), f64::from(*value)))
            .collect();
        let entry = Some((naga::ShaderStage::Compute, "main"));
        let (module, info) =
            pipeline_constants::process_overrides(&self.module, &self.info, entry, &values)
                .map_err(|error| fault(error.to_string()))?;
        let unchecked = BoundsCheckPolicy::Unchecked;
        let options = spv::Options {
            lang_version: (1, 6),
            flags: spv::WriterFlags::LABEL_VARYINGS,
            bounds_check_policies: BoundsCheckPolicies {
                index: unchecked,
                buffer: unchecked,
                image_load: unchecked,
                binding_array: unchecked,
            },
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: false,
            emit_int_div_checks: false,
            ..spv::Options::default()
        };
        let workgroup = module
            .entry_points
            .first()
            .map_or([1; 3], |entry| entry.workgroup_size);
        let entry = spv::PipelineOptions {
            shader_stage: naga::ShaderStage::Compute,
            entry_point: "main".to_owned(),
        };
        let words = spv::write_vec(&module, &info, &options, Some(&entry))
            .map_err(|error| fault(error.to_string()))?;
        Ok((words, workgroup.iter().product()))
    }
}
