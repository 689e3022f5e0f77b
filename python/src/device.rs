//! Devices, and the adapters that there are.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use shadernet::cpu::{CpuDevice, CpuOptions};
use shadernet::gpu::{self, Backend, GpuOptions};
use shadernet::{DeviceOptions, printable};

use crate::errors::{detached, to_python, warn};
use crate::process::{self, Owned};

/// An open device.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Device {
    device: Owned<shadernet::Device>,
}

#[pymethods]
impl Device {
    #[new]
    #[pyo3(signature = (backend, adapter, threads, cache))]
    fn open(
        py: Python<'_>,
        backend: Option<&str>,
        adapter: Option<String>,
        threads: Option<usize>,
        cache: Option<std::path::PathBuf>,
    ) -> PyResult<Self> {
        let backend = backend.map(str::parse::<Backend>).transpose();
        let backend = backend.map_err(|error| to_python(py, &error.into()))?;
        process::check(py)?;
        let mut gpu = GpuOptions::new();
        if let Some(cache) = cache {
            gpu = gpu.cache(cache);
        }
        let mut options = DeviceOptions::new().backend(backend).gpu(gpu);
        options.adapter = adapter;
        options.cpu = CpuOptions::new().threads(threads);
        let device = detached(py, || shadernet::Device::open(&options))?;
        if let Some(warning) = device.warning() {
            warn(py, warning)?;
        }
        Ok(Self {
            device: Owned::new(device),
        })
    }

    #[getter]
    fn backend(&self) -> &'static str {
        self.device.backend().name()
    }

    #[getter]
    fn name(&self) -> String {
        match &*self.device {
            shadernet::Device::Gpu(gpu) => printable::name(&gpu.info().name),
            other => other.to_string(),
        }
    }

    #[getter]
    fn is_software(&self) -> bool {
        match &*self.device {
            shadernet::Device::Gpu(gpu) => gpu::is_software(gpu.info()),
            _ => false,
        }
    }

    #[getter]
    fn warning(&self) -> Option<&str> {
        self.device.warning()
    }

    fn __str__(&self) -> String {
        self.device.to_string()
    }
}

impl Device {
    /// The device, unless this process was forked after it was opened.
    pub fn get(&self, py: Python<'_>) -> PyResult<&shadernet::Device> {
        process::check(py)?;
        Ok(&self.device)
    }
}

/// The adapters of the machine and the CPU, each as a dictionary.
#[pyfunction]
pub fn adapters<'py>(py: Python<'py>, backend: Option<&str>) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let backend = backend.map(str::parse::<Backend>).transpose();
    let backend = backend.map_err(|error| to_python(py, &error.into()))?;
    process::check(py)?;
    let found = match backend {
        Some(Backend::Cpu | Backend::Reference) => Vec::new(),
        backend => py.detach(|| {
            let adapters = gpu::adapters(backend).into_iter();
            adapters
                .map(|adapter| adapter.get_info())
                .collect::<Vec<_>>()
        }),
    };
    let mut rows = Vec::new();
    for info in found {
        let row = PyDict::new(py);
        row.set_item("name", printable::name(&info.name))?;
        row.set_item("backend", shadernet::Device::backend_of(&info).name())?;
        row.set_item("kind", gpu::adapter_kind(&info))?;
        let driver = format!("{} {}", info.driver, info.driver_info);
        row.set_item("driver", printable::line(driver.trim()))?;
        rows.push(row);
    }
    if matches!(backend, None | Some(Backend::Cpu)) {
        let cpu = CpuDevice::default();
        let row = PyDict::new(py);
        row.set_item("name", cpu.to_string())?;
        row.set_item("backend", Backend::Cpu.name())?;
        row.set_item("kind", "cpu")?;
        row.set_item("driver", concat!("shadernet ", env!("CARGO_PKG_VERSION")))?;
        rows.push(row);
    }
    Ok(rows)
}
