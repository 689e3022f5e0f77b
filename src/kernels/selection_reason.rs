//! Why a kernel was selected: what the rules answer beside their choice.

use std::fmt;

use super::ConvAlgorithm;

/// Why a dispatch is computed by the kernel that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelectionReason {
    /// There is no other for the operator.
    Only,
    /// A team of invocations shares each answer: by subgroups of at most so many, where the device
    /// has them, else through workgroup memory.
    Team(Option<u32>),
    /// Each channel has a filter of its own; several pixels an invocation, where its size has that.
    Depthwise { in_rows: bool },
    /// Groups that are not whole elements.
    Grouped,
    /// Dense, and Winograd's convolution passed over, where that was a question.
    Dense(GemmReason, Option<WinogradRejection>),
    /// Rows of a fully connected layer, as pixels of a convolution.
    Rows(GemmReason),
    /// A transposed convolution, as ordinary ones.
    Transposed(GemmReason),
    /// Winograd's convolution.
    Winograd(WinogradReason),
    /// The product within Winograd's convolution.
    Product(GemmReason),
}

/// Why one of the dense shaders was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GemmReason {
    Preferred,
    Tuned,
    Cooperative,
    Subgroup,
    Software,
    /// The largest tile that leaves enough workgroups: so many.
    LargestTile(u64),
    /// No tile leaves enough.
    SmallestTile(u64),
    /// All others are quarantined.
    Quarantine,
}

/// Why Winograd's convolution was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WinogradReason {
    Preferred,
    Tuned,
    /// What it and what the best dense shader would cost, in the rule's unit.
    CostsLess {
        cost: u64,
        dense: u64,
    },
}

/// Why Winograd's convolution was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WinogradRejection {
    Kernel([usize; 2]),
    Stride([usize; 2]),
    Dilation([usize; 2]),
    Groups(usize),
    Planar,
    Prologue,
    Memory,
    /// So many tiles, fewer than the least.
    FewTiles(u64, u64),
    Quarantined(ConvAlgorithm),
    /// What it and what the dense shader would cost.
    CostsMore {
        cost: u64,
        dense: u64,
    },
}

impl fmt::Display for SelectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => f.write_str("the only kernel for it"),
            Self::Team(Some(size)) => write!(f, "sums are shared within subgroups of up to {size}"),
            Self::Team(None) => {
                f.write_str("no subgroups: sums are shared through workgroup memory")
            }
            Self::Depthwise { in_rows: true } => {
                f.write_str("depthwise: a row of pixels an invocation")
            }
            Self::Depthwise { in_rows: false } => {
                f.write_str("depthwise, of a kernel, stride or dilation without rows of pixels")
            }
            Self::Grouped => f.write_str("channels a group are no multiple of 4"),
            Self::Dense(engine, None) => write!(f, "{engine}"),
            Self::Dense(engine, Some(not)) => write!(f, "{engine}; no Winograd: {not}"),
            Self::Rows(engine) => write!(f, "many rows, computed as pixels: {engine}"),
            Self::Transposed(engine) => write!(f, "a convolution for each remainder: {engine}"),
            Self::Winograd(why) => write!(f, "{why}"),
            Self::Product(engine) => write!(f, "Winograd's product: {engine}"),
        }
    }
}

impl fmt::Display for GemmReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preferred => f.write_str(PREFERRED),
            Self::Tuned => f.write_str(TUNED),
            Self::Cooperative => f.write_str("cooperative matrices, with little padding"),
            Self::Subgroup => f.write_str("subgroups share each load"),
            Self::Software => f.write_str("in software, workgroup memory saves nothing"),
            Self::LargestTile(count) => {
                write!(f, "largest tile that fills a GPU ({count} workgroups)")
            }
            Self::SmallestTile(count) => {
                write!(f, "smallest tile, as none fills a GPU ({count} workgroups)")
            }
            Self::Quarantine => f.write_str("all others have answered wrongly here"),
        }
    }
}

impl fmt::Display for WinogradReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preferred => f.write_str(PREFERRED),
            Self::Tuned => f.write_str(TUNED),
            Self::CostsLess { cost, dense } => {
                write!(
                    f,
                    "Winograd costs {cost} by the rule, a dense kernel {dense}"
                )
            }
        }
    }
}

impl fmt::Display for WinogradRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel([h, w]) => write!(f, "kernel {h}x{w}"),
            Self::Stride([h, w]) => write!(f, "stride {h}x{w}"),
            Self::Dilation([h, w]) => write!(f, "dilation {h}x{w}"),
            Self::Groups(count) => write!(f, "{count} groups"),
            Self::Planar => f.write_str("reads the image as it is given"),
            Self::Prologue => f.write_str("has a prologue"),
            Self::Memory => f.write_str("its workspace or weights exceed a limit"),
            Self::FewTiles(count, least) => write!(f, "{count} tiles, fewer than {least}"),
            Self::Quarantined(kernel) => write!(f, "{kernel} has answered wrongly here"),
            Self::CostsMore { cost, dense } => {
                write!(f, "it costs {cost} by the rule, this {dense}")
            }
        }
    }
}

const PREFERRED: &str = "asked for";
const TUNED: &str = "tuned: the fastest when timed on this device";
