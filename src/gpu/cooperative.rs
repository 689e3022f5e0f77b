//! Cooperative matrices: whether a device supports them, and whether they are used.

use wgpu::{AdapterInfo, CooperativeMatrixProperties, CooperativeScalarType, Features};

/// Whether convolutions in float16 may use cooperative matrices (tensor cores). The device must support
/// products of 16×16×16 with float16 inputs and float32 results, and subgroups of 32. NVIDIA's Vulkan driver
/// does.
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
    Emulated,
}

impl CooperativeMatrices {
    /// How they are computed on a device of `adapter` with these features; `None` where they are not used.
    pub(super) fn select(self, adapter: &wgpu::Adapter, features: Features) -> Option<Cooperative> {
        match self {
            Self::IfSupported if are_emulated_for_tests() => Some(Cooperative::Emulated),
            Self::IfSupported if offers(adapter, features) => Some(Cooperative::Native),
            Self::Emulated => Some(Cooperative::Emulated),
            _ => None,
        }
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
pub(crate) enum Cooperative {
    /// By the device.
    Native,
    /// With ordinary arithmetic.
    Emulated,
}

/// The subgroup size that the shader requires.
const SUBGROUP_SIZE: u32 = 32;

/// The features that the shader requires.
pub(super) fn features() -> Features {
    Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SHADER_F16 | Features::SUBGROUP
}

/// Whether a device of `adapter` with these features can run the shader.
pub(super) fn offers(adapter: &wgpu::Adapter, features: Features) -> bool {
    let matrices = adapter.cooperative_matrix_properties();
    are_emulated_for_tests() || supports(features, &adapter.get_info(), &matrices)
}

/// Whether tests want every adapter to offer cooperative matrices, which are emulated: `SHADERNET_TEST_MATRICES` is
/// `emulated`.
fn are_emulated_for_tests() -> bool {
    cfg!(feature = "fault-injection")
        && std::env::var_os("SHADERNET_TEST_MATRICES").is_some_and(|value| value == "emulated")
}

/// Whether a device with these features, subgroups and matrix sizes can run the shader.
fn supports(
    features: Features,
    info: &AdapterInfo,
    matrices: &[CooperativeMatrixProperties],
) -> bool {
    features.contains(self::features())
        && [info.subgroup_min_size, info.subgroup_max_size] == [SUBGROUP_SIZE; 2]
        && matrices.iter().any(|matrix| {
            [matrix.m_size, matrix.n_size, matrix.k_size] == [16; 3]
                && matrix.ab_type == CooperativeScalarType::F16
                && matrix.cr_type == CooperativeScalarType::F32
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
        let small = CooperativeMatrixProperties { k_size: 8, ..half };
        let half_accumulator = CooperativeMatrixProperties {
            cr_type: CooperativeScalarType::F16,
            ..half
        };
        assert!(supports(features(), &info, &[small, half]));
        assert!(!supports(features(), &info, &[small, half_accumulator]));
        assert!(!supports(features(), &info, &[]));
        assert!(!supports(features() - Features::SHADER_F16, &info, &[half]));
        assert!(!supports(Features::SUBGROUP, &info, &[half]));
        info.subgroup_max_size = 64;
        assert!(!supports(features(), &info, &[half]));
    }
}
