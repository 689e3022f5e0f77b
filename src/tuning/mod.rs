//! Algorithms chosen by timing: a [`Tuning`] holds the fastest algorithm of each convolution on one device.
//! It is stored in a file and passed to sessions. `shadernet tune` makes one, and `shadernet_bench::tune` in a program.
//!
//! The heuristic chooses well without; tuning finds what it cannot know. An algorithm that computed a wrong
//! result while it was tuned is quarantined: no session with this tuning uses it, on any layer.
//!
//! A tuning belongs to one device, driver and version of this crate. A session ignores any
//! other tuning, with a warning ([`Session::warning`](crate::session::Session::warning)).
//!
//! ```
//! use std::sync::Arc;
//!
//! use shadernet::gpu::{Gpu, GpuOptions, adapters};
//! use shadernet::session::SessionOptions;
//! use shadernet::tuning::Tuning;
//!
//! if let Some(adapter) = adapters(None).first() {
//!     let gpu = Gpu::open(adapter, &GpuOptions::new())?;
//!     // To a file and back: an application can ship it.
//!     let folder = tempfile::tempdir().unwrap();
//!     let path = folder.path().join(Tuning::file_name(&gpu));
//!     Tuning::new(&gpu).save(&path)?;
//!     let tuning = Arc::new(Tuning::load(&path)?);
//!     assert!(tuning.fits(&gpu).is_ok());
//!     let options = SessionOptions::new().tuning(tuning);
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

mod file;

use std::collections::BTreeMap;

use crate::gpu::Gpu;
use crate::gpu::device_file::Identity;
use crate::kernels::{ConvAlgorithm, Tuned};

/// What tuning has found on one device. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    identity: Identity,
    /// The fastest algorithm of each convolution, by signature.
    algorithms: BTreeMap<String, ConvAlgorithm>,
    /// The algorithms that must not be used, each with the signature of the layer that showed it and the
    /// reason.
    quarantined: BTreeMap<ConvAlgorithm, (String, String)>,
}

/// An algorithm that computed a wrong result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The algorithm.
    pub kernel: ConvAlgorithm,
    /// The signature of the layer that it computed.
    pub signature: String,
    /// What was wrong.
    pub reason: String,
}

impl Tuning {
    /// An empty tuning for `gpu`: the heuristic selects everything.
    pub fn new(gpu: &Gpu) -> Self {
        Self::of(Identity::of(gpu.info()))
    }

    fn of(identity: Identity) -> Self {
        Self {
            identity,
            algorithms: BTreeMap::new(),
            quarantined: BTreeMap::new(),
        }
    }

    /// Checks that this was found on `gpu`, with its driver and this version of the crate.
    ///
    /// # Errors
    /// A message that says what it is for instead.
    pub fn fits(&self, gpu: &Gpu) -> Result<(), String> {
        let here = Identity::of(gpu.info());
        match self.identity == here {
            true => Ok(()),
            false => Err(format!("it is for {}, not for {here}", self.identity)),
        }
    }

    /// The signatures of the convolutions that have been tuned, with their algorithms.
    pub fn choices(&self) -> impl Iterator<Item = (&str, ConvAlgorithm)> {
        (self.algorithms.iter()).map(|(signature, kernel)| (signature.as_str(), *kernel))
    }

    /// Chooses `kernel` for the convolutions with this signature, which `shadernet_bench::tune` reports.
    /// A session whose device does not support it there uses the heuristic, and logs a warning.
    pub fn choose(&mut self, signature: impl Into<String>, kernel: ConvAlgorithm) {
        self.algorithms.insert(signature.into(), kernel);
    }

    /// The algorithms that no session with this tuning uses.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        (self.quarantined.iter())
            .map(|(kernel, (signature, reason))| Quarantined {
                kernel: *kernel,
                signature: signature.clone(),
                reason: reason.clone(),
            })
            .collect()
    }

    /// Keeps sessions with this tuning from using `kernel` on any layer: on the layer of this signature it
    /// computed a wrong result. The first reason is kept.
    pub fn quarantine(&mut self, kernel: ConvAlgorithm, signature: &str, reason: &str) {
        let line = |text: &str| text.replace(char::is_control, " ");
        let entry = (line(signature), line(reason));
        self.quarantined.entry(kernel).or_insert(entry);
    }

    /// Adds what `other` has found. Its choices replace those of the same signature.
    ///
    /// # Errors
    /// Where it is for another device, driver or version. Nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), String> {
        if self.identity != other.identity {
            return Err(format!(
                "it is for {}, not for {}",
                other.identity, self.identity
            ));
        }
        let kernels = other.algorithms.iter();
        (self.algorithms).extend(kernels.map(|(signature, kernel)| (signature.clone(), *kernel)));
        let quarantined = other.quarantined.iter();
        (self.quarantined).extend(quarantined.map(|(kernel, entry)| (*kernel, entry.clone())));
        Ok(())
    }

    /// The part that kernel selection needs.
    pub(crate) fn tuned(&self) -> Tuned {
        Tuned {
            algorithms: self.algorithms.clone(),
            quarantined: self.quarantined.keys().copied().collect(),
        }
    }
}
