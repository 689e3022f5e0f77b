//! The devices that GPU tests run on. A missing backend fails the tests, so that a green run means that the
//! shaders ran.

use std::sync::OnceLock;

use shadernet::device::{Device, DeviceOptions};
use shadernet::gpu::{Backend, CooperativeMatrices, Gpu, GpuOptions, MatrixShape, adapters};
use shadernet::wgpu::{DeviceDescriptor, Features, Limits};

/// `SHADERNET_TEST_BACKENDS` (a list such as `vulkan,gl`), or the backends of the platform.
pub fn backends() -> Vec<Backend> {
    let platform = match std::env::consts::OS {
        "macos" | "ios" => "metal",
        "windows" => "dx12,vulkan",
        _ => "vulkan,gl",
    };
    let list = std::env::var("SHADERNET_TEST_BACKENDS").unwrap_or(platform.to_owned());
    list.split(',')
        .map(|name| name.trim().parse().unwrap())
        .collect()
}

/// Each backend with runtime checks off and on, opened once per process.
#[allow(dead_code, reason = "not every test file uses every list")]
pub fn devices() -> &'static [(String, Device)] {
    static DEVICES: OnceLock<Vec<(String, Device)>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let mut devices = Vec::new();
        for backend in backends() {
            for runtime_checks in [false, true] {
                let options = DeviceOptions::new()
                    .backend(backend)
                    .gpu(GpuOptions::new().runtime_checks(runtime_checks));
                let device = Device::open(&options).unwrap_or_else(|error| {
                    panic!("{error}\n`scripts/test` installs software adapters for the tests")
                });
                let checks = if runtime_checks {
                    "checked"
                } else {
                    "unchecked"
                };
                devices.push((format!("{} {checks}", backend.name()), device));
            }
        }
        devices
    })
}

/// As [`devices`], and the CPU.
#[allow(dead_code, reason = "not every test file uses every list")]
pub fn devices_and_cpu() -> &'static [(String, Device)] {
    static DEVICES: OnceLock<Vec<(String, Device)>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let cpu = ("cpu".to_owned(), Device::cpu());
        devices().iter().cloned().chain([cpu]).collect()
    })
}

/// Each backend, its cooperative matrices emulated in every shape, with runtime checks off and on.
#[allow(dead_code, reason = "not every test file uses every list")]
pub fn with_matrices_emulated() -> &'static [(String, Device)] {
    static DEVICES: OnceLock<Vec<(String, Device)>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let open = |(backend, shape, runtime_checks)| {
            let gpu = GpuOptions::new()
                .runtime_checks(runtime_checks)
                .cooperative_matrices(CooperativeMatrices::Emulated(shape));
            let options = DeviceOptions::new().backend(backend).gpu(gpu);
            let name = Backend::name(backend);
            let name = format!("{name} emulated, {shape}, checked: {runtime_checks}");
            (name, Device::open(&options).unwrap())
        };
        let each = |backend| {
            let of_shape = move |shape| [(backend, shape, false), (backend, shape, true)];
            MatrixShape::ALL.into_iter().flat_map(of_shape)
        };
        backends().into_iter().flat_map(each).map(open).collect()
    })
}

/// Each backend, opened with cooperative matrices if its adapter has them.
#[allow(dead_code, reason = "not every test file uses every list")]
pub fn with_matrices() -> Vec<(String, Device)> {
    let open = |backend: Backend| {
        let gpu = GpuOptions::new().cooperative_matrices(CooperativeMatrices::IfSupported);
        let options = DeviceOptions::new().backend(backend).gpu(gpu);
        let name = format!("{} with matrices", backend.name());
        (name, Device::open(&options).unwrap())
    };
    backends().into_iter().map(open).collect()
}

/// Each backend without runtime checks, on a new device, so that its counters are the caller's alone.
#[allow(dead_code, reason = "not every test file uses every list")]
pub fn open_all() -> Vec<(String, Device)> {
    let open = |backend: Backend| {
        let options = DeviceOptions::new().backend(backend);
        (backend.name().to_owned(), Device::open(&options).unwrap())
    };
    backends().into_iter().map(open).collect()
}

/// Each backend without runtime checks, the CPU, and the reference backend as the last.
#[allow(dead_code, reason = "not every test file uses every list")]
pub fn all_devices() -> Vec<(String, Device)> {
    let unchecked = devices()
        .iter()
        .filter(|(name, _)| name.ends_with(" unchecked"));
    unchecked
        .cloned()
        .chain([("cpu".to_owned(), Device::cpu())])
        .chain([("reference".to_owned(), Device::reference())])
        .collect()
}

/// Each backend with a device of our own that was opened without subgroups, runtime checks off and on.
#[allow(dead_code, reason = "not every test file uses every list")]
pub fn without_subgroups() -> &'static [(String, Device)] {
    static DEVICES: OnceLock<Vec<(String, Device)>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let open = |(backend, runtime_checks)| {
            let device = open_with(backend, Features::empty(), |_| (), runtime_checks);
            let checks = if runtime_checks { "" } else { "un" };
            let name = Backend::name(backend);
            (format!("{name} {checks}checked without subgroups"), device)
        };
        let each = |backend| [(backend, false), (backend, true)];
        backends().into_iter().flat_map(each).map(open).collect()
    })
}

/// Each backend with devices of our own for which kernels are selected as on a discrete GPU: with the subgroups that the
/// adapter has and without any, runtime checks off and on.
#[allow(dead_code, reason = "not every test file uses every list")]
pub fn as_discrete() -> &'static [(String, Device)] {
    static DEVICES: OnceLock<Vec<(String, Device)>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let open = |(backend, features, runtime_checks)| {
            let options = GpuOptions::new()
                .runtime_checks(runtime_checks)
                .as_discrete(true);
            let device = open_with_options(backend, features, |_| (), &options);
            let name = Backend::name(backend);
            let name = format!("{name} as discrete, {features:?}, checked: {runtime_checks}");
            (name, device)
        };
        let features = [Features::empty(), Features::SUBGROUP];
        let each = |backend| {
            let forms = features.map(|of| [(backend, of, false), (backend, of, true)]);
            forms.into_iter().flatten()
        };
        backends().into_iter().flat_map(each).map(open).collect()
    })
}

/// Each backend with devices of our own that bind at most `bytes` at once, without subgroups and with
/// those that the adapter has.
#[allow(dead_code, reason = "not every test file uses every list")]
pub fn with_binding_limit(bytes: u64) -> Vec<(String, Device)> {
    let open = |(backend, features)| {
        let lower = |limits: &mut Limits| limits.max_storage_buffer_binding_size = bytes;
        let device = open_with(backend, features, lower, true);
        let name = Backend::name(backend);
        (
            format!("{name} at most {bytes} bytes, {features:?}"),
            device,
        )
    };
    let each = |backend| [(backend, Features::empty()), (backend, Features::SUBGROUP)];
    backends().into_iter().flat_map(each).map(open).collect()
}

/// A host's device, opened with WebGPU's default limits and no features.
#[allow(dead_code, reason = "not every test file uses every list")]
pub fn with_defaults(backend: Backend) -> Device {
    let adapter = adapters(Some(backend)).swap_remove(0);
    let descriptor = DeviceDescriptor::default();
    assert_eq!(descriptor.required_limits, Limits::default());
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    assert_eq!(device.features(), Features::empty());
    Gpu::from_wgpu(&adapter, device, queue).into()
}

/// A device with those of `features` that the adapter has, and no other optional features.
fn open_with(
    backend: Backend,
    features: Features,
    change: impl Fn(&mut Limits),
    runtime_checks: bool,
) -> Device {
    let options = GpuOptions::new().runtime_checks(runtime_checks);
    open_with_options(backend, features, change, &options)
}

fn open_with_options(
    backend: Backend,
    features: Features,
    change: impl Fn(&mut Limits),
    options: &GpuOptions,
) -> Device {
    let adapter = adapters(Some(backend)).swap_remove(0);
    let mut limits = adapter.limits();
    change(&mut limits);
    let descriptor = DeviceDescriptor {
        required_features: adapter.features() & features,
        required_limits: limits,
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    Gpu::from_wgpu_with(&adapter, device, queue, options).into()
}
