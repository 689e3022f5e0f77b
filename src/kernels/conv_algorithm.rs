//! The convolution algorithms, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::conv::{COOPERATIVE_TILES, SPLITS, TILES};
use crate::error::UnknownName;

/// A way to compute an ordinary convolution. Which of them a device and a shape allow, and which the
/// heuristic selects, is decided in `src/kernels/conv/select.rs`.
///
/// ```
/// use shadernet::session::ConvAlgorithm;
///
/// let algorithm: ConvAlgorithm = "winograd-4".parse()?;
/// assert_eq!(algorithm, ConvAlgorithm::Winograd { tile: 4 });
/// assert_eq!(algorithm.to_string(), "winograd-4");
/// # Ok::<(), shadernet::error::UnknownName>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ConvAlgorithm {
    /// An implicit GEMM whose weights have the same address for a whole workgroup: `conv2d.wgsl`.
    Direct,
    /// An implicit GEMM whose weights are exchanged within subgroups of 8: `conv2d_subgroup.wgsl`.
    Subgroup,
    /// An implicit GEMM with tiles in workgroup memory: `conv2d_tiled.wgsl`.
    Tiled {
        /// Output pixels of a tile (M).
        pixels: u32,
        /// Output channels of a tile (N).
        channels: u32,
        /// Parts of each sum (K), which different workgroups compute and `conv2d_sum.wgsl` adds; 1 where it is not
        /// split.
        parts: u32,
    },
    /// The same with cooperative matrices, see
    /// [`GpuOptions::cooperative_matrices`](crate::gpu::GpuOptions::cooperative_matrices):
    /// `conv2d_cooperative.wgsl` and `conv2d_cooperative_8x8.wgsl`.
    Cooperative {
        /// Output pixels of a tile (M).
        pixels: u32,
        /// Output channels of a tile (N).
        channels: u32,
    },
    /// Winograd's F(tile×tile, 3×3): `winograd_input.wgsl`, a GEMM, `winograd_output.wgsl`.
    Winograd {
        /// Output pixels along a side of a tile: 2 or 4.
        tile: u32,
    },
}

impl ConvAlgorithm {
    /// All algorithms.
    pub fn all() -> Vec<Self> {
        let tiled = TILES.into_iter().flat_map(|tile| {
            SPLITS.map(|parts| Self::Tiled {
                pixels: tile.pixels,
                channels: tile.channels,
                parts,
            })
        });
        [Self::Direct, Self::Subgroup]
            .into_iter()
            .chain(tiled)
            .chain(COOPERATIVE_TILES.map(|tile| tile.algorithm()))
            .chain([2, 4].map(|tile| Self::Winograd { tile }))
            .collect()
    }
}

impl fmt::Display for ConvAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Subgroup => f.write_str("subgroup"),
            Self::Tiled {
                pixels,
                channels,
                parts: 1,
            } => write!(f, "tiled-{pixels}x{channels}"),
            Self::Tiled {
                pixels,
                channels,
                parts,
            } => write!(f, "tiled-{pixels}x{channels}-split-{parts}"),
            Self::Cooperative { pixels, channels } => write!(f, "cooperative-{pixels}x{channels}"),
            Self::Winograd { tile } => write!(f, "winograd-{tile}"),
        }
    }
}

impl FromStr for ConvAlgorithm {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let all = Self::all();
        if let Some(algorithm) = all.iter().find(|known| known.to_string() == name) {
            return Ok(*algorithm);
        }
        let names: Vec<String> = all.iter().map(Self::to_string).collect();
        Err(UnknownName::new("convolution algorithm", name, names))
    }
}

/// What tuning has found on a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuned {
    /// The fastest algorithm of each convolution, by signature.
    pub algorithms: BTreeMap<String, ConvAlgorithm>,
    /// Algorithms that computed a wrong result there. They are used only where the options prefer them.
    pub quarantined: BTreeSet<ConvAlgorithm>,
}

/// A convolution that several algorithms can compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// All that the time of an algorithm depends on, except the device.
    pub signature: String,
    /// The algorithm that was selected.
    pub selected: ConvAlgorithm,
    /// All algorithms that can compute it.
    pub candidates: Vec<ConvAlgorithm>,
    /// The estimated cycles of those that have an estimate on this device.
    pub estimates: BTreeMap<ConvAlgorithm, u64>,
}
