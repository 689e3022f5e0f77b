//! What other engines dispatch for a convolution in float32: which shaders, with which constants and workgroups. The
//! rules are those of the versions that `scripts/gpu-static-anchors` names.

mod ggml;
mod meganeura;
mod ncnn;

use std::path::{Path, PathBuf};

use crate::cards::Card;
use crate::error::Error;
use crate::module::Module;
use crate::predict::Dispatch;
use crate::problem::Problem;

/// A dispatch of a module.
#[derive(Debug)]
pub struct Step {
    /// What is dispatched.
    pub module: Module,
    /// How often, and what it has to do.
    pub dispatch: Dispatch,
}

/// How an engine computes a problem.
#[derive(Debug)]
pub struct Anchor {
    /// The algorithm.
    pub algorithm: &'static str,
    /// Its dispatches.
    pub steps: Vec<Step>,
}

/// An engine whose modules are in `folder`, which is called as the engine with its version: `ggml-0.26.0`.
#[derive(Debug)]
pub struct Engine {
    /// The folder's name.
    pub name: String,
    folder: PathBuf,
}

impl Engine {
    /// Those in `folder`, by name.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn all(folder: &Path) -> Result<Vec<Self>, Error> {
        let io = |source| Error::Io {
            what: folder.display().to_string(),
            source,
        };
        let mut engines = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            engines.push(Self {
                name: entry.file_name().to_string_lossy().into_owned(),
                folder: entry.path(),
            });
        }
        engines.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(engines)
    }

    /// How it computes a problem, with and without Winograd's algorithm. None where its rules are not known here.
    pub fn anchors(&self, problem: &Problem, card: &Card) -> Vec<Anchor> {
        let folder = &self.folder;
        let (gemm, winograd): (_, fn(&Problem, &Path) -> Anchor) = match self.name.split('-').next()
        {
            Some("ggml") => return vec![ggml::gemm(problem, card, folder)],
            Some("ncnn") => (ncnn::gemm(problem, folder), ncnn::winograd),
            Some("meganeura") => (meganeura::gemm(problem, folder), meganeura::winograd),
            _ => return Vec::new(),
        };
        let winograd = (problem.kernel == 3).then(|| winograd(problem, folder));
        [gemm].into_iter().chain(winograd).collect()
    }
}

/// A dispatch of the module at `path`.
fn step(
    path: impl AsRef<Path>,
    form: &str,
    invocations: u32,
    constants: Vec<(u32, u32)>,
    dispatch: Dispatch,
) -> Step {
    Step {
        module: Module {
            path: path.as_ref().to_owned(),
            form: form.to_owned(),
            invocations,
            constants,
        },
        dispatch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cards::CARDS;

    pub const PROBLEM: Problem = Problem {
        inputs: 256,
        outputs: 256,
        size: 56,
        kernel: 3,
    };

    #[test]
    fn a_gemm_has_at_least_the_products_of_the_problem() {
        for card in &CARDS {
            for name in ["ggml-1", "ncnn-1", "meganeura-1"] {
                let engine = Engine {
                    name: name.to_owned(),
                    folder: PathBuf::new(),
                };
                let Step { module, dispatch } = &engine.anchors(&PROBLEM, card)[0].steps[0];
                let invocations = dispatch.workgroups as f64 * f64::from(module.invocations);
                let least = (PROBLEM.pixels() * PROBLEM.outputs * PROBLEM.depth()) as f64;
                let products = invocations * dispatch.products;
                assert!(
                    (1.0..1.1).contains(&(products / least)),
                    "{name}: {products}"
                );
            }
        }
    }
}
