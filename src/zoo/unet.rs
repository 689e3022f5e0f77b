//! U-Net (Ronneberger et al. 2015, "U-Net: Convolutional networks for biomedical image
//! segmentation"): `unet_paper` as published, with unpadded convolutions, so that its output is
//! smaller than its input; `unet` and `unet_bilinear` with padded convolutions and batch norm, for images
//! of any size, with the names of the widespread PyTorch implementation (`inc`, `down1`, `up1`, `outc`).

use super::{Architecture, Definition, Settings, Task};
use crate::error::Result;
use crate::graph::{
    Activation, BatchNorm2d, CenterCropOrPad, Conv2d, ConvTranspose2d, GraphBuilder, Pool2d,
    Upsample, ValueId,
};

pub(super) const ARCHITECTURES: &[Architecture] = &[
    architecture(
        "unet",
        [3, 256, 256],
        "padded convolutions with batch norm (after Ronneberger et al. 2015)",
        &UNet { bilinear: false },
    ),
    architecture(
        "unet_bilinear",
        [3, 256, 256],
        "as unet, upsampled without weights (after Ronneberger et al. 2015)",
        &UNet { bilinear: true },
    ),
    architecture(
        "unet_paper",
        [1, 572, 572],
        "unpadded convolutions, cropped skips (Ronneberger et al. 2015)",
        &UNetPaper,
    ),
];

const fn architecture(
    name: &'static str,
    input_size: [usize; 3],
    description: &'static str,
    definition: &'static (dyn Definition + Sync),
) -> Architecture {
    Architecture {
        task: Task::Segmentation,
        num_classes: 2,
        input_size,
        ..Architecture::classifier(name, "U-Net", description, definition)
    }
}

/// Channels at each resolution.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 1024];

struct UNet {
    /// Whether maps are upsampled by bilinear interpolation, or else by transposed convolution.
    bilinear: bool,
}

impl Definition for UNet {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        // Interpolation keeps the channels, so the layers before it halve them.
        let factor = if self.bilinear { 2 } else { 1 };
        let stem = [settings.channels, WIDTHS[0], WIDTHS[0]];
        let mut x = double_conv(b, image, "inc", stem);
        let mut skips = Vec::new();
        for (i, pair) in (1..).zip(WIDTHS.windows(2)) {
            skips.push((x, pair[0]));
            let name = format!("down{i}.maxpool_conv");
            x = b.pool2d(format!("{name}.0"), x, Pool2d::max(2, 2));
            let out = if i == 4 { pair[1] / factor } else { pair[1] };
            x = double_conv(b, x, &format!("{name}.1"), [pair[0], out, out]);
        }
        for (i, (skip, width)) in (1..).zip(skips.into_iter().rev()) {
            let name = format!("up{i}");
            x = self.grow(b, x, &format!("{name}.up"), 2 * width);
            x = b.node(format!("{name}.pad"), CenterCropOrPad, &[x, skip]);
            x = b.concat(format!("{name}.concat"), &[skip, x]);
            let out = if i == 4 { width } else { width / factor };
            let mid = if self.bilinear { width } else { out };
            x = double_conv(b, x, &format!("{name}.conv"), [2 * width, mid, out]);
        }
        let last = Conv2d::new(WIDTHS[0], settings.classes, 1);
        Ok(vec![b.conv2d("outc.conv", x, last)])
    }
}

impl UNet {
    /// Doubles the size. A transposed convolution also halves the channels.
    fn grow(&self, b: &mut GraphBuilder, x: ValueId, name: &str, channels: usize) -> ValueId {
        match self.bilinear {
            true => b.node(name, Upsample::bilinear(2.0, true), &[x]),
            false => b.node(
                name,
                ConvTranspose2d::new(channels, channels / 2, 2, 2),
                &[x],
            ),
        }
    }
}

/// Two padded convolutions, each with batch norm and ReLU; the channels before, between and after them.
fn double_conv(b: &mut GraphBuilder, x: ValueId, name: &str, channels: [usize; 3]) -> ValueId {
    let mut x = x;
    for (i, pair) in channels.windows(2).enumerate() {
        let name = |part: usize| format!("{name}.double_conv.{}", 3 * i + part);
        let conv = Conv2d::new(pair[0], pair[1], 3).padding(1).bias(false);
        x = b.conv2d(name(0), x, conv);
        x = b.batch_norm(name(1), x, BatchNorm2d::new(pair[1]));
        x = b.activation(name(2), x, Activation::Relu);
    }
    x
}

struct UNetPaper;

impl Definition for UNetPaper {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let mut x = image;
        let mut channels = settings.channels;
        let mut skips = Vec::new();
        for (i, width) in WIDTHS.into_iter().enumerate() {
            if i > 0 {
                skips.push((x, channels));
                x = b.pool2d(format!("pool.{}", i - 1), x, Pool2d::max(2, 2));
            }
            x = two_convs(b, x, &format!("enc.{i}"), channels, width);
            channels = width;
        }
        for (i, (skip, width)) in skips.into_iter().rev().enumerate() {
            let up = ConvTranspose2d::new(channels, width, 2, 2);
            x = b.node(format!("up.{i}"), up, &[x]);
            let skip = b.node(format!("crop.{i}"), CenterCropOrPad, &[skip, x]);
            x = b.concat(format!("concat.{i}"), &[skip, x]);
            x = two_convs(b, x, &format!("dec.{i}"), 2 * width, width);
            channels = width;
        }
        let last = Conv2d::new(channels, settings.classes, 1);
        Ok(vec![b.conv2d("out", x, last)])
    }
}

/// Two unpadded convolutions with ReLU.
fn two_convs(b: &mut GraphBuilder, x: ValueId, name: &str, channels: usize, out: usize) -> ValueId {
    let x = b.conv2d(format!("{name}.0"), x, Conv2d::new(channels, out, 3));
    let x = b.activation(format!("{name}.1"), x, Activation::Relu);
    let x = b.conv2d(format!("{name}.2"), x, Conv2d::new(out, out, 3));
    b.activation(format!("{name}.3"), x, Activation::Relu)
}
