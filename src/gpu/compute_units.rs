//! How many compute units a device has: WebGPU does not report it, and kernel selection deals workgroups to them.
//!
//! It is measured once: the rate of multiply-adds of very many workgroups, divided by that of a single workgroup, which
//! one compute unit runs. The number is kept in a file, so that every process selects the same kernels.

mod measure;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[cfg(feature = "internals")]
pub use measure::PeakFmaParams;
#[cfg(test)]
pub(crate) use measure::uniforms;

use super::device_file::{Format, Identity};
use super::{Gpu, is_software};
use crate::error::{Error, Result};
use crate::output_file::write_with_folder;
use crate::util::read::read_text_file;

/// Where the number of compute units is from by which kernels are selected.
///
/// Compute units (AMD), multiprocessors (NVIDIA), cores (Apple, Arm) are what workgroups are dealt to. WebGPU does not
/// report how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ComputeUnits {
    /// Measured by the first session on a device, in less than 50 ms, and kept in a file in
    /// [`GpuOptions::cache`](super::GpuOptions::cache). Assumed on software adapters, where nothing depends on it;
    /// without that folder, since each process would measure another number; and where the device was too busy.
    #[default]
    Measured,
    /// As [`Self::Measured`], on software adapters too: for tests, with
    /// [`GpuOptions::as_discrete`](super::GpuOptions::as_discrete).
    MeasuredInSoftware,
    /// A usual number for a device of its kind, discrete or integrated.
    Assumed,
    /// A number that the host knows.
    Known(NonZeroU32),
}

/// A number of compute units by which kernels are selected, with where it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ComputeUnitCount {
    /// It was measured, by this process or by one before.
    Measured(u32),
    /// It is usual for a device of this kind.
    Assumed(u32),
    /// The host knows it.
    Known(u32),
}

impl ComputeUnitCount {
    /// The number.
    pub fn number(self) -> u32 {
        match self {
            Self::Measured(number) | Self::Assumed(number) | Self::Known(number) => number,
        }
    }

    /// Where it is from: `measured`, `assumed` or `known`.
    pub fn origin(self) -> &'static str {
        match self {
            Self::Measured(_) => "measured",
            Self::Assumed(_) => "assumed",
            Self::Known(_) => "known",
        }
    }
}

/// The largest number that is believed: the largest GPUs have a few hundred.
const MOST: u32 = 1024;
const MAX_BYTES: u64 = 1 << 16;

const FORMAT: Format = Format {
    first_line: "shadernet compute units 1",
    name: "a file of compute units",
};
const FIELD: &str = "compute units: ";

/// The number for a device.
#[derive(Debug)]
pub(super) struct UnitCounter {
    source: ComputeUnits,
    /// The file that keeps it.
    path: Option<PathBuf>,
    identity: Identity,
    measured: OnceLock<Option<u32>>,
}

impl UnitCounter {
    pub fn new(source: ComputeUnits, info: &wgpu::AdapterInfo, folder: Option<&Path>) -> Self {
        let identity = Identity::of(info);
        Self {
            source,
            path: folder.map(|folder| folder.join(identity.file_name("compute-units"))),
            identity,
            measured: OnceLock::new(),
        }
    }

    /// The number in the file, or that of a measurement, which is written there.
    fn find(&self, gpu: &Gpu) -> Option<u32> {
        let path = self.path.as_deref()?;
        let shown = path.display();
        match self.read(path) {
            Ok(count) => return Some(count),
            Err(Error::Io { .. }) if !path.exists() => {}
            Err(error) => tracing::warn!("{}; it is replaced", error.report()),
        }
        let found = tracing::debug_span!("measure compute units")
            .in_scope(|| measure::measure(gpu))
            .inspect_err(|reason| {
                tracing::warn!("the compute units are assumed, not measured: {reason}");
            });
        let count = found.ok()?;
        tracing::debug!("{shown}: {count} compute units were measured");
        let text = self.identity.to_text(&FORMAT, [format!("{FIELD}{count}")]);
        if let Err(error) = write_with_folder(path, text.as_bytes()) {
            tracing::warn!("the compute units are not kept: {}", error.report());
        }
        Some(count)
    }

    fn read(&self, path: &Path) -> Result<u32> {
        let text = read_text_file(path, FORMAT.name, MAX_BYTES)?;
        (self.parse(&text)).map_err(|reason| Error::file(path, reason))
    }

    fn parse(&self, text: &str) -> Result<u32, String> {
        let (identity, lines) = FORMAT.parse(text)?;
        if identity != self.identity {
            return Err(format!("it is for {identity}, not for {}", self.identity));
        }
        let [line] = lines[..] else {
            return Err(format!("one line was expected, found {}", lines.len()));
        };
        (line.strip_prefix(FIELD))
            .and_then(|count| count.parse().ok())
            .filter(|count| (1..=MOST).contains(count))
            .ok_or_else(|| format!("'{FIELD}' and 1 to {MOST} were expected, found '{line}'"))
    }
}

impl Gpu {
    /// The number of compute units, where it is known or measured. The first call may measure it, and blocks meanwhile.
    pub(crate) fn known_compute_units(&self) -> Option<ComputeUnitCount> {
        let counter = &self.inner.unit_counter;
        let is_measured = match counter.source {
            ComputeUnits::Known(count) => {
                return Some(ComputeUnitCount::Known(count.get().min(MOST)));
            }
            ComputeUnits::Assumed => false,
            ComputeUnits::Measured => !is_software(self.info()),
            ComputeUnits::MeasuredInSoftware => true,
        };
        if !is_measured {
            return None;
        }
        let measured = match counter.measured.get() {
            Some(known) => *known,
            None => {
                // Not within `get_or_init`: no lock may be held while work is shared among threads. Where several
                // threads ask for the first time together, the first to find a number is right.
                let found = counter.find(self);
                *counter.measured.get_or_init(|| found)
            }
        };
        measured.map(ComputeUnitCount::Measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::GpuOptions;

    fn counter(driver: &str) -> UnitCounter {
        UnitCounter {
            source: ComputeUnits::Measured,
            path: None,
            identity: Identity {
                adapter: "A GPU".to_owned(),
                backend: "vulkan".to_owned(),
                driver: driver.to_owned(),
                version: "0.1.0".to_owned(),
            },
            measured: OnceLock::new(),
        }
    }

    #[test]
    fn files_of_other_drivers_and_odd_numbers_are_refused() {
        let counter = counter("its 1.2");
        let text = |line: &str| counter.identity.to_text(&FORMAT, [line.to_owned()]);
        assert_eq!(counter.parse(&text("compute units: 60")), Ok(60));
        for line in ["compute units: 0", "compute units: 1025", "units: 3", ""] {
            let error = counter.parse(&text(line)).unwrap_err();
            assert!(error.contains("1 to 1024 were expected"), "{line}: {error}");
        }
        let whole = text("compute units: 60");
        for len in 0..whole.len() {
            assert!(counter.parse(&whole[..len]).is_err(), "{len}");
        }
        let other = super::tests::counter("its 1.3").parse(&whole).unwrap_err();
        assert!(
            other.contains("its 1.2") && other.contains("its 1.3"),
            "{other}"
        );
    }

    /// Mesa's software drivers have no compute units: what is measured there is some number of threads, or nothing
    /// where the machine is busy. But it is the same in the next process.
    #[test]
    fn a_measured_number_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        for adapter in crate::gpu::adapters(None) {
            let open = |source, folder: Option<&Path>| {
                let mut options = GpuOptions::new().compute_units(source);
                options.cache = folder.map(Path::to_owned);
                Gpu::open(&adapter, &options).unwrap()
            };
            let folder = Some(folder.path());
            let known = NonZeroU32::new(7).unwrap();
            let gpu = open(ComputeUnits::Known(known), folder);
            assert_eq!(gpu.known_compute_units(), Some(ComputeUnitCount::Known(7)));
            let not_asked = [
                (ComputeUnits::Assumed, folder),
                (ComputeUnits::MeasuredInSoftware, None),
            ];
            for (source, folder) in not_asked {
                assert_eq!(open(source, folder).known_compute_units(), None);
            }
            if !is_software(gpu.info()) {
                continue;
            }
            assert_eq!(
                open(ComputeUnits::Measured, folder).known_compute_units(),
                None
            );
            let path = open(ComputeUnits::MeasuredInSoftware, folder)
                .inner
                .unit_counter
                .path
                .clone();
            let path = path.unwrap();
            assert!(!path.exists());
            let first = open(ComputeUnits::MeasuredInSoftware, folder).known_compute_units();
            println!("{}: {first:?}", gpu.info().name);
            assert_eq!(first.is_some(), path.exists());
            let text = gpu
                .inner
                .unit_counter
                .identity
                .to_text(&FORMAT, ["compute units: 33".to_owned()]);
            std::fs::write(&path, text).unwrap();
            let second = open(ComputeUnits::MeasuredInSoftware, folder);
            assert_eq!(
                second.known_compute_units(),
                Some(ComputeUnitCount::Measured(33))
            );
            std::fs::remove_file(&path).unwrap();
            assert_eq!(
                second.known_compute_units(),
                Some(ComputeUnitCount::Measured(33))
            );
        }
    }
}
