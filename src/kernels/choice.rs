//! The ways to compute a convolution, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::error::UnknownName;

/// A way to compute an ordinary convolution. Which of them a device and a shape allow, and which is
/// used unless chosen otherwise, is the rule in `src/kernels/conv/rule.rs`.
///
/// ```
/// use shadernet::session::ConvAlgorithm;
///
/// let kernel: ConvAlgorithm = "winograd-4".parse()?;
/// assert_eq!(kernel, ConvAlgorithm::Winograd { tile: 4 });
/// assert_eq!(kernel.to_string(), "winograd-4");
/// # Ok::<(), shadernet::error::UnknownName>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ConvAlgorithm {
    /// Weights at addresses that are the same for a whole workgroup: `conv2d.wgsl`.
    Direct,
    /// Weights handed round within subgroups of 8: `conv2d_subgroup.wgsl`.
    Subgroup,
    /// An implicit matrix product in workgroup memory, tiles of so many pixels by so many output
    /// channels: `conv2d_tiled.wgsl`.
    Tiled {
        /// Pixels of a tile.
        pixels: u32,
        /// Output channels of a tile.
        channels: u32,
    },
    /// The same with cooperative matrices, see
    /// [`DeviceOptions::cooperative_matrices`](crate::device::DeviceOptions::cooperative_matrices):
    /// `conv2d_cooperative.wgsl`.
    Cooperative {
        /// Pixels of a tile.
        pixels: u32,
        /// Output channels of a tile.
        channels: u32,
    },
    /// Winograd's F(tile×tile, 3×3): `winograd_input.wgsl`, a product, `winograd_output.wgsl`.
    Winograd {
        /// Outputs of a tile along a side: 2 or 4.
        tile: u32,
    },
}

impl ConvAlgorithm {
    /// Every kernel there is.
    pub fn all() -> Vec<Self> {
        let tiled = [1, 2, 4].into_iter().flat_map(|blocks| {
            [1, 2, 4].map(|each| Self::Tiled {
                pixels: 64 / blocks * each,
                channels: 16 * blocks,
            })
        });
        [Self::Direct, Self::Subgroup]
            .into_iter()
            .chain(tiled)
            .chain([2, 4, 8].map(|blocks| Self::Cooperative {
                pixels: 256 / blocks,
                channels: 16 * blocks,
            }))
            .chain([2, 4].map(|tile| Self::Winograd { tile }))
            .collect()
    }
}

impl fmt::Display for ConvAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Subgroup => f.write_str("subgroup"),
            Self::Tiled { pixels, channels } => write!(f, "tiled-{pixels}x{channels}"),
            Self::Cooperative { pixels, channels } => write!(f, "cooperative-{pixels}x{channels}"),
            Self::Winograd { tile } => write!(f, "winograd-{tile}"),
        }
    }
}

impl FromStr for ConvAlgorithm {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let all = Self::all();
        if let Some(kernel) = all.iter().find(|kernel| kernel.to_string() == name) {
            return Ok(*kernel);
        }
        let names: Vec<String> = all.iter().map(Self::to_string).collect();
        Err(UnknownName::new("convolution algorithm", name, names))
    }
}

/// What tuning has found out about a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuned {
    /// The kernel of a convolution, by its signature.
    pub kernels: BTreeMap<String, ConvAlgorithm>,
    /// Kernels that have answered wrongly there, and are used only where they are asked for.
    pub quarantined: BTreeSet<ConvAlgorithm>,
}

/// A convolution that several kernels can compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What the time that a kernel takes depends on, the device aside.
    pub signature: String,
    /// The kernel that the rule selects.
    pub rule: ConvAlgorithm,
    /// All that can compute it.
    pub candidates: Vec<ConvAlgorithm>,
}
