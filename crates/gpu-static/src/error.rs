//! What can go wrong.

use std::path::PathBuf;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// naga refuses a shader.
    #[error("{name}: {message}")]
    Shader {
        /// The shader, with its constants.
        name: String,
        /// naga's message.
        message: String,
    },
    /// A module is not one that pipelines can be made of here.
    #[error("a SPIR-V module: {0}")]
    Spirv(&'static str),
    /// There is no such shader.
    #[error("there is no shader called '{0}'; shaders/ has them")]
    UnknownShader(String),
    /// A shader has no such form.
    #[error("{name} has no form '{form}'; it has {}", known.join(", "))]
    UnknownForm {
        /// The shader.
        name: String,
        /// What was asked for.
        form: String,
        /// All forms.
        known: Vec<String>,
    },
    /// Vulkan's loader is missing.
    #[error("Vulkan's loader was not found ({0}): install libvulkan1")]
    Loader(String),
    /// A call of Vulkan failed.
    #[error("{doing}: {result}")]
    Vulkan {
        /// What was being done.
        doing: &'static str,
        /// Vulkan's result.
        result: ash::vk::Result,
    },
    /// There is no null device.
    #[error(
        "a device called 'Null hardware' was expected, found {0:?}: run scripts/gpu-static, which names RADV's \
         driver file in VK_DRIVER_FILES"
    )]
    NoNullDevice(Vec<String>),
    /// There is no machine code.
    #[error(
        "the driver gives no assembly, only {0:?}: Mesa has to be built with LLVM's disassembler, as Debian's is"
    )]
    NoAssembly(Vec<String>),
    /// A family could not be compiled for.
    #[error("{family}: {message}")]
    Family {
        /// The family.
        family: String,
        /// What the process printed.
        message: String,
    },
    /// A network could not be planned.
    #[error("{network}: {message}")]
    Plan {
        /// The network.
        network: String,
        /// What is wrong.
        message: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(shadernet::Error),
    /// A file or a process could not be used.
    #[error("{what}: {source}")]
    Io {
        /// The file or process.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file holds no rows.
    #[error("{}: rows of scripts/gpu-static --json were expected: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}
