//! Weights in the layouts of the kernels, packed once for all plans of a session.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::device::CpuDevice;
use super::memory::Floats;
use crate::error::Result;
use crate::weights::Weights;

/// Weights by name: the parameter, its layout and what is folded into it.
#[derive(Debug, Default)]
pub(crate) struct PackedWeights {
    packed: HashMap<String, Arc<Floats>>,
    /// The names that were asked for since [`Self::begin`].
    used: HashSet<String>,
    /// For [`Self::counted`], the bytes of what was asked for.
    counted: Option<u64>,
}

impl PackedWeights {
    /// Counts the bytes of weights in place of packing them: [`Self::get`] returns empty ones, and reads nothing.
    pub fn counted() -> Self {
        Self {
            counted: Some(0),
            ..Self::default()
        }
    }

    /// Begins a plan.
    pub fn begin(&mut self) {
        self.used.clear();
    }

    /// The names that the plan which was begun last reads.
    pub fn used(&self) -> HashSet<String> {
        self.used.clone()
    }

    /// The weight of this name and of `len` floats, which `pack` writes over zeros where it does not exist.
    pub(super) fn get(
        &mut self,
        name: String,
        len: usize,
        pack: impl FnOnce(&mut [f32]) -> Result<()>,
    ) -> Result<Arc<Floats>> {
        self.used.insert(name.clone());
        if let Some(packed) = self.packed.get(&name) {
            return Ok(packed.clone());
        }
        let packed = match &mut self.counted {
            Some(bytes) => {
                *bytes += len as u64 * 4;
                Floats::zeros(0)
            }
            None => {
                let mut packed = Floats::zeros(len);
                pack(packed.as_mut_slice())?;
                packed
            }
        };
        let packed = Arc::new(packed);
        self.packed.insert(name, packed.clone());
        Ok(packed)
    }

    /// Drops all but those of these names.
    pub fn retain(&mut self, names: &HashSet<String>) {
        self.packed.retain(|name, _| names.contains(name));
    }

    pub fn bytes(&self) -> u64 {
        let packed: u64 = self.packed.values().map(|packed| packed.bytes()).sum();
        packed + self.counted.unwrap_or(0)
    }
}

/// What kernels are made with: the source of the weights, what was packed of it, and how many threads run.
pub(super) struct Building<'a> {
    pub weights: &'a Weights,
    pub packed: &'a mut PackedWeights,
    pub device: &'a CpuDevice,
    /// The device's.
    pub threads: usize,
}

impl Building<'_> {
    /// A parameter of `len` floats as it is in the file; empty where bytes are only counted.
    pub fn read(&mut self, name: &str, len: usize) -> Result<Vec<f32>> {
        match &mut self.packed.counted {
            Some(bytes) => {
                *bytes += len as u64 * 4;
                Ok(Vec::new())
            }
            None => Ok(self.weights.read(name)?.into_owned()),
        }
    }
}
