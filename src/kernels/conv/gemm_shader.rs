//! The GEMM shaders: which of them a device runs, and which is selected for a matrix product.

use super::super::cost_table::CostTable;
use super::super::loop_iterations::nested;
use super::super::selection_reason::GemmReason;
use super::super::{ConvAlgorithm, DeviceContext, WORKGROUP};
use super::problem::{GemmProblem, N_TILE};
use super::tiles::{self, GemmTile, SPLITS, TILES};
use crate::gpu::Cooperative;

/// Invocations per subgroup of `conv2d_subgroup.wgsl`.
pub(super) const SUBGROUP: u64 = 8;

/// Rows and columns of a cooperative matrix. Input channels are padded to a multiple of it with zeros.
pub(super) const COOPERATIVE_SIDE: usize = 16;

/// Output pixels times N tiles of a tile of `conv2d_cooperative.wgsl`.
const COOPERATIVE_TILE: u32 = 256;

/// A shader that computes implicit GEMMs, and other matrix products, with the variant to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GemmShader {
    /// `conv2d.wgsl`.
    Direct { m_per_invocation: u32 },
    /// `conv2d_subgroup.wgsl`.
    Subgroup { m_per_invocation: u32 },
    /// `conv2d_tiled.wgsl`, and the parts of each sum.
    Tiled(GemmTile, u32),
    /// `conv2d_cooperative.wgsl` or its emulation, with the N tiles of a workgroup.
    Cooperative { n_tiles: u32, kind: Cooperative },
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
            ConvAlgorithm::Cooperative { channels, .. } => {
                let n_tiles = channels / N_TILE as u32;
                let kind = device.cooperative?;
                Some(Self::Cooperative { n_tiles, kind })
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
            Self::Cooperative { n_tiles, .. } => ConvAlgorithm::Cooperative {
                pixels: COOPERATIVE_TILE / n_tiles,
                channels: N_TILE as u32 * n_tiles,
            },
        }
    }

    /// Selects the shader for a GEMM that no algorithm of another kind computes.
    pub fn select(device: &DeviceContext, gemm: &GemmProblem) -> (Self, GemmReason) {
        Self::select_cooperative(device, gemm)
            .unwrap_or_else(|| Self::select_uncooperative(device, gemm))
    }

    /// Selects cooperative matrices for a GEMM of one group, where the device has them and enough of the
    /// work is not padding: of the tiles, the one with the least padding.
    pub fn select_cooperative(
        device: &DeviceContext,
        gemm: &GemmProblem,
    ) -> Option<(Self, GemmReason)> {
        let kind = device.cooperative?;
        if gemm.groups > 1 {
            return None;
        }
        let preferred = device.prefer.and_then(|it| Self::new(it, device, gemm));
        if let Some(preferred) = preferred {
            return matches!(preferred, Self::Cooperative { .. })
                .then_some((preferred, GemmReason::Preferred));
        }
        if kind == Cooperative::Emulated {
            return None;
        }
        let [inputs, outputs] = [gemm.group_inputs, gemm.group_outputs].map(|n| n as u64);
        let padded = |n_tiles: u32| {
            let tile_n = u64::from(n_tiles) * N_TILE as u64;
            let tile_m = u64::from(COOPERATIVE_TILE / n_tiles);
            gemm.m.next_multiple_of(tile_m) * outputs.next_multiple_of(tile_n)
        };
        // The squarest tile loads least, so it comes before others with as little padding.
        let n_tiles = [4, 2, 8].into_iter().min_by_key(|&tiles| padded(tiles))?;
        let useful = gemm.m * outputs * inputs;
        let all = padded(n_tiles) * inputs.next_multiple_of(COOPERATIVE_SIDE as u64);
        let shader = Self::Cooperative { n_tiles, kind };
        let is_usable = useful * 100 >= all * device.class.costs().min_cooperative_use
            && !device.is_quarantined(shader.algorithm());
        is_usable.then_some((shader, GemmReason::Cooperative))
    }

    /// Selects one of the other shaders.
    ///
    /// In software, loads are what costs: subgroups make the most of each, and workgroup memory saves
    /// none. On a GPU, it is the largest tile that still leaves work for every core.
    pub fn select_uncooperative(device: &DeviceContext, gemm: &GemmProblem) -> (Self, GemmReason) {
        let new = |algorithm| Self::new(algorithm, device, gemm);
        let is_other = |shader: &Self| {
            shader.supports_groups(gemm.groups) && !matches!(shader, Self::Cooperative { .. })
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
        let all = TILES
            .into_iter()
            .flat_map(|tile| SPLITS.map(|parts| (tile, parts)));
        let usable = all.filter(|&(tile, parts)| {
            tile.can_split(gemm, parts, device) && is_usable(&Self::Tiled(tile, parts))
        });
        let units = device.compute_units;
        let (tile, parts) = usable.min_by_key(|(tile, parts)| tile.cycles(gemm, *parts, units))?;
        let workgroups = tile.workgroups(gemm) * u64::from(parts);
        Some((Self::Tiled(tile, parts), GemmReason::Tile(workgroups)))
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
            Self::Direct { .. } | Self::Cooperative { .. } => return None,
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
            Self::Cooperative { .. } => true,
            Self::Direct { .. } | Self::Subgroup { .. } => false,
        };
        groups == 1 || !shares
    }

    /// Whether it reads an NCHW input.
    pub fn supports_nchw_input(self) -> bool {
        !matches!(self, Self::Cooperative { .. })
    }

    /// Elements of the input that an output channel reads at a tap, padded as the shader's weights are.
    pub fn padded_k_c4(self, group_inputs: usize, nchw_input: bool) -> usize {
        let k_c4 = group_inputs.div_ceil(4);
        match self {
            Self::Cooperative { .. } => k_c4.next_multiple_of(COOPERATIVE_SIDE / 4),
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
            Self::Cooperative { .. } => nested([height, width, k_c4, 64]),
        }
    }

    /// Multiply-adds of an invocation for `elements` of the input along K, padding included.
    pub fn products(self, elements: u32) -> u64 {
        let m = match self {
            Self::Direct { m_per_invocation } | Self::Subgroup { m_per_invocation } => {
                m_per_invocation
            }
            Self::Tiled(tile, _) => tile.sums() / N_TILE as u32,
            // A tile of 256 pixels and N tiles, by 128 invocations.
            Self::Cooperative { .. } => 2,
        };
        u64::from(elements) * u64::from(4 * N_TILE as u32 * m)
    }

    /// Bytes of its workspaces.
    pub fn workspace(self, gemm: &GemmProblem) -> Vec<u64> {
        match self {
            Self::Tiled(_, parts @ 2..) => vec![tiles::workspace(gemm, parts)],
            _ => Vec::new(),
        }
    }

    /// Output pixels of a tile of the cooperative shader.
    pub fn cooperative_m(n_tiles: u32) -> u64 {
        u64::from(COOPERATIVE_TILE / n_tiles)
    }
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
