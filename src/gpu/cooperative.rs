//! Cooperative matrices: whether a device is to use them, and can.

use wgpu::{AdapterInfo, CooperativeMatrixProperties, CooperativeScalarType, Features};

/// Whether convolutions in float16 may be computed with cooperative matrices (tensor cores), where
/// the device has them: products of 16×16×16, float16 in, float32 out, by subgroups of 32. NVIDIA's
/// Vulkan driver offers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CooperativeMatrices {
    /// They are not used.
    #[default]
    Off,
    /// They are used where the device has them. It is opened with wgpu's experimental features, on
    /// which wgpu says that they may have bugs that are undefined behaviour.
    IfSupported,
    /// The shader computes them by ordinary arithmetic, on any device; and is used where a session
    /// prefers it. Slow: for tests of all that surrounds them.
    Emulated,
}

impl CooperativeMatrices {
    /// How they are computed on a device of `adapter` with these features, if they are.
    pub(super) fn chosen(self, adapter: &wgpu::Adapter, features: Features) -> Option<Cooperative> {
        let is_offered = || {
            let matrices = adapter.cooperative_matrix_properties();
            offered(features, &adapter.get_info(), &matrices)
        };
        match self {
            Self::IfSupported if is_offered() => Some(Cooperative::Native),
            Self::Emulated => Some(Cooperative::Emulated),
            _ => None,
        }
    }
}

/// How products of cooperative matrices are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cooperative {
    /// By the device.
    Native,
    /// By ordinary arithmetic.
    Emulated,
}

/// Invocations a subgroup, as the shader has it.
const LANES: u32 = 32;

/// What the shader needs.
pub(super) fn features() -> Features {
    Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SHADER_F16 | Features::SUBGROUP
}

/// Whether a device with these can run the shader.
fn offered(
    features: Features,
    info: &AdapterInfo,
    matrices: &[CooperativeMatrixProperties],
) -> bool {
    features.contains(self::features())
        && [info.subgroup_min_size, info.subgroup_max_size] == [LANES; 2]
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
    fn all_of_it_is_needed() {
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
        let rough = CooperativeMatrixProperties {
            cr_type: CooperativeScalarType::F16,
            ..half
        };
        assert!(offered(features(), &info, &[small, half]));
        assert!(!offered(features(), &info, &[small, rough]));
        assert!(!offered(features(), &info, &[]));
        assert!(!offered(features() - Features::SHADER_F16, &info, &[half]));
        assert!(!offered(Features::SUBGROUP, &info, &[half]));
        info.subgroup_max_size = 64;
        assert!(!offered(features(), &info, &[half]));
    }
}
