//! The adapters of the machine, each backend's listed by a child process. A driver that crashes while it is asked
//! for its adapters, or while one is opened, loses only those of its backend.

use std::process::Command;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shadernet::device::{Device, DeviceOptions};
use shadernet::gpu::{
    Backend, ComputeUnitCount, Gpu, GpuOptions, ShaderCompiler, adapter_kind, adapters,
};
use shadernet::wgpu;

use super::bench::{Ended, compute_units};
use super::{Failure, cache, log, output};

/// The graphics APIs, in wgpu's order.
const BACKENDS: [Backend; 4] = [Backend::Vulkan, Backend::Metal, Backend::Dx12, Backend::Gl];

/// Drivers list their adapters within a second.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// [`Row::kind`] of an adapter that computes on the CPU.
pub const SOFTWARE: &str = "software";

/// [`Row::kind`] where there is no adapter, but an error.
pub const NONE: &str = "none";

/// A device as `shadernet devices --json` prints it.
#[derive(Default, Serialize, Deserialize)]
pub struct Row {
    pub default: bool,
    /// Empty where the adapters of the backend are not known.
    pub name: String,
    pub backend: String,
    pub kind: String,
    pub driver: String,
    /// How many threads compute, where it is the CPU.
    pub threads: Option<usize>,
    pub max_storage_buffer_binding_size: Option<u64>,
    pub max_buffer_size: Option<u64>,
    pub max_compute_workgroup_storage_size: Option<u32>,
    pub max_compute_invocations_per_workgroup: Option<u32>,
    pub features: Vec<String>,
    /// The compute units by which kernels are selected, where it is hardware that could be opened.
    pub compute_units: Option<u32>,
    /// Where that number is from: `measured`, or `assumed` for devices of its kind.
    pub compute_units_origin: Option<String>,
    /// What compiles shaders, where it is Direct3D 12: `dxc` or `fxc`.
    pub shader_compiler: Option<String>,
    /// Why the adapter cannot be opened, or why the backend's are not known.
    pub error: Option<String>,
}

/// An adapter as a child process lists it.
#[derive(Serialize, Deserialize)]
pub struct Listed {
    /// Tells the adapters of the machine apart, in any process.
    pub identity: String,
    pub row: Row,
}

/// A backend's adapters.
pub struct BackendAdapters {
    pub backend: Backend,
    /// Those that are known.
    pub adapters: Vec<Listed>,
    /// Why they are not known, or could not be opened.
    pub failed: Option<String>,
}

/// What is to be known of adapters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Which there are.
    Adapters,
    /// Also whether they can be opened.
    Opened,
}

/// Which device is the default.
pub enum DefaultDevice {
    Cpu,
    /// The adapter with this [`Listed::identity`].
    Adapter(String),
    /// None, for this reason.
    Failed(String),
}

/// What a child process does.
#[derive(Clone, Copy)]
pub enum ChildTask {
    List(Backend, Listing),
    Default,
}

impl FromStr for ChildTask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, backend) = text.split_once(':').unwrap_or((text, ""));
        let backend = || backend.parse::<Backend>().map_err(|e| e.to_string());
        match what {
            "list" => Ok(Self::List(backend()?, Listing::Adapters)),
            "open" => Ok(Self::List(backend()?, Listing::Opened)),
            "default" => Ok(Self::Default),
            _ => Err("expected list:BACKEND, open:BACKEND or default".to_owned()),
        }
    }
}

impl ChildTask {
    /// Prints one JSON value, for the parent process.
    pub fn execute(self) -> Result<(), Failure> {
        match self {
            Self::List(backend, listing) => {
                let found = adapters(Some(backend));
                let listed: Vec<Listed> = found.iter().map(|a| list_adapter(a, listing)).collect();
                output::json_line(&listed)?;
            }
            Self::Default => {
                let identity = match Device::open(&DeviceOptions::default())? {
                    Device::Gpu(gpu) => Some(identity(gpu.info())),
                    Device::Cpu(_) | Device::Reference => None,
                };
                output::json_line(&identity)?;
            }
        }
        Ok(())
    }

    fn argument(self) -> String {
        match self {
            Self::List(backend, Listing::Adapters) => format!("list:{}", backend.name()),
            Self::List(backend, Listing::Opened) => format!("open:{}", backend.name()),
            Self::Default => "default".to_owned(),
        }
    }

    /// Lets a child process do it, and returns what that prints. The error has the reason, and whether the process
    /// died.
    fn run<T: DeserializeOwned>(self) -> Result<T, (String, bool)> {
        let executable = std::env::current_exe();
        let executable = executable.map_err(|e| (format!("it did not start: {e}"), false))?;
        let mut command = Command::new(executable);
        command.args(["devices", "--child", &self.argument()]);
        let flags = log::child_flags();
        command.args(flags.iter().flatten());
        let ended = Ended::after(&mut command, TIME_LIMIT).map_err(|reason| (reason, true))?;
        if flags.is_some() {
            output::say(ended.err.trim_end());
        }
        let line = ended.lines.and_then(|lines| lines.into_iter().next());
        let value = line.ok_or((ended.reason, ended.died))?;
        serde_json::from_value(value).map_err(|error| (error.to_string(), false))
    }
}

/// The adapters of all backends that this build has on this system, listed at the same time.
pub fn list_adapters(listing: Listing) -> Vec<BackendAdapters> {
    thread::scope(|scope| {
        let backends = BACKENDS.into_iter().filter(|b| b.is_available());
        let threads: Vec<_> = backends
            .map(|backend| (backend, scope.spawn(move || list_backend(backend, listing))))
            .collect();
        let listed = threads.into_iter().map(|(backend, thread)| {
            let (adapters, failed) = match thread.join() {
                Ok(listed) => listed,
                Err(_) => (Vec::new(), Some("listing them panicked".to_owned())),
            };
            BackendAdapters {
                backend,
                adapters,
                failed,
            }
        });
        listed.collect()
    })
}

fn list_backend(backend: Backend, listing: Listing) -> (Vec<Listed>, Option<String>) {
    let listed = |listing| ChildTask::List(backend, listing).run::<Vec<Listed>>();
    match (listed(listing), listing) {
        (Ok(adapters), _) => (adapters, None),
        // They can still be listed, where the driver has only failed to open one.
        (Err((opening, true)), Listing::Opened) => match listed(Listing::Adapters) {
            Ok(adapters) => {
                let reason = format!("opening its adapters failed: {opening}");
                (adapters, Some(reason))
            }
            Err((reason, _)) => (Vec::new(), Some(not_listed(&reason))),
        },
        (Err((reason, _)), _) => (Vec::new(), Some(not_listed(&reason))),
    }
}

fn not_listed(reason: &str) -> String {
    format!("its adapters could not be listed: {reason}")
}

/// The device that commands open where none is selected.
pub fn default_device() -> DefaultDevice {
    match ChildTask::Default.run::<Option<String>>() {
        Ok(Some(identity)) => DefaultDevice::Adapter(identity),
        Ok(None) => DefaultDevice::Cpu,
        Err((reason, true)) => DefaultDevice::Failed(format!(
            "no default device: opening it failed: {reason}; other commands fail in the same way, unless --backend or \
             WGPU_BACKEND selects another"
        )),
        Err((reason, false)) => DefaultDevice::Failed(reason),
    }
}

/// Everything that wgpu tells of an adapter, which is the same in every process.
fn identity(info: &wgpu::AdapterInfo) -> String {
    format!("{info:?}")
}

/// Features that kernels use or may use in the future.
const FEATURES: [(&str, wgpu::Features); 4] = [
    ("shader-f16", wgpu::Features::SHADER_F16),
    ("subgroup", wgpu::Features::SUBGROUP),
    ("timestamp-query", wgpu::Features::TIMESTAMP_QUERY),
    (
        "cooperative-matrix",
        wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX,
    ),
];

fn list_adapter(adapter: &wgpu::Adapter, listing: Listing) -> Listed {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let features = adapter.features();
    let mut options = GpuOptions::new();
    options.cache = cache::folder();
    let (units, error) = match listing {
        Listing::Adapters => (None, None),
        Listing::Opened => match Gpu::open(adapter, &options) {
            Ok(gpu) => (compute_units(&gpu), None),
            Err(error) => (None, Some(error)),
        },
    };
    let kind = adapter_kind(&info);
    let driver = format!("{} {}", info.driver, info.driver_info);
    let row = Row {
        default: false,
        name: info.name.clone(),
        backend: info.backend.to_str().to_owned(),
        kind: kind.to_owned(),
        driver: driver.trim().to_owned(),
        threads: None,
        max_storage_buffer_binding_size: Some(limits.max_storage_buffer_binding_size),
        max_buffer_size: Some(limits.max_buffer_size),
        max_compute_workgroup_storage_size: Some(limits.max_compute_workgroup_storage_size),
        max_compute_invocations_per_workgroup: Some(limits.max_compute_invocations_per_workgroup),
        features: (FEATURES.iter())
            .filter(|(_, feature)| features.contains(*feature))
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        compute_units: units.map(ComputeUnitCount::number),
        compute_units_origin: units.map(|units| units.origin().to_owned()),
        shader_compiler: ShaderCompiler::of(adapter).map(|compiler| compiler.name().to_owned()),
        error: error.map(|error| error.report().to_string()),
    };
    Listed {
        identity: identity(&info),
        row,
    }
}
