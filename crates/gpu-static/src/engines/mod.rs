//! What other engines dispatch for a convolution in float32: which shaders, with which constants and workgroups. The
//! rules are those of the versions that `scripts/gpu-static-anchors` names.

mod ggml;
mod meganeura;
mod ncnn;

use std::path::{Path, PathBuf};

use shadernet::plan::Transfer;

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
    /// How often.
    pub workgroups: u64,
    /// Multiply-adds of an invocation, those of unused parts of a tile included; 0 where there is no loop of them.
    pub products: u64,
    /// Steps along K.
    pub turns: u64,
    /// What it reads and writes.
    pub transfers: Vec<Transfer>,
}

impl Step {
    /// What its time depends on, where `moved` bytes of its transfers go to or from memory.
    pub fn dispatch(&self, moved: f64) -> Dispatch {
        let bytes = self.transfers.iter().map(|it| it.bytes as f64).sum();
        Dispatch {
            workgroups: self.workgroups,
            products: self.products as f64,
            around: self.turns as f64,
            bytes,
            moved,
        }
    }
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
                let step = &engine.anchors(&PROBLEM, card)[0].steps[0];
                let invocations = step.workgroups * u64::from(step.module.invocations);
                let least = (PROBLEM.pixels() * PROBLEM.outputs * PROBLEM.depth()) as f64;
                let products = (invocations * step.products) as f64;
                assert!(
                    (1.0..1.1).contains(&(products / least)),
                    "{name}: {products}"
                );
            }
        }
    }
}
