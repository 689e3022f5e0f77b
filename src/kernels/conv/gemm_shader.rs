//! The GEMM shaders: which of them a device runs, and which is selected for a matrix product.

use super::super::cost_table::CostTable;
use super::super::loop_iterations::nested;
use super::super::selection_reason::GemmReason;
use super::super::{ConvAlgorithm, DeviceContext, WORKGROUP};
use super::cooperative_tiles::{COOPERATIVE_TILES, CooperativeTile};
use super::problem::{GemmProblem, N_TILE};
use super::tiles::{self, GemmTile, SPLITS, TILES};
use crate::gpu::{Cooperative, MatrixKind};

/// Invocations per subgroup of `conv2d_subgroup.wgsl`.
pub(super) const SUBGROUP: u64 = 8;

/// A shader that computes implicit GEMMs, and other matrix products, with the variant to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GemmShader {
    /// `conv2d.wgsl`.
    Direct { m_per_invocation: u32 },
    /// `conv2d_subgroup.wgsl`.
    Subgroup { m_per_invocation: u32 },
    /// `conv2d_tiled.wgsl`, and the parts of each sum.
    Tiled(GemmTile, u32),
    /// `conv2d_cooperative.wgsl`, the same with smaller matrices, or the emulation.
    Cooperative(CooperativeTile, Cooperative),
}

/// The order of packed weights within an N tile and a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeightLayout {
    /// `[in / 4][4 in][16 out]`.
    Outputs,
    /// `[in / 8][16 out][8 in]`: two elements along K for each output channel.
    Pairs,
}

impl WeightLayout {
    /// The index of a weight in the N tile and the tap.
    pub fn at(self, input: usize, output: usize) -> usize {
        match self {
            Self::Outputs => input * N_TILE + output,
            Self::Pairs => (input / 8 * N_TILE + output) * 8 + input % 8,
        }
    }

    /// A part of the names of packed weights.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outputs => "gemm",
            Self::Pairs => "gemm pairs",
        }
    }
}

impl GemmShader {
    /// The shader of `algorithm` for `gemm`, if it is one of these and the device can run it.
    pub fn new(
        algorithm: ConvAlgorithm,
        device: &DeviceContext,
        gemm: &GemmProblem,
    ) -> Option<Self> {
        match algorithm {
            ConvAlgorithm::Direct => Some(Self::Direct {
                // As many as possible without idle invocations in a workgroup.
                m_per_invocation: match gemm.m.div_ceil(WORKGROUP) {
                    0 | 1 => 1,
                    2 => 2,
                    _ => 4,
                },
            }),
            ConvAlgorithm::Subgroup => {
                let m_per_invocation = subgroup_m_per_invocation(gemm.m, device.class.costs());
                (device.subgroup_size == Some(SUBGROUP as u32))
                    .then_some(Self::Subgroup { m_per_invocation })
            }
            ConvAlgorithm::Tiled {
                pixels,
                channels,
                parts,
            } => {
                let tile = GemmTile::of(pixels, channels)?;
                tile.can_split(gemm, parts, device)
                    .then_some(Self::Tiled(tile, parts))
            }
            ConvAlgorithm::Cooperative { pixels, channels } => {
                let tile = CooperativeTile::of(pixels, channels)?;
                let cooperative = device.cooperative?;
                // An invocation loads pairs of elements.
                let has_whole_pairs = gemm.k_c4().is_multiple_of(2);
                (has_whole_pairs && tile.fits(cooperative.shape, &device.limits))
                    .then_some(Self::Cooperative(tile, cooperative))
            }
            ConvAlgorithm::Winograd { .. } => None,
        }
    }

    /// Its name.
    pub fn algorithm(self) -> ConvAlgorithm {
        match self {
            Self::Direct { .. } => ConvAlgorithm::Direct,
            Self::Subgroup { .. } => ConvAlgorithm::Subgroup,
            Self::Tiled(tile, parts) => ConvAlgorithm::Tiled {
                pixels: tile.pixels,
                channels: tile.channels,
                parts,
            },
            Self::Cooperative(tile, _) => tile.algorithm(),
        }
    }

    /// Selects the shader for a GEMM that no algorithm of another kind computes.
    pub fn select(device: &DeviceContext, gemm: &GemmProblem) -> (Self, GemmReason) {
        Self::select_cooperative(device, gemm)
            .unwrap_or_else(|| Self::select_uncooperative(device, gemm))
    }

    /// Selects cooperative matrices for a GEMM of one group, where the device has them, enough of the work is not
    /// padding, and no tile of ordinary arithmetic is faster: of the tiles, the one with the least estimated time.
    pub fn select_cooperative(
        device: &DeviceContext,
        gemm: &GemmProblem,
    ) -> Option<(Self, GemmReason)> {
        let cooperative = device.cooperative?;
        if gemm.groups > 1 {
            return None;
        }
        let new = |algorithm| Self::new(algorithm, device, gemm);
        if let Some(preferred) = device.prefer.and_then(new) {
            return matches!(preferred, Self::Cooperative(..))
                .then_some((preferred, GemmReason::Preferred));
        }
        if cooperative.kind == MatrixKind::Emulated {
            return None;
        }
        let least_use = device.class.costs().min_cooperative_use;
        let is_usable = |tile: &CooperativeTile| {
            let algorithm = tile.algorithm();
            tile.use_percent(gemm) >= least_use
                && new(algorithm).is_some()
                && !device.is_quarantined(algorithm)
        };
        let usable = COOPERATIVE_TILES.into_iter().filter(is_usable);
        let (cycles, tile) = usable
            .map(|tile| (tile.cycles(gemm, cooperative.shape, device), tile))
            .min_by_key(|(cycles, _)| *cycles)?;
        let is_fastest =
            Self::tiled(device, gemm, |_| true).is_none_or(|(other, ..)| cycles < other);
        is_fastest.then_some((
            Self::Cooperative(tile, cooperative),
            GemmReason::Cooperative,
        ))
    }

    /// Selects one of the other shaders.
    ///
    /// In software, loads are what costs: subgroups make the most of each, and workgroup memory saves
    /// none. On a GPU, it is the largest tile that still leaves work for every core.
    pub fn select_uncooperative(device: &DeviceContext, gemm: &GemmProblem) -> (Self, GemmReason) {
        let new = |algorithm| Self::new(algorithm, device, gemm);
        let is_other = |shader: &Self| {
            shader.supports_groups(gemm.groups) && !matches!(shader, Self::Cooperative(..))
        };
        if let Some(shader) = device.prefer.and_then(new).filter(is_other) {
            return (shader, GemmReason::Preferred);
        }
        let is_usable = |shader: &Self| {
            shader.supports_groups(gemm.groups) && !device.is_quarantined(shader.algorithm())
        };
        if let Some(shader) = new(ConvAlgorithm::Subgroup).filter(is_usable) {
            return (shader, GemmReason::Subgroup);
        }
        let direct = || new(ConvAlgorithm::Direct);
        if !device.class.costs().workgroup_memory_helps
            && let Some(shader) = direct().filter(is_usable)
        {
            return (shader, GemmReason::Software);
        }
        let tiled = Self::select_tiled(device, gemm, is_usable);
        // Where all shaders compute wrong results, this is as good as any.
        let fallback = Self::Direct {
            m_per_invocation: 1,
        };
        tiled.unwrap_or_else(|| (direct().unwrap_or(fallback), GemmReason::Quarantine))
    }

    /// The usable tile with the least estimated time.
    fn select_tiled(
        device: &DeviceContext,
        gemm: &GemmProblem,
        is_usable: impl Fn(&Self) -> bool,
    ) -> Option<(Self, GemmReason)> {
        let (_, tile, parts) = Self::tiled(device, gemm, is_usable)?;
        let workgroups = gemm.workgroups(tile.size()) * u64::from(parts);
        Some((Self::Tiled(tile, parts), GemmReason::Tile(workgroups)))
    }

    /// The usable tile with the least estimated time: its cycles, the tile, and the parts of the sums.
    fn tiled(
        device: &DeviceContext,
        gemm: &GemmProblem,
        is_usable: impl Fn(&Self) -> bool,
    ) -> Option<(u64, GemmTile, u32)> {
        let all = TILES
            .into_iter()
            .flat_map(|tile| SPLITS.map(|parts| (tile, parts)));
        let usable = all.filter(|&(tile, parts)| {
            tile.can_split(gemm, parts, device) && is_usable(&Self::Tiled(tile, parts))
        });
        let units = device.compute_units;
        usable
            .map(|(tile, parts)| (tile.cycles(gemm, parts, units), tile, parts))
            .min_by_key(|(cycles, ..)| *cycles)
    }

    /// Its estimated cycles for a GEMM on a GPU, if it was selected by an estimate.
    pub fn cycles(self, gemm: &GemmProblem, device: &DeviceContext) -> Option<u64> {
        let units = device.compute_units;
        let computing = match self {
            Self::Tiled(tile, parts) => tile.cycles(gemm, parts, units),
            // As fast as the fastest tile, for want of an estimate.
            Self::Subgroup { .. } => {
                let cycles = TILES.map(|tile| tile.cycles(gemm, 1, units));
                cycles.into_iter().min()?
            }
            Self::Cooperative(tile, it) => tile.cycles(gemm, it.shape, device),
            Self::Direct { .. } => return None,
        };
        let weights = gemm.gemms * gemm.taps * (gemm.group_inputs * gemm.group_outputs) as u64;
        let bytes = weights * gemm.groups as u64 * device.precision.element_bytes() / 4;
        Some(computing.max(tiles::memory_cycles(bytes, units)))
    }

    /// Whether it computes convolutions of this number of groups: the N tiles of a workgroup share the
    /// input that they read, and those of different groups read different channels.
    pub fn supports_groups(self, groups: usize) -> bool {
        let shares = match self {
            Self::Tiled(tile, _) => tile.n_tiles() > 1,
            Self::Cooperative(..) => true,
            Self::Direct { .. } | Self::Subgroup { .. } => false,
        };
        groups == 1 || !shares
    }

    /// Whether it reads an NCHW input.
    pub fn supports_nchw_input(self) -> bool {
        !matches!(self, Self::Cooperative(..))
    }

    /// Elements of the input that an output channel reads at a tap, padded as the shader's weights are.
    pub fn padded_k_c4(self, group_inputs: usize, nchw_input: bool) -> usize {
        let k_c4 = group_inputs.div_ceil(4);
        match self {
            Self::Cooperative(tile, _) => k_c4.next_multiple_of(tile.k_step_c4() as usize),
            Self::Tiled(tile, _) => k_c4.next_multiple_of(tile.k_step(nchw_input) as usize),
            Self::Direct { .. } | Self::Subgroup { .. } => k_c4,
        }
    }

    /// The most loop iterations of an invocation, for a window of this height and width and `k_c4` input elements
    /// at each tap.
    pub fn loop_iterations(self, [height, width]: [usize; 2], k_c4: usize) -> u64 {
        let [height, width, k_c4] = [height, width, k_c4].map(|n| n as u64);
        match self {
            // Mesa's OpenGL does not unroll the loop over the channels of an element in float16.
            Self::Direct { .. } => nested([height, width, k_c4, 4]),
            Self::Subgroup { .. } => nested([height, width, k_c4]),
            // The loops within a step have constant bounds, but not all drivers unroll them.
            Self::Tiled(..) => nested([height, width, k_c4, 16]),
            Self::Cooperative(..) => cooperative_iterations([height, width, k_c4]),
        }
    }

    /// Multiply-adds of an invocation for `elements` of the input along K, padding included.
    pub fn products(self, elements: u32) -> u64 {
        let each = match self {
            Self::Direct { m_per_invocation } | Self::Subgroup { m_per_invocation } => {
                4 * N_TILE as u32 * m_per_invocation
            }
            Self::Tiled(tile, _) => tile.products(),
            Self::Cooperative(tile, cooperative) => {
                let of_invocation =
                    tile.pixels * tile.n_tiles() / tile.invocations(cooperative.shape);
                4 * N_TILE as u32 * of_invocation
            }
        };
        u64::from(elements) * u64::from(each)
    }

    /// Bytes of its workspaces.
    pub fn workspace(self, gemm: &GemmProblem) -> Vec<u64> {
        match self {
            Self::Tiled(_, parts @ 2..) => vec![tiles::workspace(gemm, parts)],
            _ => Vec::new(),
        }
    }

    /// The order of its weights.
    pub fn weight_layout(self) -> WeightLayout {
        match self {
            Self::Cooperative(..) => WeightLayout::Pairs,
            Self::Direct { .. } | Self::Subgroup { .. } | Self::Tiled(..) => WeightLayout::Outputs,
        }
    }
}

/// The most loop iterations of an invocation of the cooperative shader, for a window of this height and width and elements
/// at each tap.
pub(super) fn cooperative_iterations([height, width, k_c4]: [u64; 3]) -> u64 {
    // For an element, the emulation's loops over matrices and their sums; then those that store the sums.
    nested([height, width, k_c4, 160]) + 1024
}

/// Output pixels per invocation of `conv2d_subgroup.wgsl`. Two make better use of each load of weights,
/// but not where they lie beyond the last pixel.
fn subgroup_m_per_invocation(m: u64, costs: &CostTable) -> u32 {
    let cost = |each: u32| subgroup_tiles(m, each) * costs.subgroup_tile[each as usize - 1];
    if cost(2) < cost(1) { 2 } else { 1 }
}

/// Subgroups of `conv2d_subgroup.wgsl` for one N tile.
pub(super) fn subgroup_tiles(m: u64, m_per_invocation: u32) -> u64 {
    m.div_ceil(SUBGROUP * u64::from(m_per_invocation))
}

/// The estimated cost of one N tile for four input channels, in the unit of the cost table.
pub(super) fn n_tile_cost(m: u64, costs: &CostTable) -> u64 {
    let each = subgroup_m_per_invocation(m, costs);
    subgroup_tiles(m, each) * costs.subgroup_tile[each as usize - 1]
}
