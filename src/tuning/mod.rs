//! Kernels chosen by timing: a [`Tuning`] holds the fastest kernel of each layer on one device, goes into a
//! file, and is given to sessions. `shadernet tune` makes one, and `shadernet_bench::tune` in a program.
//!
//! The heuristic chooses well without; tuning finds what it cannot know. A kernel that computed a wrong result
//! while it was tuned is quarantined: no session with this tuning uses it, on any layer.
//!
//! A tuning belongs to one device, driver and version of this crate. A session that is given another's
//! ignores it, and says so ([`Session::warning`](crate::session::Session::warning)).
//!
//! ```
//! use std::sync::Arc;
//!
//! use shadernet::device::{Device, DeviceOptions};
//! use shadernet::session::SessionOptions;
//! use shadernet::tuning::Tuning;
//!
//! if let Device::Gpu(gpu) = Device::open(&DeviceOptions::default())? {
//!     // To a file and back: an application can ship it.
//!     let folder = tempfile::tempdir().unwrap();
//!     let path = folder.path().join(Tuning::file_name(&gpu));
//!     Tuning::new(&gpu).save(&path)?;
//!     let tuning = Arc::new(Tuning::load(&path)?);
//!     assert!(tuning.fits(&gpu).is_ok());
//!     let options = SessionOptions { tuning: Some(tuning), ..Default::default() };
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```

mod file;

use std::collections::BTreeMap;
use std::fmt;

use crate::gpu::Gpu;
use crate::kernels::Tuned;
use crate::session::ConvAlgorithm;

/// What tuning has found out about one device. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    identity: Identity,
    /// The kernel of each convolution, by its signature.
    algorithms: BTreeMap<String, ConvAlgorithm>,
    /// Why a kernel must not be used, and the signature of the layer that showed it.
    quarantined: BTreeMap<ConvAlgorithm, (String, String)>,
}

/// A kernel that has answered wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The kernel.
    pub kernel: ConvAlgorithm,
    /// The signature of the layer that it computed.
    pub signature: String,
    /// What was wrong.
    pub reason: String,
}

/// Whose times they are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    adapter: String,
    backend: String,
    driver: String,
    version: String,
}

impl Identity {
    fn of(gpu: &Gpu) -> Self {
        let info = gpu.info();
        let line = |text: &str| text.replace(char::is_control, " ").trim().to_owned();
        Self {
            adapter: line(&info.name),
            backend: line(info.backend.to_str()),
            driver: line(&format!("{} {}", info.driver, info.driver_info)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            adapter,
            backend,
            driver,
            version,
        } = self;
        write!(
            f,
            "{adapter} ({backend}, driver '{driver}', shadernet {version})"
        )
    }
}

impl Tuning {
    /// Nothing known of `gpu` yet: every choice is the rule's.
    pub fn new(gpu: &Gpu) -> Self {
        Self::of(Identity::of(gpu))
    }

    fn of(identity: Identity) -> Self {
        Self {
            identity,
            algorithms: BTreeMap::new(),
            quarantined: BTreeMap::new(),
        }
    }

    /// Whether this was found on `gpu`, with its driver and this version of the crate.
    ///
    /// # Errors
    /// What it is of instead, for people.
    pub fn fits(&self, gpu: &Gpu) -> Result<(), String> {
        let here = Identity::of(gpu);
        match self.identity == here {
            true => Ok(()),
            false => Err(format!("it is of {}, not of {here}", self.identity)),
        }
    }

    /// The convolutions that have been tuned, by signature, and their kernels.
    pub fn choices(&self) -> impl Iterator<Item = (&str, ConvAlgorithm)> {
        (self.algorithms.iter()).map(|(signature, kernel)| (signature.as_str(), *kernel))
    }

    /// Chooses `kernel` for the convolutions with this signature, as `shadernet_bench::tune` has it.
    /// A session whose device does not allow it there keeps to the rule, and says so in the log.
    pub fn choose(&mut self, signature: impl Into<String>, kernel: ConvAlgorithm) {
        self.algorithms.insert(signature.into(), kernel);
    }

    /// The kernels that no session with this tuning uses.
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
    /// computed a wrong result. The first reason counts.
    pub fn quarantine(&mut self, kernel: ConvAlgorithm, signature: &str, reason: &str) {
        let line = |text: &str| text.replace(char::is_control, " ");
        let entry = (line(signature), line(reason));
        self.quarantined.entry(kernel).or_insert(entry);
    }

    /// Takes over what `other` has found: its choices go before those that were here.
    ///
    /// # Errors
    /// Where it is of another device, driver or version; nothing is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), String> {
        if self.identity != other.identity {
            return Err(format!(
                "it is of {}, not of {}",
                other.identity, self.identity
            ));
        }
        let kernels = other.algorithms.iter();
        (self.algorithms).extend(kernels.map(|(signature, kernel)| (signature.clone(), *kernel)));
        let quarantined = other.quarantined.iter();
        (self.quarantined).extend(quarantined.map(|(kernel, entry)| (*kernel, entry.clone())));
        Ok(())
    }

    /// As kernels want it.
    pub(crate) fn tuned(&self) -> Tuned {
        Tuned {
            algorithms: self.algorithms.clone(),
            quarantined: self.quarantined.keys().copied().collect(),
        }
    }
}
