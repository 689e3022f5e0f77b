//! The tiles of `shared/conv2d_cooperative.wgsl`.

use super::super::{ConvAlgorithm, DeviceContext};
use super::problem::{GemmProblem, N_TILE};
use super::tiles::StepLoop;
use crate::gpu::{Cooperative, MatrixKind, MatrixShape, Precision};

/// A tile: what a workgroup computes, and the matrices that its subgroups hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CooperativeTile {
    /// Output pixels (M).
    pub pixels: u32,
    /// Output channels (N), a multiple of 16.
    pub channels: u32,
    /// Matrices of sums along M and N of a subgroup; see [`Self::matrices`].
    most_matrices: [u32; 2],
    /// Input elements of a step along K, an even number.
    k_step_c4: u32,
}

/// All tiles, the largest first. A subgroup of 64 computes 32 products of matrices in a step along K, so that loads and
/// addresses are a small share.
pub(crate) const COOPERATIVE_TILES: [CooperativeTile; 4] = [
    CooperativeTile::new([128, 128], [4, 4], 8),
    CooperativeTile::new([128, 64], [4, 4], 8),
    CooperativeTile::new([64, 64], [4, 2], 16),
    CooperativeTile::new([32, 128], [2, 4], 16),
];

impl CooperativeTile {
    const fn new([pixels, channels]: [u32; 2], most_matrices: [u32; 2], k_step_c4: u32) -> Self {
        Self {
            pixels,
            channels,
            most_matrices,
            k_step_c4,
        }
    }

    /// The tile of this size.
    pub fn of(pixels: u32, channels: u32) -> Option<Self> {
        let size = [pixels, channels];
        let mut all = COOPERATIVE_TILES.into_iter();
        all.find(|tile| [tile.pixels, tile.channels] == size)
    }

    /// N tiles.
    pub fn n_tiles(self) -> u32 {
        self.channels / N_TILE as u32
    }

    /// Input elements of a step along K.
    pub fn k_step_c4(self) -> u32 {
        self.k_step_c4
    }

    /// Matrices of sums along M and N of a subgroup. The invocations of a subgroup of 32 have registers for half as many
    /// of 16x16 as those of 64.
    fn matrices(self, shape: MatrixShape) -> [u32; 2] {
        match ([shape.side(), shape.subgroup()], self.most_matrices) {
            ([16, 32], [m, n]) if m > n => [m / 2, n],
            ([16, 32], [m, n]) => [m, n / 2],
            (_, most) => most,
        }
    }

    /// Its name.
    pub fn algorithm(self) -> ConvAlgorithm {
        ConvAlgorithm::Cooperative {
            pixels: self.pixels,
            channels: self.channels,
        }
    }

    fn subgroups(self, shape: MatrixShape) -> u32 {
        let [m, n] = self.matrices(shape).map(|count| count * shape.side());
        (self.pixels / m) * (self.channels / n)
    }

    /// Invocations of a workgroup.
    pub fn invocations(self, shape: MatrixShape) -> u32 {
        self.subgroups(shape) * shape.subgroup()
    }

    /// Bytes of a workgroup's memory.
    fn workgroup_bytes(self, shape: MatrixShape) -> u32 {
        // A pair of elements more in a row.
        let row = (self.k_step_c4 + 2) * Precision::F16.element_bytes() as u32;
        let staging = self.subgroups(shape) * shape.side() * shape.side() * 4;
        (self.pixels + self.channels) * row + staging
    }

    /// Whether a device can run it with matrices of this shape.
    pub fn fits(self, shape: MatrixShape, limits: &wgpu::Limits) -> bool {
        let most =
            (limits.max_compute_invocations_per_workgroup).min(limits.max_compute_workgroup_size_x);
        self.invocations(shape) <= most
            && self.workgroup_bytes(shape) <= limits.max_compute_workgroup_storage_size
    }

    /// The shader's constants.
    pub fn constants(self, cooperative: Cooperative) -> Vec<(&'static str, u32)> {
        let [m, n] = self.matrices(cooperative.shape);
        let mut constants = vec![
            ("TILE_M", self.pixels),
            ("TILE_N", self.channels),
            ("M_MATRICES", m),
            ("N_MATRICES", n),
            ("K_STEP_C4", self.k_step_c4),
            ("SUBGROUP_SIZE", cooperative.shape.subgroup()),
        ];
        if cooperative.kind == MatrixKind::Emulated {
            constants.push(("MATRIX_SIZE", cooperative.shape.side()));
        }
        constants
    }

    /// The share of the work that is not padding, in percent.
    pub fn use_percent(self, gemm: &GemmProblem) -> u64 {
        let [inputs, outputs] = [gemm.group_inputs, gemm.group_outputs].map(|n| n as u64);
        let all = gemm.m.next_multiple_of(u64::from(self.pixels))
            * outputs.next_multiple_of(u64::from(self.channels))
            * inputs.next_multiple_of(u64::from(4 * self.k_step_c4));
        100 * gemm.m * outputs * inputs / all.max(1)
    }

    /// The estimated time for a GEMM, in cycles. The numbers are those of AMD's RDNA3, in machine code of these tiles.
    pub fn cycles(self, gemm: &GemmProblem, shape: MatrixShape, device: &DeviceContext) -> u64 {
        /// Cycles of a SIMD for 16x16x16 multiply-adds, and for the rest of a step: for each pair of elements that an
        /// invocation loads, and for the other instructions.
        const PRODUCT: u64 = 32;
        const PAIR: u64 = 28;
        const OTHER: u64 = 220;
        let subgroups = u64::from(self.subgroups(shape));
        let step_k = u64::from(4 * self.k_step_c4);
        let products = u64::from(self.pixels) * u64::from(self.channels) * step_k / subgroups;
        let pairs = (self.pixels + self.channels) * self.k_step_c4 / 2 / self.invocations(shape);
        let steps = StepLoop {
            steps: gemm.steps(self.k_step_c4),
            subgroups,
            resident: 4,
            step: products / 4096 * PRODUCT + u64::from(pairs) * PAIR + OTHER,
            latency: 300,
        };
        steps.cycles(
            gemm.workgroups([self.pixels, self.channels]),
            device.compute_units,
        )
    }
}

/// The smallest tile that a device can run.
pub(crate) fn smallest_cooperative(device: &DeviceContext) -> Option<ConvAlgorithm> {
    let shape = device.cooperative?.shape;
    let fitting = COOPERATIVE_TILES.into_iter();
    let fitting = fitting.filter(|tile| tile.fits(shape, &device.limits));
    let smallest = fitting.min_by_key(|tile| tile.pixels * tile.channels)?;
    Some(smallest.algorithm())
}

#[cfg(test)]
mod tests {
    use super::super::tiles::LARGEST_K_STEP_C4;
    use super::*;

    #[test]
    fn tiles_are_whole() {
        let limits = wgpu::Limits {
            max_compute_workgroup_storage_size: 32_768,
            ..wgpu::Limits::default()
        };
        for tile in COOPERATIVE_TILES {
            assert_eq!(tile.channels % N_TILE as u32, 0);
            for shape in MatrixShape::ALL {
                if !tile.fits(shape, &limits) {
                    continue;
                }
                let [rows, columns] = tile.matrices(shape);
                // What `MAX_MATRICES` and `MAX_SUMS` of the shader hold.
                assert!(rows <= 4 && rows * columns <= 16, "{tile:?}");
                let [m, n] = [rows, columns].map(|count| count * shape.side());
                assert_eq!([tile.pixels % m, tile.channels % n], [0, 0], "{tile:?}");
                assert_eq!(4 * tile.k_step_c4 % shape.side(), 0, "{tile:?}");
                assert_eq!(LARGEST_K_STEP_C4 as u32 % tile.k_step_c4, 0, "{tile:?}");
                // What `MAX_LOADS` of the shader holds.
                let pairs = tile.pixels.max(tile.channels) * tile.k_step_c4 / 2;
                let loads = pairs.div_ceil(tile.invocations(shape));
                assert!(loads <= 8, "{tile:?} {shape}");
            }
        }
    }

    #[test]
    fn small_devices_run_few_tiles() {
        let fitting = |shape, limits: &wgpu::Limits| {
            let all = COOPERATIVE_TILES.into_iter();
            let fitting = all.filter(|tile| tile.fits(shape, limits));
            fitting
                .map(|it| [it.pixels, it.channels])
                .collect::<Vec<_>>()
        };
        let limits = wgpu::Limits::default();
        let large = wgpu::Limits {
            max_compute_workgroup_storage_size: 32_768,
            ..limits.clone()
        };
        let [wide, narrow, small] = MatrixShape::ALL;
        assert_eq!(fitting(wide, &large).len(), 4);
        assert_eq!(fitting(narrow, &large).len(), 4);
        // 16 subgroups of 32 for the largest.
        assert_eq!(fitting(small, &large), [[128, 64], [64, 64], [32, 128]]);
        // WebGPU's 16 KiB.
        assert_eq!(fitting(narrow, &limits), Vec::<[u32; 2]>::new());
    }
}
