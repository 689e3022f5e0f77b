//! The tiles of `conv2d_tiled.wgsl`.

use super::super::DeviceContext;
use super::super::loop_iterations::nested;
use super::problem::{GemmProblem, N_TILE};
use crate::gpu::Precision;

/// A tile: what a workgroup computes, and how its invocations share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GemmTile {
    /// Output pixels (M).
    pub pixels: u32,
    /// Output channels (N), a multiple of 16.
    pub channels: u32,
    /// Input elements of a step along K.
    pub k_step_c4: u32,
    /// Invocations that share the sums of these pixels and channels, each with a slice of every step.
    k_slices: u32,
}

/// All tiles, the largest first. An invocation has 64 sums, and a step of its loop 512 multiply-adds, so that loads and
/// addresses are a small share. Small tiles would have few invocations of that kind, so several share the sums along K.
/// Only the last has a single N tile, as channel groups need.
pub(crate) const TILES: [GemmTile; 6] = [
    GemmTile::new([128, 128], 2, 1),
    GemmTile::new([128, 64], 2, 1),
    GemmTile::new([64, 64], 2, 1),
    GemmTile::new([64, 32], 4, 2),
    GemmTile::new([32, 32], 8, 4),
    GemmTile::new([128, 16], 4, 2),
];

/// The largest step along K of a GEMM shader, a power of two: others divide it.
pub(crate) const LARGEST_K_STEP_C4: usize = 16;

/// Output pixels of an invocation, and output elements (four channels) for each of them.
const M_PER_INVOCATION: u32 = 8;
const N4_PER_INVOCATION: u32 = 2;

/// Parts that sums along K are split into.
pub(crate) const SPLITS: [u32; 4] = [1, 2, 4, 8];

impl GemmTile {
    const fn new([pixels, channels]: [u32; 2], k_step_c4: u32, k_slices: u32) -> Self {
        Self {
            pixels,
            channels,
            k_step_c4,
            k_slices,
        }
    }

    /// The tile of this size.
    pub fn of(pixels: u32, channels: u32) -> Option<Self> {
        let size = [pixels, channels];
        TILES.into_iter().find(|tile| tile.size() == size)
    }

    /// Output pixels and channels.
    pub const fn size(self) -> [u32; 2] {
        [self.pixels, self.channels]
    }

    /// N tiles.
    pub fn n_tiles(self) -> u32 {
        self.channels / N_TILE as u32
    }

    /// Invocations of a workgroup.
    pub fn invocations(self) -> u32 {
        let slice = self.pixels / M_PER_INVOCATION * self.channels / 4 / N4_PER_INVOCATION;
        slice * self.k_slices
    }

    /// Multiply-adds of an invocation for each input element along K, of four channels. Slices are counted as if each
    /// had its share of every element.
    pub fn products(self) -> u32 {
        M_PER_INVOCATION * N4_PER_INVOCATION * 16 / self.k_slices
    }

    /// Input elements of a step. The pixels of an NCHW image are single elements, and taps are not mixed.
    pub fn k_step(self, nchw_input: bool) -> u32 {
        if nchw_input { 1 } else { self.k_step_c4 }
    }

    /// The shader's constants. A single element is not sliced: there, invocations share the pixels.
    pub fn constants(self, nchw_input: bool) -> [(&'static str, u32); 6] {
        let [m_per_invocation, k_slices] = match nchw_input {
            true => [M_PER_INVOCATION / self.k_slices, 1],
            false => [M_PER_INVOCATION, self.k_slices],
        };
        [
            ("TILE_M", self.pixels),
            ("TILE_N", self.channels),
            ("M_PER_INVOCATION", m_per_invocation),
            ("N4_PER_INVOCATION", N4_PER_INVOCATION),
            ("K_STEP_C4", self.k_step(nchw_input)),
            ("K_SLICES", k_slices),
        ]
    }
}

/// See [`StepLoop`].
const RESIDENT: u64 = 8;
const LATENCY: u64 = 400;
/// Invocations of a subgroup, and SIMDs of a compute unit, each of which issues an instruction for half of them a cycle.
const SUBGROUP: u64 = 64;
const SIMDS: u64 = 2;
/// Cycles of a SIMD for a vector of each invocation of a subgroup that is read from workgroup memory or written there:
/// 1,024 bytes by 128 a cycle, for all SIMDs.
const READ_CYCLES: u64 = 16;
/// Cycles of a dispatch that waits for another, and bytes that memory moves a cycle for each compute unit.
pub(super) const LAUNCH_CYCLES: u64 = 8000;
const MEMORY_BYTES: u64 = 4;

/// The loop of a workgroup over its steps along K, for an estimate. The model is that of `gpu-static predict`: workgroups
/// are dealt to compute units, and those that a unit holds at once take as long as their instructions, and no less than
/// one of them alone.
pub(super) struct StepLoop {
    pub steps: u64,
    /// Subgroups of a workgroup, and those that a SIMD holds at once: its registers have room for as many.
    pub subgroups: u64,
    pub resident: u64,
    /// Cycles of a step of a subgroup on a SIMD, and those that it takes beside its instructions, if the subgroup is
    /// alone: for its data, and at barriers.
    pub step: u64,
    pub latency: u64,
}

impl StepLoop {
    /// The cycles of so many workgroups.
    pub fn cycles(&self, workgroups: u64, compute_units: u64) -> u64 {
        let mine = workgroups.div_ceil(compute_units);
        let resident = (self.resident * SIMDS / self.subgroups).clamp(1, mine.max(1));
        let busy = resident * self.subgroups * self.step / SIMDS;
        mine * busy.max(self.step + self.latency) * self.steps / resident
    }
}

/// Cycles in which memory moves so many bytes.
pub(super) fn memory_cycles(bytes: u64, compute_units: u64) -> u64 {
    bytes / (MEMORY_BYTES * compute_units)
}

/// Bytes of the parts of a GEMM's sums.
pub(super) fn workspace(gemm: &GemmProblem, parts: u32) -> u64 {
    let c4 = gemm.group_outputs.div_ceil(4) as u64;
    u64::from(parts) * gemm.m * c4 * Precision::F32.element_bytes()
}

impl GemmTile {
    /// Steps of each part along K, the last of which may have fewer.
    pub fn part_steps(self, gemm: &GemmProblem, parts: u32) -> u64 {
        gemm.steps(self.k_step_c4).div_ceil(u64::from(parts))
    }

    /// Whether a driver's limit of loops leaves the sums of a GEMM whole. Others are split for it, in another way.
    fn fits_loops(self, gemm: &GemmProblem, device: &DeviceContext) -> bool {
        let steps = gemm.steps(self.k_step_c4) * u64::from(self.k_step_c4);
        // As `GemmShader::loop_iterations`, or more.
        let iterations = nested([gemm.taps, 1, steps / gemm.taps.max(1), 16]);
        (device.max_loop_iterations).is_none_or(|limit| iterations <= limit)
    }

    /// Whether the sums of a GEMM can be split into so many parts.
    pub fn can_split(self, gemm: &GemmProblem, parts: u32, device: &DeviceContext) -> bool {
        if parts == 1 {
            return true;
        }
        let steps = self.part_steps(gemm, parts);
        // No part is empty.
        let is_filled = steps * u64::from(parts - 1) < gemm.steps(self.k_step_c4);
        let n = gemm.n_tiles() * N_TILE as u64;
        let k = gemm.steps(self.k_step_c4) * u64::from(self.k_step_c4) * 4;
        // Values between the dispatches are float32. Weights are at most that.
        let bytes = [workspace(gemm, parts), n * k * 4];
        let rows = gemm.n_tiles() * u64::from(parts);
        gemm.may_split
            && is_filled
            && self.fits_loops(gemm, device)
            && bytes.iter().all(|&bytes| bytes <= device.largest_binding())
            && rows <= u64::from(device.limits.max_compute_workgroups_per_dimension)
    }

    /// The estimated time for a GEMM whose sums have `parts`, in cycles, with numbers that all tiles share.
    pub fn cycles(self, gemm: &GemmProblem, parts: u32, compute_units: u64) -> u64 {
        let subgroups = u64::from(self.invocations()).div_ceil(SUBGROUP);
        let products = u64::from(self.products() * self.k_step_c4);
        let loads = u64::from(self.k_step_c4 * (self.pixels + self.channels) / self.invocations());
        let reads =
            u64::from(self.k_step_c4 / self.k_slices * (M_PER_INVOCATION + 4 * N4_PER_INVOCATION));
        // Five instructions for each load, and 16 for the loop and for waiting. Loads count as eight, since the caches have
        // a share in their time: of two tiles that are about as fast, the one that loads less is the better. Most GPUs have
        // twice as many units for multiply-adds as for the rest (not RDNA2).
        let computing = products + 2 * (reads + 8 * loads + 16);
        let steps = StepLoop {
            steps: self.part_steps(gemm, parts),
            subgroups,
            resident: RESIDENT,
            step: computing.max(READ_CYCLES * (reads + loads)),
            latency: LATENCY,
        };
        let workgroups = gemm.workgroups(self.size()) * u64::from(parts);
        let cycles = steps.cycles(workgroups, compute_units);
        match parts {
            1 => cycles,
            _ => cycles + LAUNCH_CYCLES + memory_cycles(workspace(gemm, parts + 1), compute_units),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_whole() {
        for tile in TILES {
            let invocations = tile.invocations();
            assert!((64..=256).contains(&invocations), "{tile:?}");
            for k_step in [1, tile.k_step_c4] {
                // What `MAX_LOADS` of the shader holds, and every load is a whole one.
                for elements in [k_step * tile.pixels, k_step * tile.channels] {
                    let loads = elements.div_ceil(invocations);
                    assert!(loads <= 8, "{tile:?}");
                }
            }
            assert_eq!(LARGEST_K_STEP_C4 as u32 % tile.k_step_c4, 0, "{tile:?}");
            assert_eq!(tile.k_step_c4 % tile.k_slices, 0, "{tile:?}");
            assert_eq!(M_PER_INVOCATION % tile.k_slices, 0, "{tile:?}");
            // The shader adds the slices' sums where the patches were.
            let patches = (tile.pixels + 4) * tile.k_step_c4;
            assert!(invocations * tile.k_slices <= patches, "{tile:?}");
        }
    }

    #[test]
    fn large_products_take_large_tiles() {
        let select = |m, n| {
            let gemm = GemmProblem {
                m,
                gemms: 1,
                groups: 1,
                group_inputs: 256,
                group_outputs: n,
                taps: 9,
                may_split: true,
            };
            let best = TILES
                .into_iter()
                .min_by_key(|tile| tile.cycles(&gemm, 1, 60));
            best.map(GemmTile::size)
        };
        assert_eq!(select(100_000, 512), Some([128, 128]));
        assert_eq!(select(100_000, 16), Some([128, 16]));
        assert_eq!(select(49, 512), Some([32, 32]));
    }
}
