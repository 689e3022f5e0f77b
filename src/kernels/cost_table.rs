//! The numbers that kernel selection weighs: one table for each class of device.

/// What kind of device kernels are selected for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum DeviceClass {
    /// The CPU behind a graphics API, such as lavapipe or llvmpipe.
    Software,
    /// A GPU that shares memory with the CPU.
    Integrated,
    /// A GPU with memory of its own; also a virtual or unknown one.
    #[default]
    Discrete,
}

/// What [`select`](super::select()) weighs. Only ratios between costs matter: on GPUs their unit is a cycle, in software a
/// hundredth of a microsecond of one core of the device on which they were measured.
#[derive(Debug)]
pub(crate) struct CostTable {
    /// The cost of one subgroup of `conv2d_subgroup.wgsl` for one N tile and four input channels, with
    /// one and with two output pixels per invocation.
    pub subgroup_tile: [u64; 2],
    /// The cost of transforming one element (four channels) of a Winograd tile, for tiles of 2x2 and of
    /// 4x4 outputs; on GPUs, of one compute unit.
    pub winograd_transform: [u64; 2],
    /// Fewer Winograd tiles than this do not pay for the larger weights.
    pub min_winograd_tiles: u64,
    /// Bytes between the steps of Winograd's convolution, at most, unless a single tile of its GEMM takes more: larger
    /// batches and images are transformed in chunks, so that what one step writes is still in a cache when the next reads
    /// it.
    pub winograd_workspace: u64,
    /// The least share, in percent, of a cooperative GEMM that must not be padding. Cooperative matrices
    /// are several times as fast as other arithmetic, but other shaders need not compute the padding.
    pub min_cooperative_use: u64,
    /// Compute units (AMD), multiprocessors (NVIDIA), cores (Apple, Arm): what workgroups are dealt to. For devices whose
    /// own number is not known, since WebGPU does not report it: kernels read `DeviceContext::compute_units`.
    pub compute_units: u32,
    /// Whether tiles in workgroup memory are faster than reading storage buffers directly.
    pub workgroup_memory_helps: bool,
    /// The rows of a fully connected layer for which a team of `linear.wgsl` reads each weight once, at most: 1, 2, 4
    /// or 8.
    pub max_linear_team_rows: u64,
    /// The rows from which on a fully connected layer may be computed as a GEMM instead, and those from which on it is
    /// in any case. In between, the estimates of both are compared where there are any.
    pub linear_gemm_rows: [u64; 2],
    /// The same for the gradient of such a layer, which reads its weights once per row: without estimates.
    pub min_linear_backward_gemm_rows: u64,
}

/// Measured on lavapipe, Mesa's Vulkan driver for the CPU, unless a number says otherwise.
const SOFTWARE: CostTable = CostTable {
    subgroup_tile: [10, 14],
    winograd_transform: [14, 30],
    min_winograd_tiles: 32,
    winograd_workspace: u64::MAX,
    // Not measured: no software device has cooperative matrices.
    min_cooperative_use: 60,
    // Used only where the other shaders are quarantined. Guessed.
    compute_units: 16,
    // llvmpipe's workgroup memory is ordinary memory, so copying to it saves no load.
    workgroup_memory_helps: false,
    max_linear_team_rows: 1,
    linear_gemm_rows: [4, 4],
    min_linear_backward_gemm_rows: 4,
};

/// The 256 and 576 bytes of a transformed element by 12 bytes that a cache moves a cycle for each compute unit; the
/// instructions take half of it (`scripts/gpu-static`).
const GPU_TRANSFORM: [u64; 2] = [21, 48];

/// No number was measured on hardware: those that are not here are the software device's.
const INTEGRATED: CostTable = CostTable {
    // From 8 (Radeon 760M, Apple M1) to 40 (Strix Halo, Apple's Max).
    compute_units: 16,
    winograd_transform: GPU_TRANSFORM,
    // The last cache of those that have one: 32 MB in AMD's Strix Halo, 8 to 48 in Apple's.
    winograd_workspace: 16 << 20,
    // Guessed: it is nearer to the cores than the memory shared with the CPU.
    workgroup_memory_helps: true,
    // The registers of 8 rows leave room for enough subgroups on AMD's GPUs (`scripts/gpu-static`).
    max_linear_team_rows: 8,
    linear_gemm_rows: [4, 33],
    ..SOFTWARE
};

/// No number was measured on hardware: those that are not here are the software device's.
const DISCRETE: CostTable = CostTable {
    // From 28 (RX 6600, GeForce RTX 3060) to 170 (GeForce RTX 5090); a mid-range one.
    compute_units: 60,
    winograd_transform: GPU_TRANSFORM,
    // The last cache of a GPU of 2021 and later: 32 to 128 MB in AMD's, 32 to 128 in NVIDIA's. What it reads beside is
    // in there as well.
    winograd_workspace: 48 << 20,
    // Guessed: it is nearer to the cores than the device's memory.
    workgroup_memory_helps: true,
    // The registers of 8 rows leave room for enough subgroups on AMD's GPUs (`scripts/gpu-static`).
    max_linear_team_rows: 8,
    linear_gemm_rows: [4, 33],
    ..SOFTWARE
};

impl DeviceClass {
    /// The class of an adapter.
    pub fn from_adapter(info: &wgpu::AdapterInfo) -> Self {
        match info.device_type {
            wgpu::DeviceType::Cpu => Self::Software,
            wgpu::DeviceType::IntegratedGpu => Self::Integrated,
            wgpu::DeviceType::DiscreteGpu
            | wgpu::DeviceType::VirtualGpu
            | wgpu::DeviceType::Other => Self::Discrete,
        }
    }

    /// The numbers for devices of this class.
    pub fn costs(self) -> &'static CostTable {
        match self {
            Self::Software => &SOFTWARE,
            Self::Integrated => &INTEGRATED,
            Self::Discrete => &DISCRETE,
        }
    }
}
