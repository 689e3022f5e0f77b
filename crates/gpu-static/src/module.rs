//! Modules that are not of this engine: a file with what its engine would give the driver.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::spirv::Source;

/// A module of another engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Module {
    /// SPIR-V, or WGSL for engines that use naga. Its stem is the shader's name.
    pub path: PathBuf,
    /// What tells its form from others, such as its tile.
    pub form: String,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// The bits of specialization constants, by their ids.
    pub constants: Vec<(u32, u32)>,
}

impl Module {
    /// What its row is found by: the shader's name and the form.
    pub fn key(&self) -> (String, String) {
        let stem = self.path.file_stem().unwrap_or_default();
        (stem.to_string_lossy().into_owned(), self.form.clone())
    }

    /// The words of its SPIR-V.
    ///
    /// # Errors
    /// Where the file cannot be read, and where naga refuses it.
    pub fn words(&self) -> Result<Vec<u32>, Error> {
        let io = |source| Error::Io {
            what: self.path.display().to_string(),
            source,
        };
        if self.path.extension().is_some_and(|it| it == "wgsl") {
            let name = self.path.display().to_string();
            let text = std::fs::read_to_string(&self.path).map_err(io)?;
            return Ok(Source::parse(&name, &text)?.spirv(&name, &[])?.0);
        }
        let bytes = std::fs::read(&self.path).map_err(io)?;
        let words = bytes.chunks_exact(4);
        Ok(words
            .map(|it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]))
            .collect())
    }
}
