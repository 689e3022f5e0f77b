//! The options that select a device, and opening it.

use std::ffi::OsString;
use std::num::NonZeroUsize;

use clap::Args;
use shadernet::cpu::CpuOptions;
use shadernet::device::{Device, DeviceOptions};
use shadernet::gpu::{Backend, CooperativeMatrices, GpuOptions};
use shadernet::{Error, Result};
use shadernet_bench::fault_injection::inject_fault;

use crate::value_parsers::threads;
use crate::{cache, output};

/// Where to run.
#[derive(Args, Clone)]
pub struct DeviceArgs {
    /// Graphics API, cpu, or reference for the plain loops that all others are compared with
    /// [default: that of the best GPU, or cpu]
    #[arg(long, value_name = "vulkan|gl|metal|dx12|cpu|reference", value_parser = str::parse::<Backend>)]
    pub backend: Option<Backend>,

    /// Part of the adapter's name, as `shadernet devices` prints it
    #[arg(long, value_name = "SUBSTRING")]
    pub adapter: Option<String>,

    /// Number of threads that compute on the cpu backend [default: one per core]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,

    /// Keep bounds and loop checks in the shaders: slower, to debug kernels
    #[arg(long)]
    runtime_checks: bool,

    /// Use cooperative matrices (tensor cores) for float16 convolutions if the device supports
    /// them; experimental in wgpu
    #[arg(long)]
    cooperative_matrices: bool,

    /// Make a shader compute wrong results. For tests: releases refuse it
    #[arg(long, hide = true, value_name = "SHADER")]
    inject_fault: Option<String>,
}

impl DeviceArgs {
    /// Whether one device is selected, by backend or name.
    pub fn is_one_device(&self) -> bool {
        self.backend.is_some() || self.adapter.is_some()
    }

    /// The same with `--cooperative-matrices`.
    pub fn with_matrices(&self) -> Self {
        Self {
            cooperative_matrices: true,
            ..self.clone()
        }
    }

    /// The flags that do not depend on the device, for a child process.
    pub fn flags(&self) -> Vec<OsString> {
        let flags = [
            ("--runtime-checks", self.runtime_checks),
            ("--cooperative-matrices", self.cooperative_matrices),
        ];
        let given = flags.into_iter().filter(|(_, given)| *given);
        let inject_fault = self
            .inject_fault
            .iter()
            .map(|shader| format!("--inject-fault={shader}"));
        (given.map(|(name, _)| name.into()))
            .chain(inject_fault.map(OsString::from))
            .collect()
    }

    /// The library's options.
    pub fn options(&self) -> DeviceOptions {
        let matrices = match self.cooperative_matrices {
            true => CooperativeMatrices::IfSupported,
            false => CooperativeMatrices::Off,
        };
        let mut gpu = GpuOptions::new()
            .runtime_checks(self.runtime_checks)
            .cooperative_matrices(matrices);
        gpu.cache = cache::folder();
        let cpu = CpuOptions::new().threads(self.threads.map(NonZeroUsize::get));
        let mut options = DeviceOptions::new().backend(self.backend).gpu(gpu).cpu(cpu);
        options.adapter = self.adapter.clone();
        options
    }

    /// Opens the device, and prints its warning on standard error.
    pub fn open(&self) -> Result<Device> {
        let device = self.open_quietly()?;
        output::warn(device.warning());
        if let (Device::Gpu(gpu), Some(shader)) = (&device, &self.inject_fault)
            && !inject_fault(gpu, shader)
        {
            let reason = "this build cannot inject faults";
            return Err(Error::Inputs(reason.to_owned()));
        }
        Ok(device)
    }

    /// Opens the device.
    pub fn open_quietly(&self) -> Result<Device> {
        let device = Device::open(&self.options())?;
        if let (Some(threads), false) = (self.threads, matches!(device, Device::Cpu(_))) {
            return Err(Error::Inputs(format!(
                "--threads {threads} is for the cpu backend, but the device is {device}; add --backend cpu, or \
                 leave --threads out"
            )));
        }
        Ok(device)
    }
}
