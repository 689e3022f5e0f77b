//! Why a kernel was selected, for reports.

use std::fmt;

use super::ConvAlgorithm;

/// Why a dispatch has the kernel that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelectionReason {
    /// The operator has no other.
    Only,
    /// A team of invocations computes each result together: a subgroup of at most this size, or through
    /// workgroup memory where the device has no subgroups.
    Reduction(Option<u32>),
    /// One filter per channel; several pixels per invocation for the sizes that have such a shader.
    Depthwise { in_rows: bool },
    /// Groups whose channels are no multiple of 4.
    Grouped,
    /// An implicit GEMM, with the reason against Winograd's convolution where that was considered.
    Gemm(GemmReason, Option<WinogradRejection>),
    /// Rows of a fully connected layer as pixels of a convolution.
    Rows(GemmReason),
    /// A transposed convolution, as one ordinary convolution per stride phase.
    Transposed(GemmReason),
    /// Winograd's convolution.
    Winograd(WinogradReason),
    /// The GEMM within Winograd's convolution.
    WinogradGemm(GemmReason),
}

/// Why one of the GEMM shaders was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GemmReason {
    Preferred,
    Tuned,
    Cooperative,
    Subgroup,
    Software,
    /// The tile with the least estimated time, and its workgroups.
    Tile(u64),
    /// All other shaders are quarantined.
    Quarantine,
}

/// Why Winograd's convolution was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WinogradReason {
    Preferred,
    Tuned,
    /// The estimated costs of it and of the implicit GEMM, in the unit of the cost table.
    CostsLess {
        cost: u64,
        gemm: u64,
    },
}

/// Why Winograd's convolution was not selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WinogradRejection {
    Kernel([usize; 2]),
    Stride([usize; 2]),
    Dilation([usize; 2]),
    Groups(usize),
    NchwInput,
    Prologue,
    Memory,
    /// The driver limits loops, and its sums cannot be split.
    LoopIterations,
    /// Fewer tiles than the least.
    FewTiles {
        tiles: u64,
        least: u64,
    },
    Quarantined(ConvAlgorithm),
    /// The estimated costs of it and of the implicit GEMM.
    CostsMore {
        cost: u64,
        gemm: u64,
    },
}

impl fmt::Display for SelectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => f.write_str("the only kernel of this operator"),
            Self::Reduction(Some(size)) => {
                write!(f, "partial sums are added within subgroups of up to {size}")
            }
            Self::Reduction(None) => {
                f.write_str("no subgroups: partial sums are added through workgroup memory")
            }
            Self::Depthwise { in_rows: true } => {
                f.write_str("depthwise: a row of pixels per invocation")
            }
            Self::Depthwise { in_rows: false } => f.write_str(
                "depthwise, one pixel per invocation: kernel size, stride or dilation is uncommon",
            ),
            Self::Grouped => f.write_str("channels per group are no multiple of 4"),
            Self::Gemm(reason, None) => write!(f, "{reason}"),
            Self::Gemm(reason, Some(rejection)) => write!(f, "{reason}; no Winograd: {rejection}"),
            Self::Rows(reason) => write!(f, "many rows, computed as pixels: {reason}"),
            Self::Transposed(reason) => write!(f, "a convolution per stride phase: {reason}"),
            Self::Winograd(reason) => write!(f, "{reason}"),
            Self::WinogradGemm(reason) => write!(f, "Winograd's GEMM: {reason}"),
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
            Self::Tile(count) => {
                write!(f, "fastest tile by estimate ({count} workgroups)")
            }
            Self::Quarantine => f.write_str("all other kernels are quarantined"),
        }
    }
}

impl fmt::Display for WinogradReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preferred => f.write_str(PREFERRED),
            Self::Tuned => f.write_str(TUNED),
            Self::CostsLess { cost, gemm } => {
                write!(f, "Winograd costs {cost} by the heuristic, a GEMM {gemm}")
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
            Self::NchwInput => f.write_str("reads the input as NCHW"),
            Self::Prologue => f.write_str("has a prologue"),
            Self::Memory => f.write_str("its workspace or weights exceed a limit"),
            Self::LoopIterations => f.write_str("its sums exceed the driver's limit of loops"),
            Self::FewTiles { tiles, least } => write!(f, "{tiles} tiles, fewer than {least}"),
            Self::Quarantined(algorithm) => write!(f, "{algorithm} is quarantined"),
            Self::CostsMore { cost, gemm } => {
                write!(f, "it costs {cost} by the heuristic, this {gemm}")
            }
        }
    }
}

const PREFERRED: &str = "preferred by the options";
const TUNED: &str = "tuned: the fastest when timed on this device";
