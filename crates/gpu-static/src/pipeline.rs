//! Pipelines: a shader with a precision and constants.

use serde::{Deserialize, Serialize};
use shadernet::gpu::{Precision, SHADERS, Shader};
use shadernet::internals::forms;
use shadernet::plan::{PlanReport, PlannedStep};

use crate::error::Error;

/// A shader with a precision and constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pipeline {
    /// The shader's name.
    pub shader: String,
    /// Whether values are float16.
    pub half: bool,
    /// Its constants.
    pub constants: Vec<(String, u32)>,
}

impl Pipeline {
    fn new(shader: &str, precision: Precision, constants: &[(&'static str, u32)]) -> Self {
        Self {
            shader: shader.to_owned(),
            half: precision == Precision::F16,
            constants: constants
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
        }
    }

    /// That of a step of a plan.
    pub fn of_step(plan: &PlanReport, step: &PlannedStep) -> Self {
        Self::new(step.shader, plan.precision, &step.constants)
    }

    /// The precision.
    pub fn precision(&self) -> Precision {
        if self.half {
            Precision::F16
        } else {
            Precision::F32
        }
    }

    /// Precision and constants, such as `f32 KERNEL=3 STRIDE=1`.
    pub fn form(&self) -> String {
        let constants = self
            .constants
            .iter()
            .map(|(name, value)| format!(" {name}={value}"));
        self.precision().name().to_owned() + &constants.collect::<String>()
    }

    /// What its row is found by: the shader's name and the form.
    pub fn key(&self) -> (String, String) {
        (self.shader.clone(), self.form())
    }

    /// The shader.
    ///
    /// # Errors
    /// Where there is none of that name.
    pub fn shader(&self) -> Result<&'static Shader, Error> {
        let shader = SHADERS.iter().find(|shader| shader.name == self.shader);
        shader
            .copied()
            .ok_or_else(|| Error::UnknownShader(self.shader.clone()))
    }

    /// Whether it needs cooperative matrices.
    pub fn needs_matrices(&self) -> bool {
        (self.shader()).is_ok_and(Shader::needs_cooperative_matrices)
    }

    /// Invocations of a subgroup, where the shader depends on it. Drivers choose it; this one can be told.
    pub fn subgroup_size(&self) -> Option<u32> {
        let mut constants = self.constants.iter();
        let size = constants.find(|(name, _)| name == "SUBGROUP_SIZE");
        size.map(|(_, size)| *size)
            .filter(|_| self.needs_matrices())
    }
}

/// All forms of the shaders whose names contain `part`. AMD's GPUs have no matrices of 8x8.
pub fn all(part: &str) -> Vec<Pipeline> {
    let shaders = SHADERS.iter().filter(|shader| shader.name.contains(part));
    let shaders = shaders.filter(|shader| shader.name != "conv2d_cooperative_8x8");
    let pipelines = shaders.flat_map(|shader| {
        shader.precisions().iter().flat_map(move |&precision| {
            let forms = forms(shader).into_iter();
            forms.map(move |constants| Pipeline::new(shader.name, precision, &constants))
        })
    });
    pipelines.collect()
}
