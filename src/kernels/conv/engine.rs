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

    /// The shader for so many pixels and blocks of output channels, unless another is asked for.
    ///
    /// In software, loads are what costs: subgroups make the best of each, and workgroup memory
    /// saves none. On a GPU, the largest tile that still leaves work for every core: the number of
    /// those is not told, so as many workgroups as a middling GPU has room for.
    pub fn rule(device: &DeviceContext, pixels: u64, blocks: u64) -> Self {
        if let Some(engine) = device.prefer.and_then(|kernel| Self::of(kernel, device)) {
            return engine;
        }
        if let Some(engine) = Self::of(ConvKernel::Subgroup, device) {
            return engine;
        }
        if device.is_software {
            return Self::Direct;
        }
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
        let (each, blocks) = (shapes.into_iter())
            .find(|&shape| workgroups(shape) >= WORKGROUPS)
            .unwrap_or((1, 1));
        Self::Tiled { each, blocks }
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
