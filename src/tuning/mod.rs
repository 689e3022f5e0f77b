//! Kernels chosen by timing them: [`tune`] times the candidates of each convolution of a network on a
//! device, and a [`Tuning`] holds the winners, goes into a file, and is given to sessions.
//!
//! A static rule chooses well without; tuning finds what the rule cannot know. Each candidate is first
//! compared with the CPU twin on the layer's own shape. One that answers wrongly is quarantined:
//! no session with this tuning uses it, on any layer, and [`TuneReport::quarantined`] names it.
//!
//! A tuning is of one device, driver and version of this crate. A session that is given another's
//! ignores it, and says so ([`Session::notice`](crate::session::Session::notice)).
//!
//! ```
//! use std::sync::Arc;
//!
//! use shadernet::device::{Device, DeviceOptions};
//! use shadernet::graph::{Conv2d, GraphBuilder};
//! use shadernet::session::{Session, SessionOptions};
//! use shadernet::tensor::Shape;
//! use shadernet::tuning::{TuneOptions, Tuning, tune};
//! use shadernet::weights::Weights;
//!
//! let mut b = GraphBuilder::new("one layer");
//! let x = b.image_input("input", 4);
//! let x = b.conv2d("conv", x, Conv2d::new(4, 8, 3).padding(1));
//! b.output(x);
//! let graph = b.build()?;
//! let shapes = [Shape::from([1, 4, 8, 8])];
//!
//! let device = Device::open(&DeviceOptions::default())?;
//! if let Device::Gpu(gpu) = &device {
//!     let options = TuneOptions { rounds: 1, ..Default::default() };
//!     let report = tune(gpu, &graph, &shapes, &options, |_| {})?;
//!     assert_eq!(report.layers.len(), 1);
//!     assert!(report.quarantined().is_empty());
//!
//!     // In a file and back: an application can ship it.
//!     let folder = tempfile::tempdir().unwrap();
//!     let path = folder.path().join(Tuning::file_name(gpu));
//!     report.tuning.save(&path)?;
//!     let tuning = Arc::new(Tuning::load(&path)?);
//!
//!     let options = SessionOptions { tuning: Some(tuning), ..Default::default() };
//!     let weights = Weights::generated(&graph, 1.0);
//!     let session = Session::new(&device, &graph, weights, &options, &shapes)?;
//!     assert_eq!(session.notice(), None);
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```

mod file;
mod layer;
mod measure;

use std::collections::BTreeMap;
use std::fmt;

pub use measure::{
    Candidate, LayerCandidates, Outcome, Progress, TuneOptions, TuneReport, TunedLayer, candidates,
    tune,
};

use crate::gpu::Gpu;
use crate::kernels::Tuned;
use crate::session::ConvKernel;

/// What tuning has found out about one device. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    identity: Identity,
    /// The kernel of each convolution, by its signature.
    kernels: BTreeMap<String, ConvKernel>,
    /// Why a kernel must not be used, and the signature of the layer that showed it.
    quarantined: BTreeMap<ConvKernel, (String, String)>,
}

/// A kernel that has answered wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The kernel.
    pub kernel: ConvKernel,
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
            kernels: BTreeMap::new(),
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
    pub fn choices(&self) -> impl Iterator<Item = (&str, ConvKernel)> {
        (self.kernels.iter()).map(|(signature, kernel)| (signature.as_str(), *kernel))
    }

    /// Chooses `kernel` for the convolutions with this signature, as [`TunedLayer::signature`] has it.
    /// A session whose device does not allow it there keeps to the rule, and says so in the log.
    pub fn choose(&mut self, signature: impl Into<String>, kernel: ConvKernel) {
        self.kernels.insert(signature.into(), kernel);
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

    fn quarantine(&mut self, kernel: ConvKernel, signature: &str, reason: &str) {
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
        let kernels = other.kernels.iter();
        (self.kernels).extend(kernels.map(|(signature, kernel)| (signature.clone(), *kernel)));
        let quarantined = other.quarantined.iter();
        (self.quarantined).extend(quarantined.map(|(kernel, entry)| (*kernel, entry.clone())));
        Ok(())
    }

    /// As kernels want it.
    pub(crate) fn tuned(&self) -> Tuned {
        Tuned {
            kernels: self.kernels.clone(),
            quarantined: self.quarantined.keys().copied().collect(),
        }
    }
}
