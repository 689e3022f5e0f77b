//! Adapters: listing them, and choosing one by type or by name.

use tracing::Instrument;

use super::{Gpu, GpuOptions, dx12_compiler};
use crate::error::{Error, Result, UnknownName};
use crate::printable;

/// A graphics API, or what computes without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Vulkan: Linux, Windows, Android.
    Vulkan,
    /// OpenGL ES 3.1 and later.
    Gl,
    /// Metal: macOS, iOS.
    Metal,
    /// Direct3D 12: Windows.
    Dx12,
    /// No GPU: the CPU.
    Cpu,
    /// No GPU: the reference backend, [`crate::reference`], which computes on the CPU what the others are compared
    /// with.
    Reference,
}

impl Backend {
    /// All backends with their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Vulkan, "vulkan"),
        (Self::Gl, "gl"),
        (Self::Metal, "metal"),
        (Self::Dx12, "dx12"),
        (Self::Cpu, "cpu"),
        (Self::Reference, "reference"),
    ];

    /// The name, as [`str::parse`] takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vulkan => "vulkan",
            Self::Gl => "gl",
            Self::Metal => "metal",
            Self::Dx12 => "dx12",
            Self::Cpu => "cpu",
            Self::Reference => "reference",
        }
    }

    /// Whether wgpu was built with this graphics API for this system. True of [`Self::Cpu`] and
    /// [`Self::Reference`], which need none.
    pub fn is_available(self) -> bool {
        let apis = self.to_wgpu();
        apis.is_empty() || wgpu::Instance::enabled_backend_features().contains(apis)
    }

    fn to_wgpu(self) -> wgpu::Backends {
        match self {
            Self::Vulkan => wgpu::Backends::VULKAN,
            Self::Gl => wgpu::Backends::GL,
            Self::Metal => wgpu::Backends::METAL,
            Self::Dx12 => wgpu::Backends::DX12,
            Self::Cpu | Self::Reference => wgpu::Backends::empty(),
        }
    }
}

impl std::str::FromStr for Backend {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .iter()
            .find(|(_, known)| name.eq_ignore_ascii_case(known))
            .map(|(backend, _)| *backend)
            .ok_or_else(|| UnknownName::new("backend", name, Self::ALL.map(|(_, name)| name)))
    }
}

/// All adapters of the machine on `backend`, or on any backend where `None`, in wgpu's order. Adapters that
/// cannot run compute shaders are left out. Blocks; see [`adapters_async`].
pub fn adapters(backend: Option<Backend>) -> Vec<wgpu::Adapter> {
    pollster::block_on(adapters_async(backend))
}

/// As [`adapters`], without blocking.
///
/// ```
/// use shadernet::gpu::{Gpu, GpuOptions, adapters_async};
///
/// async fn open() -> shadernet::Result<Option<Gpu>> {
///     match adapters_async(None).await.first() {
///         Some(adapter) => Gpu::open_async(adapter, &GpuOptions::new()).await.map(Some),
///         None => Ok(None),
///     }
/// }
/// # pollster::block_on(open())?;
/// # Ok::<(), shadernet::Error>(())
/// ```
pub async fn adapters_async(backend: Option<Backend>) -> Vec<wgpu::Adapter> {
    list(backend.map_or(wgpu::Backends::all(), Backend::to_wgpu)).await
}

async fn list(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let span = tracing::debug_span!("list adapters", ?backends);
    #[cfg(feature = "fault-injection")]
    crash_for_tests(backends);
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        // The validation layers cost time and print to standard error; WGPU_VALIDATION=1 and
        // WGPU_DEBUG=1 bring them back.
        flags: wgpu::InstanceFlags::empty().with_env(),
        backend_options: wgpu::BackendOptions {
            dx12: wgpu::Dx12BackendOptions {
                shader_compiler: dx12_compiler::configured(),
                ..Default::default()
            },
            ..Default::default()
        },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let listing = instance.enumerate_adapters(backends).instrument(span);
    let mut adapters = listing.await;
    adapters.retain(|adapter| {
        let flags = adapter.get_downlevel_capabilities().flags;
        flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
    });
    adapters
}

/// Ends the process as a driver that crashes would, where tests want that when one of `backends` lists its adapters:
/// `SHADERNET_TEST_CRASH` has backends as wgpu names them, separated by commas.
#[cfg(feature = "fault-injection")]
fn crash_for_tests(backends: wgpu::Backends) {
    if is_named_for_tests("SHADERNET_TEST_CRASH", backends) {
        std::process::abort();
    }
}

/// The same when an adapter is opened: `SHADERNET_TEST_CRASH_OPENING`.
#[cfg(feature = "fault-injection")]
pub(super) fn crash_opening_for_tests(info: &wgpu::AdapterInfo) {
    if is_named_for_tests("SHADERNET_TEST_CRASH_OPENING", info.backend.into()) {
        std::process::abort();
    }
}

#[cfg(feature = "fault-injection")]
fn is_named_for_tests(variable: &str, backends: wgpu::Backends) -> bool {
    let named = std::env::var(variable).unwrap_or_default();
    let mut named = named.split(',').filter_map(|name| name.parse().ok());
    named.any(|backend: Backend| backends.intersects(backend.to_wgpu()))
}

/// Whether an adapter is software: a driver that computes on the CPU.
pub fn is_software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
}

/// What an adapter is: `discrete`, `integrated`, `virtual`, `software` or `other`.
pub fn adapter_kind(info: &wgpu::AdapterInfo) -> &'static str {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    }
}

/// Which adapter the caller or the environment asks for.
struct Request {
    backends: wgpu::Backends,
    /// A part of the adapter's name.
    name: Option<String>,
    /// A description for messages; `None` where nothing in particular is asked for.
    description: Option<String>,
}

impl Request {
    /// The caller's arguments take precedence over `WGPU_BACKEND` and `WGPU_ADAPTER_NAME`.
    fn new(backend: Option<Backend>, name: Option<&str>) -> Self {
        let from_environment = wgpu::Backends::from_env();
        let name = (name.map(str::to_owned))
            .or_else(|| std::env::var("WGPU_ADAPTER_NAME").ok())
            .filter(|name| !name.is_empty());
        let mut conditions = Vec::new();
        match (backend, from_environment) {
            (Some(backend), _) => conditions.push(format!("backend {}", backend.name())),
            (None, Some(_)) => {
                // As it was given: wgpu takes an unknown name for no backend.
                let given = std::env::var("WGPU_BACKEND").unwrap_or_default();
                conditions.push(format!("WGPU_BACKEND={}", printable::name(&given)));
            }
            (None, None) => {}
        }
        if let Some(name) = &name {
            conditions.push(format!("a name that contains '{name}'"));
        }
        Self {
            backends: (backend.map(Backend::to_wgpu))
                .or(from_environment)
                .unwrap_or(wgpu::Backends::all()),
            name,
            description: (!conditions.is_empty()).then(|| conditions.join(" and ")),
        }
    }
}

/// Opens the best adapter for a request: discrete before integrated before software, in wgpu's order among equals.
/// `WGPU_POWER_PREF=low` puts integrated first. Where an adapter cannot be opened, the next one is, with a warning;
/// but not where one is asked for by name.
///
/// Where nothing in particular is requested, software adapters are skipped: they compute on the CPU more slowly than
/// the CPU backend (see `docs/architecture.md`), and are installed on many machines by default. The inner `Err` is
/// then the reason why no adapter was opened.
///
/// # Errors
/// [`Error::NoAdapter`] where no adapter matches the request, with a list of the adapters found;
/// [`Error::Device`] where the driver of a requested one refuses.
pub(crate) async fn open_best(
    backend: Option<Backend>,
    name: Option<&str>,
    options: &GpuOptions,
) -> Result<Result<Gpu, String>> {
    let request = Request::new(backend, name);
    let mut found = list(request.backends - wgpu::Backends::GL).await;
    let mut failed = Vec::new();
    let mut tried = 0;
    if request.name.is_none() {
        if let Some(gpu) = open_first(&request, &found, options, &mut failed).await? {
            return Ok(Ok(gpu));
        }
        tried = found.len();
    }
    // OpenGL comes last, and is not initialized where another backend has an adapter that works.
    if request.backends.contains(wgpu::Backends::GL) {
        found.extend(list(wgpu::Backends::GL).await);
    }
    if let Some(gpu) = open_first(&request, &found[tried..], options, &mut failed).await? {
        return Ok(Ok(gpu));
    }
    if let Some(last) = failed.pop() {
        return match request.description {
            Some(_) => Err(last),
            None => Ok(Err(not_opened(failed.iter().chain([&last])))),
        };
    }
    match &request.description {
        Some(description) => {
            let reason = no_match(description, request.backends).await;
            Err(Error::NoAdapter(reason))
        }
        None if found.is_empty() => Ok(Err(format!("no GPU was found; {GPU_ADVICE}"))),
        None => Ok(Err(format!(
            "no GPU was found but slower software, which runs where it is asked for by name: {}; {GPU_ADVICE}",
            names(&found)
        ))),
    }
}

/// Opens the best of `found`, or the next best where that fails. Adds the errors to `failed`.
async fn open_first(
    request: &Request,
    found: &[wgpu::Adapter],
    options: &GpuOptions,
    failed: &mut Vec<Error>,
) -> Result<Option<Gpu>> {
    for adapter in candidates(request, found) {
        match Gpu::open_async(adapter, options).await {
            Ok(gpu) => {
                if !failed.is_empty() {
                    let reason = not_opened(failed.iter());
                    let name = printable::name(&gpu.info().name);
                    gpu.warn(format!("running on {name}: {reason}"));
                }
                return Ok(Some(gpu));
            }
            Err(error) if request.name.is_some() => return Err(error),
            Err(error) => failed.push(error),
        }
    }
    Ok(None)
}

fn not_opened<'a>(errors: impl Iterator<Item = &'a Error>) -> String {
    let reasons: Vec<String> = errors.map(|error| error.report().to_string()).collect();
    format!(
        "a better adapter cannot be opened ({}); update its driver, or select an adapter by name",
        reasons.join("; ")
    )
}

/// The adapters of `found` that match a request, the best first.
fn candidates<'a>(request: &Request, found: &'a [wgpu::Adapter]) -> Vec<&'a wgpu::Adapter> {
    let low_power = matches!(
        wgpu::PowerPreference::from_env(),
        Some(wgpu::PowerPreference::LowPower)
    );
    let rank = |adapter: &wgpu::Adapter| match (adapter.get_info().device_type, low_power) {
        (wgpu::DeviceType::DiscreteGpu, false) | (wgpu::DeviceType::IntegratedGpu, true) => 0,
        (wgpu::DeviceType::IntegratedGpu, false) | (wgpu::DeviceType::DiscreteGpu, true) => 1,
        (wgpu::DeviceType::VirtualGpu, _) => 2,
        (wgpu::DeviceType::Other, _) => 3,
        (wgpu::DeviceType::Cpu, _) => 4,
    };
    let matches = |adapter: &&wgpu::Adapter| {
        let info = adapter.get_info();
        match (&request.name, &request.description) {
            (Some(name), _) => info.name.to_lowercase().contains(&name.to_lowercase()),
            (None, Some(_)) => true,
            (None, None) => !is_software(&info) || is_hardware_for_tests(&info),
        }
    };
    // Sorting is stable, so wgpu's own order decides among equals.
    let mut candidates: Vec<&wgpu::Adapter> = found.iter().filter(matches).collect();
    candidates.sort_by_key(|adapter| rank(adapter));
    candidates
}

/// Whether tests want a software adapter to be taken for hardware: `SHADERNET_TEST_HARDWARE` has backends as wgpu
/// names them, separated by commas.
fn is_hardware_for_tests(info: &wgpu::AdapterInfo) -> bool {
    let taken = match cfg!(feature = "fault-injection") {
        true => std::env::var("SHADERNET_TEST_HARDWARE").unwrap_or_default(),
        false => String::new(),
    };
    taken.split(',').any(|name| name == info.backend.to_str())
}

/// The message where no adapter matches a request: the adapters found, and what to do.
async fn no_match(description: &str, backends: wgpu::Backends) -> String {
    let all = list(wgpu::Backends::all()).await;
    let found = match all.is_empty() {
        true => "no GPU adapter was found at all".to_owned(),
        false => format!("found: {}", names(&all)),
    };
    let missing = |backend: wgpu::Backends| {
        let is = |adapter: &wgpu::Adapter| backend.contains(adapter.get_info().backend.into());
        backends.intersects(backend) && !all.iter().any(is)
    };
    let message = format!("no GPU adapter matches {description}; {found}");
    if backends.is_empty() {
        format!("{message}; the backends are vulkan, metal, dx12 and gl")
    } else if !backends.intersects(wgpu::Instance::enabled_backend_features()) {
        let os = std::env::consts::OS;
        format!("{message}; there is no such backend on {os}")
    } else if missing(wgpu::Backends::VULKAN) {
        format!("{message}; {DRIVER_ADVICE}")
    } else {
        message
    }
}

fn names(adapters: &[wgpu::Adapter]) -> String {
    let name = |adapter: &wgpu::Adapter| {
        let info = adapter.get_info();
        format!("{} ({})", printable::name(&info.name), info.backend)
    };
    adapters.iter().map(name).collect::<Vec<_>>().join(", ")
}

const GPU_ADVICE: &str = "if this machine has a GPU, install its Vulkan driver (Intel and AMD on Debian and Ubuntu: \
    apt-get install mesa-vulkan-drivers)";

const DRIVER_ADVICE: &str = "to get one, install your GPU's Vulkan driver, or a software one \
    (Debian, Ubuntu: apt-get install mesa-vulkan-drivers; Fedora: dnf install mesa-vulkan-drivers; \
    Arch: pacman -S vulkan-swrast)";
