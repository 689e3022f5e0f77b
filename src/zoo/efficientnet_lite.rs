//! EfficientNet-Lite: EfficientNet (Tan and Le 2019, "EfficientNet: Rethinking model scaling for
//! convolutional neural networks") without squeeze-and-excite and with ReLU6, so that it quantizes
//! well. The weights are Google's TensorFlow weights under timm's names (`tf_efficientnet_lite0`).
//!
//! The TensorFlow weights need SAME padding and a batch-norm epsilon of 1e-3. timm also has variants
//! with PyTorch's padding and epsilon for its own training and calls them `efficientnet_lite0`; here
//! they are `timm_efficientnet_lite0`.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{Activation, BatchNorm2d, Conv2d, GraphBuilder, Linear, Padding, ValueId};

pub(super) const ARCHITECTURES: &[Architecture] = &[
    tensorflow(
        "efficientnet_lite0",
        &["tf_efficientnet_lite0"],
        224,
        &LITE0,
    ),
    tensorflow(
        "efficientnet_lite1",
        &["tf_efficientnet_lite1"],
        240,
        &LITE1,
    ),
    tensorflow(
        "efficientnet_lite2",
        &["tf_efficientnet_lite2"],
        260,
        &LITE2,
    ),
    tensorflow(
        "efficientnet_lite3",
        &["tf_efficientnet_lite3"],
        280,
        &LITE3,
    ),
    tensorflow(
        "efficientnet_lite4",
        &["tf_efficientnet_lite4"],
        300,
        &LITE4,
    ),
    timm("timm_efficientnet_lite0", 224, &TIMM_LITE0),
    timm("timm_efficientnet_lite1", 240, &TIMM_LITE1),
    timm("timm_efficientnet_lite2", 260, &TIMM_LITE2),
    timm("timm_efficientnet_lite3", 280, &TIMM_LITE3),
    timm("timm_efficientnet_lite4", 300, &TIMM_LITE4),
];

const LITE0: EfficientNetLite = EfficientNetLite::new(1.0, 1.0);
const LITE1: EfficientNetLite = EfficientNetLite::new(1.0, 1.1);
const LITE2: EfficientNetLite = EfficientNetLite::new(1.1, 1.2);
const LITE3: EfficientNetLite = EfficientNetLite::new(1.2, 1.4);
const LITE4: EfficientNetLite = EfficientNetLite::new(1.4, 1.8);
const TIMM_LITE0: EfficientNetLite = LITE0.with_pytorch_layers();
const TIMM_LITE1: EfficientNetLite = LITE1.with_pytorch_layers();
const TIMM_LITE2: EfficientNetLite = LITE2.with_pytorch_layers();
const TIMM_LITE3: EfficientNetLite = LITE3.with_pytorch_layers();
const TIMM_LITE4: EfficientNetLite = LITE4.with_pytorch_layers();

const fn timm(
    name: &'static str,
    size: usize,
    definition: &'static EfficientNetLite,
) -> Architecture {
    Architecture {
        description: "with PyTorch's padding and epsilon, as trained by timm",
        ..tensorflow(name, &[], size, definition)
    }
}

const fn tensorflow(
    name: &'static str,
    aliases: &'static [&'static str],
    size: usize,
    definition: &'static EfficientNetLite,
) -> Architecture {
    Architecture {
        aliases,
        input_size: [3, size, size],
        ..Architecture::classifier(
            name,
            "EfficientNet-Lite",
            "inverted residuals for edge devices (Tan and Le 2019, lite variant)",
            definition,
        )
    }
}

/// Channels of the stem and of the head. The lite variants scale neither of them, nor the number of
/// blocks of the first and last stages.
const STEM: usize = 32;
const HEAD: usize = 1280;

/// Stages of EfficientNet-B0.
const STAGES: [Stage; 7] = [
    Stage::new(1, 3, 1, 1, 16),
    Stage::new(2, 3, 2, 6, 24),
    Stage::new(2, 5, 2, 6, 40),
    Stage::new(3, 3, 2, 6, 80),
    Stage::new(3, 5, 1, 6, 112),
    Stage::new(4, 5, 2, 6, 192),
    Stage::new(1, 3, 1, 6, 320),
];

/// Blocks of one resolution.
#[derive(Clone, Copy)]
struct Stage {
    blocks: usize,
    kernel: usize,
    /// Stride of the first block; the other blocks have stride 1.
    stride: usize,
    /// Channels of the depthwise convolution as a multiple of the block's input channels.
    expansion: usize,
    channels: usize,
}

impl Stage {
    const fn new(
        blocks: usize,
        kernel: usize,
        stride: usize,
        expansion: usize,
        channels: usize,
    ) -> Self {
        Self {
            blocks,
            kernel,
            stride,
            expansion,
            channels,
        }
    }
}

/// One network of the family: B0 with its channels and numbers of blocks multiplied.
#[derive(Clone, Copy)]
struct EfficientNetLite {
    width: f64,
    depth: f64,
    flavor: Flavor,
}

/// The framework whose padding and epsilon the layers use.
#[derive(Clone, Copy)]
enum Flavor {
    TensorFlow,
    PyTorch,
}

impl Flavor {
    fn padding(self, kernel: [usize; 2]) -> Padding {
        match self {
            Self::TensorFlow => Padding::Same,
            Self::PyTorch => Padding::hw(kernel[0] / 2, kernel[1] / 2),
        }
    }

    fn eps(self) -> f64 {
        match self {
            Self::TensorFlow => 1e-3,
            Self::PyTorch => 1e-5,
        }
    }

    /// A convolution without bias and batch norm number `n`, both under `prefix`.
    fn conv_bn(
        self,
        b: &mut GraphBuilder,
        x: ValueId,
        prefix: &str,
        name: &str,
        n: usize,
        conv: Conv2d,
    ) -> ValueId {
        let channels = conv.out_channels;
        let padding = self.padding(conv.kernel);
        let conv = conv.padding(padding).bias(false);
        let x = b.conv2d(format!("{prefix}{name}"), x, conv);
        let norm = BatchNorm2d::new(channels).eps(self.eps());
        b.batch_norm(format!("{prefix}bn{n}"), x, norm)
    }

    /// [`Self::conv_bn`] followed by ReLU6.
    fn conv_bn_act(
        self,
        b: &mut GraphBuilder,
        x: ValueId,
        prefix: &str,
        name: &str,
        n: usize,
        conv: Conv2d,
    ) -> ValueId {
        let x = self.conv_bn(b, x, prefix, name, n, conv);
        b.activation(format!("{prefix}act{n}"), x, Activation::Relu6)
    }
}

impl Definition for EfficientNetLite {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let stem = Conv2d::new(settings.channels, STEM, 3).stride(2);
        let mut x = self.flavor.conv_bn_act(b, image, "", "conv_stem", 1, stem);
        let mut channels = STEM;
        for (s, stage) in STAGES.into_iter().enumerate() {
            let scaled = s != 0 && s != STAGES.len() - 1;
            let depth = if scaled { self.depth } else { 1.0 };
            let out = layers::scale_channels(stage.channels, self.width);
            for block in 0..(stage.blocks as f64 * depth).ceil() as usize {
                let stride = if block == 0 { stage.stride } else { 1 };
                let prefix = format!("blocks.{s}.{block}.");
                let from = x;
                x = stage.inverted_residual(self.flavor, b, x, &prefix, channels, out, stride);
                if stride == 1 && channels == out {
                    x = b.add(format!("{prefix}add"), x, from);
                }
                channels = out;
            }
        }
        let x = self
            .flavor
            .conv_bn_act(b, x, "", "conv_head", 2, Conv2d::new(channels, HEAD, 1));
        let x = layers::global_pool(b, x, "global_pool", "flatten");
        let x = b.linear("classifier", x, Linear::new(HEAD, settings.classes));
        Ok(vec![x])
    }
}

impl EfficientNetLite {
    const fn new(width: f64, depth: f64) -> Self {
        Self {
            width,
            depth,
            flavor: Flavor::TensorFlow,
        }
    }

    const fn with_pytorch_layers(self) -> Self {
        Self {
            flavor: Flavor::PyTorch,
            ..self
        }
    }
}

impl Stage {
    /// One block without its shortcut: a 1x1 expansion, a depthwise convolution and a 1x1 projection. A
    /// block without expansion (the first stage) has two convolutions and is named accordingly.
    #[allow(clippy::too_many_arguments, reason = "all of them describe the block")]
    fn inverted_residual(
        &self,
        flavor: Flavor,
        b: &mut GraphBuilder,
        x: ValueId,
        prefix: &str,
        channels: usize,
        out: usize,
        stride: usize,
    ) -> ValueId {
        let inner = channels * self.expansion;
        let filter = Conv2d::depthwise(inner, self.kernel).stride(stride);
        let project = Conv2d::new(inner, out, 1);
        if self.expansion == 1 {
            let x = flavor.conv_bn_act(b, x, prefix, "conv_dw", 1, filter);
            return flavor.conv_bn(b, x, prefix, "conv_pw", 2, project);
        }
        let expand = Conv2d::new(channels, inner, 1);
        let x = flavor.conv_bn_act(b, x, prefix, "conv_pw", 1, expand);
        let x = flavor.conv_bn_act(b, x, prefix, "conv_dw", 2, filter);
        flavor.conv_bn(b, x, prefix, "conv_pwl", 3, project)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::ZooOptions;

    #[test]
    fn parameter_counts_are_timms() {
        let count = |i: usize| {
            let graph = ARCHITECTURES[i].build(&ZooOptions::default()).unwrap();
            graph.parameter_count()
        };
        assert_eq!(count(0), 4_652_008);
        // Lite1 to lite4, in units of 10 000 as in timm's table.
        for (i, published) in [(1, 542), (2, 609), (3, 820), (4, 1301)] {
            assert_eq!((count(i) + 5000) / 10_000, published);
        }
    }
}
