//! The dense shaders: which of them a device takes, and what they cost.

use super::super::{ConvKernel, DeviceContext, WORKGROUP};
use super::dense::BLOCK;

/// Invocations a subgroup of `conv2d_subgroup.wgsl`.
pub(super) const LANES: u64 = 8;

/// A shader that computes dense convolutions, and products of matrices as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Engine {
    Direct,
    Subgroup,
    /// So many pixels an invocation, and blocks of output channels a workgroup.
    Tiled {
        each: u32,
        blocks: u32,
    },
}

impl Engine {
    /// The shader of `kernel`, if it is one of these and the device can run it.
    pub fn of(kernel: ConvKernel, device: &DeviceContext) -> Option<Self> {
        match kernel {
            ConvKernel::Direct => Some(Self::Direct),
            ConvKernel::Subgroup => {
                (device.subgroup_size == Some(LANES as u32)).then_some(Self::Subgroup)
            }
            ConvKernel::Tiled { pixels, channels } => {
                let blocks = channels / BLOCK as u32;
                let each = pixels * blocks / WORKGROUP as u32;
                Some(Self::Tiled { each, blocks })
            }
            ConvKernel::Winograd { .. } => None,
        }
    }

    /// Its name.
    pub fn kernel(self) -> ConvKernel {
        match self {
            Self::Direct => ConvKernel::Direct,
            Self::Subgroup => ConvKernel::Subgroup,
            Self::Tiled { each, blocks } => ConvKernel::Tiled {
                pixels: WORKGROUP as u32 / blocks * each,
                channels: BLOCK as u32 * blocks,
            },
        }
    }

    /// Whether it computes convolutions of so many groups: the blocks of a tile share what they read,
    /// and blocks of different groups read different channels.
    pub fn takes(self, groups: usize) -> bool {
        groups == 1 || !matches!(self, Self::Tiled { blocks: 2.., .. })
    }

    /// The shader for so many pixels and blocks of output channels, unless another is asked for.
    ///
    /// In software, loads are what costs: subgroups make the best of each, and workgroup memory
    /// saves none. On a GPU, the largest tile that still leaves work for every core: the number of
    /// those is not told, so as many workgroups as a middling GPU has room for.
    pub fn rule(device: &DeviceContext, pixels: u64, blocks: u64, groups: usize) -> Self {
        let preferred = device.prefer.and_then(|kernel| Self::of(kernel, device));
        if let Some(engine) = preferred.filter(|engine| engine.takes(groups)) {
            return engine;
        }
        let is_usable =
            |engine: &Self| engine.takes(groups) && !device.is_quarantined(engine.kernel());
        if let Some(engine) = Self::of(ConvKernel::Subgroup, device).filter(is_usable) {
            return engine;
        }
        let tiled = Self::tiled(pixels, blocks, is_usable);
        match device.is_software {
            true if is_usable(&Self::Direct) => Self::Direct,
            // Where all of them are wrong, one is as good as another.
            _ => tiled.unwrap_or(Self::Direct),
        }
    }

    /// The largest tile that is usable and leaves work for every core, or the smallest.
    fn tiled(pixels: u64, blocks: u64, is_usable: impl Fn(&Self) -> bool) -> Option<Self> {
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
        let found = usable.find(|&shape| workgroups(shape) >= WORKGROUPS);
        found.or(last).map(engine)
    }
}

/// Pixels an invocation of `conv2d_subgroup.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelsEach(pub u32);

impl PixelsEach {
    /// More pixels make better use of a load of weights, but not where they lie beyond the last.
    pub fn of(pixels: u64) -> Self {
        let least = |best: Self, next: Self| match next.cost(pixels) < best.cost(pixels) {
            true => next,
            false => best,
        };
        [Self(2), Self(4)].into_iter().fold(Self(1), least)
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
            2 => 14,
            _ => 22,
        };
        self.tiles(pixels) * tile
    }
}
