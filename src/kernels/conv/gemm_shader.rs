//! The dense shaders: which of them a device takes, and what they cost.

use super::super::selection_reason::GemmReason;
use super::super::{ConvAlgorithm, DeviceContext, WORKGROUP};
use super::dense::BLOCK;
use super::geometry::Filter;
use crate::gpu::Cooperative;

/// Invocations a subgroup of `conv2d_subgroup.wgsl`.
pub(super) const LANES: u64 = 8;

/// The part of a product, in hundredths, that has to be of use for cooperative matrices to be taken.
/// They are several times as fast as other arithmetic, but the rest is padding, which others need not
/// compute. Not measured.
const LEAST_USEFUL: u64 = 60;

/// A shader that computes dense convolutions, and products of matrices as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum GemmShader {
    Direct,
    Subgroup,
    /// So many pixels an invocation, and blocks of output channels a workgroup.
    Tiled {
        each: u32,
        blocks: u32,
    },
    /// So many blocks of output channels a workgroup.
    Cooperative {
        blocks: u32,
    },
}

/// Rows and columns of a cooperative matrix; more inputs are filled up with zeros.
pub(super) const SIDE: usize = 16;

/// Pixels times blocks of a tile of `conv2d_cooperative.wgsl`.
const COOPERATIVE_TILE: u32 = 256;

impl GemmShader {
    /// The shader of `kernel`, if it is one of these and the device can run it.
    pub fn of(kernel: ConvAlgorithm, device: &DeviceContext) -> Option<Self> {
        match kernel {
            ConvAlgorithm::Direct => Some(Self::Direct),
            ConvAlgorithm::Subgroup => {
                (device.subgroup_size == Some(LANES as u32)).then_some(Self::Subgroup)
            }
            ConvAlgorithm::Tiled { pixels, channels } => {
                let blocks = channels / BLOCK as u32;
                let each = pixels * blocks / WORKGROUP as u32;
                Some(Self::Tiled { each, blocks })
            }
            ConvAlgorithm::Cooperative { channels, .. } => {
                let blocks = channels / BLOCK as u32;
                device.cooperative.map(|_| Self::Cooperative { blocks })
            }
            ConvAlgorithm::Winograd { .. } => None,
        }
    }

    /// The shader for a convolution in one group by cooperative matrices, where the device has them
    /// and enough of the work is not padding: of its tiles, the one with the least of that.
    pub fn cooperative(
        device: &DeviceContext,
        pixels: u64,
        filter: &Filter,
    ) -> Option<(Self, GemmReason)> {
        if device.cooperative.is_none() || filter.groups > 1 {
            return None;
        }
        if let Some(preferred) = device.prefer.and_then(|kernel| Self::of(kernel, device)) {
            return matches!(preferred, Self::Cooperative { .. })
                .then_some((preferred, GemmReason::Preferred));
        }
        if device.cooperative == Some(Cooperative::Emulated) {
            return None;
        }
        let [inputs, outputs] = [filter.group_inputs, filter.group_outputs].map(|n| n as u64);
        let padded = |blocks: u32| {
            let across = u64::from(blocks) * BLOCK as u64;
            let tile = u64::from(COOPERATIVE_TILE / blocks);
            pixels.next_multiple_of(tile) * outputs.next_multiple_of(across)
        };
        // The squarest, which loads least, before others that are as good.
        let blocks = [4, 2, 8].into_iter().min_by_key(|&blocks| padded(blocks))?;
        let work = pixels * outputs * inputs;
        let done = padded(blocks) * inputs.next_multiple_of(SIDE as u64);
        let engine = Self::Cooperative { blocks };
        let is_usable =
            work * 100 >= done * LEAST_USEFUL && !device.is_quarantined(engine.kernel());
        is_usable.then_some((engine, GemmReason::Cooperative))
    }

    /// Elements of the input that a kernel reads at a tap, filled up as the shader wants it.
    pub fn inner(self, inputs: usize) -> usize {
        match self {
            Self::Cooperative { .. } => inputs.div_ceil(SIDE) * (SIDE / 4),
            _ => inputs.div_ceil(4),
        }
    }

    /// Pixels of a tile of the cooperative shader.
    pub fn cooperative_pixels(blocks: u32) -> u64 {
        u64::from(COOPERATIVE_TILE / blocks)
    }

    /// Its name.
    pub fn kernel(self) -> ConvAlgorithm {
        match self {
            Self::Direct => ConvAlgorithm::Direct,
            Self::Subgroup => ConvAlgorithm::Subgroup,
            Self::Tiled { each, blocks } => ConvAlgorithm::Tiled {
                pixels: WORKGROUP as u32 / blocks * each,
                channels: BLOCK as u32 * blocks,
            },
            Self::Cooperative { blocks } => ConvAlgorithm::Cooperative {
                pixels: COOPERATIVE_TILE / blocks,
                channels: BLOCK as u32 * blocks,
            },
        }
    }

    /// Whether it computes convolutions of so many groups: the blocks of a tile share what they read,
    /// and blocks of different groups read different channels.
    pub fn takes(self, groups: usize) -> bool {
        let shares = matches!(
            self,
            Self::Tiled { blocks: 2.., .. } | Self::Cooperative { .. }
        );
        groups == 1 || !shares
    }

    /// The shader for so many pixels and blocks of output channels, unless another is asked for.
    ///
    /// In software, loads are what costs: subgroups make the best of each, and workgroup memory
    /// saves none. On a GPU, the largest tile that still leaves work for every core: the number of
    /// those is not told, so as many workgroups as a middling GPU has room for.
    pub fn rule(
        device: &DeviceContext,
        pixels: u64,
        blocks: u64,
        groups: usize,
    ) -> (Self, GemmReason) {
        let preferred = device.prefer.and_then(|kernel| Self::of(kernel, device));
        // Cooperative matrices have a rule of their own.
        let is_for_all =
            |engine: &Self| engine.takes(groups) && !matches!(engine, Self::Cooperative { .. });
        if let Some(engine) = preferred.filter(is_for_all) {
            return (engine, GemmReason::Preferred);
        }
        let is_usable =
            |engine: &Self| engine.takes(groups) && !device.is_quarantined(engine.kernel());
        if let Some(engine) = Self::of(ConvAlgorithm::Subgroup, device).filter(is_usable) {
            return (engine, GemmReason::Subgroup);
        }
        let tiled = Self::tiled(pixels, blocks, is_usable);
        match device.is_software {
            true if is_usable(&Self::Direct) => (Self::Direct, GemmReason::Software),
            // Where all of them are wrong, one is as good as another.
            _ => tiled.unwrap_or((Self::Direct, GemmReason::Quarantine)),
        }
    }

    /// The largest tile that is usable and leaves work for every core, or the smallest.
    fn tiled(
        pixels: u64,
        blocks: u64,
        is_usable: impl Fn(&Self) -> bool,
    ) -> Option<(Self, GemmReason)> {
        const WORKGROUPS: u64 = 128;
        let widest: u32 = match blocks {
            1 => 1,
            2 | 3 => 2,
            _ => 4,
        };
        let shapes = [(4, widest), (2, widest), (1, widest), (1, 1)];
        let workgroups = |(each, across): (u32, u32)| {
            let tile = WORKGROUP / u64::from(across) * u64::from(each);
            pixels.div_ceil(tile) * blocks.div_ceil(u64::from(across))
        };
        let engine = |(each, blocks)| Self::Tiled { each, blocks };
        let mut usable = shapes
            .into_iter()
            .filter(|&shape| is_usable(&engine(shape)));
        let last = usable.clone().next_back();
        match usable.find(|&shape| workgroups(shape) >= WORKGROUPS) {
            Some(shape) => {
                let why = GemmReason::LargestTile(workgroups(shape));
                Some((engine(shape), why))
            }
            None => last.map(|shape| {
                let why = GemmReason::SmallestTile(workgroups(shape));
                (engine(shape), why)
            }),
        }
    }
}

/// Pixels an invocation of `conv2d_subgroup.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelsEach(pub u32);

impl PixelsEach {
    /// More pixels make better use of a load of weights, but not where they lie beyond the last.
    pub fn of(pixels: u64) -> Self {
        match Self(2).cost(pixels) < Self(1).cost(pixels) {
            true => Self(2),
            false => Self(1),
        }
    }

    /// Subgroups for one block.
    pub fn tiles(self, pixels: u64) -> u64 {
        pixels.div_ceil(LANES * u64::from(self.0))
    }

    /// What one block costs for four input channels, in hundredths of a microsecond of a core of
    /// the software device it was measured on; ratios are all that matters.
    pub fn cost(self, pixels: u64) -> u64 {
        let tile = match self.0 {
            1 => 10,
            _ => 14,
        };
        self.tiles(pixels) * tile
    }
}
