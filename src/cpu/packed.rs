//! Weights in the layouts of the kernels, packed once for all plans of a session.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::memory::Floats;
use crate::error::Result;
use crate::weights::Weights;

/// Weights by name: the parameter, its layout and what is folded into it.
#[derive(Debug, Default)]
pub(crate) struct PackedWeights {
    packed: HashMap<String, Arc<Floats>>,
    /// The names that were asked for since [`Self::begin`].
    used: HashSet<String>,
}

impl PackedWeights {
    /// Begins a plan.
    pub fn begin(&mut self) {
        self.used.clear();
    }

    /// The names that the plan which was begun last reads.
    pub fn used(&self) -> HashSet<String> {
        self.used.clone()
    }

    /// The weight of this name, made by `pack` where it does not exist.
    pub(super) fn get(
        &mut self,
        name: String,
        pack: impl FnOnce() -> Result<Floats>,
    ) -> Result<Arc<Floats>> {
        self.used.insert(name.clone());
        if let Some(packed) = self.packed.get(&name) {
            return Ok(packed.clone());
        }
        let packed = Arc::new(pack()?);
        self.packed.insert(name, packed.clone());
        Ok(packed)
    }

    /// Drops all but those of these names.
    pub fn retain(&mut self, names: &HashSet<String>) {
        self.packed.retain(|name, _| names.contains(name));
    }

    pub fn bytes(&self) -> u64 {
        self.packed.values().map(|packed| packed.bytes()).sum()
    }
}

/// What kernels are made with: the source of the weights, what was packed of it, and how many threads run.
pub(super) struct Building<'a> {
    pub weights: &'a Weights,
    pub packed: &'a mut PackedWeights,
    pub threads: usize,
}
