//! Which adapter runs: chosen by type, or named.

use crate::error::{Error, Result, UnknownName};

/// A graphics API, or the CPU twin in place of one.
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
    /// No GPU: the CPU twin.
    Cpu,
}

impl Backend {
    /// Every backend with the name it goes by.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Vulkan, "vulkan"),
        (Self::Gl, "gl"),
        (Self::Metal, "metal"),
        (Self::Dx12, "dx12"),
        (Self::Cpu, "cpu"),
    ];

    /// The name it goes by, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vulkan => "vulkan",
            Self::Gl => "gl",
            Self::Metal => "metal",
            Self::Dx12 => "dx12",
            Self::Cpu => "cpu",
        }
    }

    fn to_wgpu(self) -> wgpu::Backends {
        match self {
            Self::Vulkan => wgpu::Backends::VULKAN,
            Self::Gl => wgpu::Backends::GL,
            Self::Metal => wgpu::Backends::METAL,
            Self::Dx12 => wgpu::Backends::DX12,
            Self::Cpu => wgpu::Backends::empty(),
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

/// Every adapter of the machine on the given backends (all of them where `None`), as wgpu lists
/// them. Adapters that cannot run a compute shader are left out.
pub fn adapters(backend: Option<Backend>) -> Vec<wgpu::Adapter> {
    list(backend.map_or(wgpu::Backends::all(), Backend::to_wgpu))
}

pub(super) fn list(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let _span = tracing::debug_span!("list adapters", ?backends).entered();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        // The validation layers cost time and print to standard error; WGPU_VALIDATION=1 and
        // WGPU_DEBUG=1 bring them back.
        flags: wgpu::InstanceFlags::empty().with_env(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut adapters = pollster::block_on(instance.enumerate_adapters(backends));
    adapters.retain(|adapter| {
        let flags = adapter.get_downlevel_capabilities().flags;
        flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
    });
    adapters
}

/// Whether an adapter is a program on the CPU that plays a GPU.
pub fn is_software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
}

/// What was asked for, from the caller or the environment.
struct Request {
    backends: wgpu::Backends,
    name: Option<String>,
    /// The words for it, where anything was asked for.
    words: Option<String>,
}

impl Request {
    /// The caller's wish comes first; what it leaves open, `WGPU_BACKEND` and `WGPU_ADAPTER_NAME`
    /// may say.
    fn new(backend: Option<Backend>, name: Option<&str>) -> Self {
        let from_environment = wgpu::Backends::from_env();
        let name = (name.map(str::to_owned))
            .or_else(|| std::env::var("WGPU_ADAPTER_NAME").ok())
            .filter(|name| !name.is_empty());
        let mut words = Vec::new();
        match (backend, from_environment) {
            (Some(backend), _) => words.push(format!("backend {}", backend.name())),
            (None, Some(backends)) => words.push(format!("WGPU_BACKEND ({backends:?})")),
            (None, None) => {}
        }
        if let Some(name) = &name {
            words.push(format!("a name that contains '{name}'"));
        }
        Self {
            backends: (backend.map(Backend::to_wgpu))
                .or(from_environment)
                .unwrap_or(wgpu::Backends::all()),
            name,
            words: (!words.is_empty()).then(|| words.join(" and ")),
        }
    }
}

/// The best adapter for a wish: discrete before integrated before software, as listed among equals.
/// `WGPU_POWER_PREF=low` puts integrated first.
///
/// Without any wish, software OpenGL is passed over: it is the CPU by a detour that is slower than
/// the CPU twin (see `docs/architecture.md`), and is there on machines whose owner never thought of
/// it. The inner `Err` says why nothing was chosen though nothing in particular was wanted.
///
/// # Errors
/// [`Error::NoAdapter`] where what was asked for is not there, listing what is.
pub(crate) fn choose(
    backend: Option<Backend>,
    name: Option<&str>,
) -> Result<Result<wgpu::Adapter, String>> {
    let request = Request::new(backend, name);
    // OpenGL comes last, and is not even started where another backend has an adapter.
    let mut found = list(request.backends - wgpu::Backends::GL);
    if found.is_empty() || request.name.is_some() {
        found.extend(list(request.backends & wgpu::Backends::GL));
    }
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
    let wanted = |adapter: &&wgpu::Adapter| {
        let info = adapter.get_info();
        match (&request.name, &request.words) {
            (Some(name), _) => info.name.to_lowercase().contains(&name.to_lowercase()),
            (None, Some(_)) => true,
            (None, None) => !(is_software(&info) && info.backend == wgpu::Backend::Gl),
        }
    };
    // Sorting is stable, so wgpu's own order decides among equals.
    let mut candidates: Vec<&wgpu::Adapter> = found.iter().filter(wanted).collect();
    candidates.sort_by_key(|adapter| rank(adapter));
    match (candidates.first(), &request.words) {
        (Some(adapter), _) => Ok(Ok((*adapter).clone())),
        (None, Some(words)) => Err(Error::NoAdapter(refusal(words, request.backends))),
        (None, None) if found.is_empty() => {
            Ok(Err(format!("no GPU adapter was found; {HOW_TO_GET_ONE}")))
        }
        (None, None) => Ok(Err(format!(
            "no GPU adapter was found but {}, which is slower software; {HOW_TO_GET_ONE}",
            names(&found)
        ))),
    }
}

/// Why nothing answers a wish, and what there is instead.
fn refusal(words: &str, backends: wgpu::Backends) -> String {
    let there = list(wgpu::Backends::all());
    let others = match there.is_empty() {
        true => "no GPU adapter was found at all".to_owned(),
        false => format!("found: {}", names(&there)),
    };
    let missing = |backend: wgpu::Backends| {
        let is = |adapter: &wgpu::Adapter| backend.contains(adapter.get_info().backend.into());
        backends.intersects(backend) && !there.iter().any(is)
    };
    let advice = if !backends.intersects(wgpu::Instance::enabled_backend_features()) {
        format!("there is no such backend on {}", std::env::consts::OS)
    } else if missing(wgpu::Backends::VULKAN) {
        HOW_TO_GET_ONE.to_owned()
    } else {
        "`shadernet devices` says more of each".to_owned()
    };
    format!("no GPU adapter answers to {words}; {others}; {advice}")
}

fn names(adapters: &[wgpu::Adapter]) -> String {
    let name = |adapter: &wgpu::Adapter| {
        let info = adapter.get_info();
        format!("{} ({})", info.name, info.backend)
    };
    adapters.iter().map(name).collect::<Vec<_>>().join(", ")
}

const HOW_TO_GET_ONE: &str = "for one, install your GPU's Vulkan driver, or a software one \
    (Debian, Ubuntu: apt-get install mesa-vulkan-drivers; Fedora: dnf install mesa-vulkan-drivers; \
    Arch: pacman -S vulkan-swrast)";
