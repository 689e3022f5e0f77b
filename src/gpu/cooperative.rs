//! Cooperative matrices: whether a device supports them, and whether they are used.

use std::fmt;

use wgpu::{AdapterInfo, CooperativeMatrixProperties, CooperativeScalarType, Features};

/// Whether convolutions in float16 may use cooperative matrices (tensor cores). The device must support
/// products of a [`MatrixShape`] with float16 inputs and float32 results. Drivers for NVIDIA's and AMD's GPUs
/// (Vulkan) and Apple's (Metal) do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CooperativeMatrices {
    /// They are not used.
    #[default]
    Off,
    /// They are used where the device supports them and computes them correctly (see
    /// [`Gpu::check_cooperative_matrices`](super::Gpu::check_cooperative_matrices)). The device is opened with wgpu's experimental features,
    /// which according to wgpu may have bugs that are undefined behavior.
    IfSupported,
    /// The shader computes them with ordinary arithmetic, on any device. It is used where a session prefers
    /// it. Slow: for tests of the surrounding code.
    Emulated(MatrixShape),
}

impl CooperativeMatrices {
    /// How they may be computed on a device of `adapter` with these features, the best first; empty where they are
    /// not used.
    pub(super) fn select(self, adapter: &wgpu::Adapter, features: Features) -> Vec<Cooperative> {
        let emulated = |shape| Cooperative {
            shape,
            kind: MatrixKind::Emulated,
        };
        match self {
            Self::Off => Vec::new(),
            Self::IfSupported if are_emulated_for_tests() => vec![emulated(MatrixShape::default())],
            Self::IfSupported => native(adapter, features),
            Self::Emulated(shape) => vec![emulated(shape)],
        }
    }
}

/// The shape of cooperative matrices that shaders multiply, and the invocations of the subgroup that holds one.
///
/// wgpu 30's shading language has square matrices of 8 and 16 only, so that shapes such as 8x16x16 (Intel) cannot be
/// used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixShape {
    side: u32,
    subgroup: u32,
}

impl MatrixShape {
    /// All shapes that shaders have, the best first: 16x16x16 by subgroups of 64 (AMD) and of 32 (NVIDIA, AMD), and
    /// 8x8x8 by subgroups of 32 (Apple).
    pub const ALL: [Self; 3] = [
        Self {
            side: 16,
            subgroup: 64,
        },
        Self {
            side: 16,
            subgroup: 32,
        },
        Self {
            side: 8,
            subgroup: 32,
        },
    ];

    /// Rows and columns of a matrix.
    pub fn side(self) -> u32 {
        self.side
    }

    /// Invocations of a subgroup.
    pub fn subgroup(self) -> u32 {
        self.subgroup
    }
}

impl Default for MatrixShape {
    /// 16x16x16 by subgroups of 32.
    fn default() -> Self {
        Self::ALL[1]
    }
}

impl fmt::Display for MatrixShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side, subgroup } = self;
        write!(f, "{side}x{side}x{side} by subgroups of {subgroup}")
    }
}

/// Whether cooperative matrices compute what they should: see
/// [`Gpu::check_cooperative_matrices`](super::Gpu::check_cooperative_matrices).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatrixCheck {
    /// The adapter does not offer what [`CooperativeMatrices`] needs.
    NotOffered,
    /// The adapter offers them, but the device was opened without them.
    NotUsed,
    /// Their results are those of ordinary arithmetic.
    Verified,
    /// They are not, for this reason. No session uses them.
    Wrong(String),
}

/// How products of cooperative matrices are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cooperative {
    pub shape: MatrixShape,
    pub kind: MatrixKind,
}

/// What computes products of cooperative matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatrixKind {
    /// The device.
    Native,
    /// Ordinary arithmetic.
    Emulated,
}

/// The features that the shaders require.
pub(super) fn features() -> Features {
    Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SHADER_F16 | Features::SUBGROUP
}

/// Whether a device of `adapter` with these features can run the shaders.
pub(super) fn offers(adapter: &wgpu::Adapter, features: Features) -> bool {
    are_emulated_for_tests() || !native(adapter, features).is_empty()
}

/// The device's own matrices.
fn native(adapter: &wgpu::Adapter, features: Features) -> Vec<Cooperative> {
    let info = adapter.get_info();
    let matrices = adapter.cooperative_matrix_properties();
    let shapes = supported(features, &info, &matrices);
    let kind = MatrixKind::Native;
    shapes.map(|shape| Cooperative { shape, kind }).collect()
}

/// Whether tests want every adapter to offer cooperative matrices, which are emulated: `SHADERNET_TEST_MATRICES` is
/// `emulated`.
fn are_emulated_for_tests() -> bool {
    cfg!(feature = "fault-injection")
        && std::env::var_os("SHADERNET_TEST_MATRICES").is_some_and(|value| value == "emulated")
}

/// The shapes that a device with these features, subgroups and matrix sizes may support. Where subgroups have several
/// sizes, wgpu does not tell which of them a shader has; the check of the matrices finds it.
fn supported(
    features: Features,
    info: &AdapterInfo,
    matrices: &[CooperativeMatrixProperties],
) -> impl Iterator<Item = MatrixShape> {
    let has_features = features.contains(self::features());
    let subgroups = info.subgroup_min_size..=info.subgroup_max_size;
    MatrixShape::ALL.into_iter().filter(move |shape| {
        has_features
            && subgroups.contains(&shape.subgroup)
            && matrices.iter().any(|matrix| {
                [matrix.m_size, matrix.n_size, matrix.k_size] == [shape.side; 3]
                    && matrix.ab_type == CooperativeScalarType::F16
                    && matrix.cr_type == CooperativeScalarType::F32
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_subgroup_size_and_matrix_types_are_all_required() {
        let mut info = AdapterInfo::new(wgpu::DeviceType::DiscreteGpu, wgpu::Backend::Vulkan);
        (info.subgroup_min_size, info.subgroup_max_size) = (32, 32);
        let half = CooperativeMatrixProperties {
            m_size: 16,
            n_size: 16,
            k_size: 16,
            ab_type: CooperativeScalarType::F16,
            cr_type: CooperativeScalarType::F32,
            saturating_accumulation: false,
        };
        let uneven = CooperativeMatrixProperties { m_size: 8, ..half };
        let small = CooperativeMatrixProperties {
            n_size: 8,
            k_size: 8,
            ..uneven
        };
        let half_accumulator = CooperativeMatrixProperties {
            cr_type: CooperativeScalarType::F16,
            ..half
        };
        let shapes = |features, info: &AdapterInfo, matrices: &[_]| -> Vec<[u32; 2]> {
            supported(features, info, matrices)
                .map(|shape| [shape.side, shape.subgroup])
                .collect()
        };
        let all = features();
        assert_eq!(shapes(all, &info, &[uneven, half]), [[16, 32]]);
        assert_eq!(shapes(all, &info, &[small]), [[8, 32]]);
        assert_eq!(shapes(all, &info, &[small, half]), [[16, 32], [8, 32]]);
        let none: [[u32; 2]; 0] = [];
        assert_eq!(shapes(all, &info, &[uneven, half_accumulator]), none);
        assert_eq!(shapes(all - Features::SHADER_F16, &info, &[half]), none);
        assert_eq!(shapes(Features::SUBGROUP, &info, &[half]), none);
        info.subgroup_max_size = 64;
        assert_eq!(shapes(all, &info, &[half]), [[16, 64], [16, 32]]);
        info.subgroup_min_size = 64;
        assert_eq!(shapes(all, &info, &[half, small]), [[16, 64]]);
    }
}
