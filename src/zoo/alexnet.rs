//! AlexNet (Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural
//! networks"): `alexnet_paper` as published, for 227x227 pixels, with local response normalization
//! and convolutions in two groups; `alexnet` as in torchvision, after Krizhevsky 2014 ("One weird
//! trick for parallelizing convolutional neural networks"), narrower and with neither.

use super::{Architecture, Definition, Settings};
use crate::error::Result;
use crate::graph::{
    Activation, AdaptiveAvgPool2d, Conv2d, GraphBuilder, Linear, LocalResponseNorm, Pool2d, ValueId,
};

pub(super) const ARCHITECTURES: &[Architecture] = &[
    Architecture::classifier(
        "alexnet",
        "AlexNet",
        "5 convolutions, 3 fully connected layers (Krizhevsky 2014), as in torchvision",
        &AlexNet,
    ),
    Architecture {
        input_size: [3, 227, 227],
        ..Architecture::classifier(
            "alexnet_paper",
            "AlexNet",
            "two groups, local response normalization (Krizhevsky et al. 2012)",
            &AlexNetPaper,
        )
    },
];

/// Neurons of the hidden fully connected layers.
const HIDDEN: usize = 4096;

/// One convolution with the layers that follow it.
struct Stage {
    /// Its index in torchvision's `features`.
    index: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
    normalized: bool,
    pooled: bool,
}

impl Stage {
    const fn new(index: usize, channels: usize, kernel: usize) -> Self {
        Self {
            index,
            channels,
            kernel,
            stride: 1,
            padding: kernel / 2,
            groups: 1,
            normalized: false,
            pooled: false,
        }
    }

    const fn stem(mut self, padding: usize) -> Self {
        self.stride = 4;
        self.padding = padding;
        self
    }

    const fn pooled(mut self) -> Self {
        self.pooled = true;
        self
    }

    const fn normalized(mut self) -> Self {
        self.normalized = true;
        self
    }

    const fn two_groups(mut self) -> Self {
        self.groups = 2;
        self
    }

    fn conv(&self, in_channels: usize) -> Conv2d {
        Conv2d::new(in_channels, self.channels, self.kernel)
            .stride(self.stride)
            .padding(self.padding)
            .groups(self.groups)
    }
}

struct AlexNet;

const STAGES: [Stage; 5] = [
    Stage::new(0, 64, 11).stem(2).pooled(),
    Stage::new(3, 192, 5).pooled(),
    Stage::new(6, 384, 3),
    Stage::new(8, 256, 3),
    Stage::new(10, 256, 3).pooled(),
];

impl Definition for AlexNet {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let (mut x, mut channels) = (image, settings.channels);
        for stage in &STAGES {
            let name = |offset: usize| format!("features.{}", stage.index + offset);
            x = b.conv2d(name(0), x, stage.conv(channels));
            x = b.activation(name(1), x, Activation::Relu);
            if stage.pooled {
                x = b.pool2d(name(2), x, Pool2d::max(3, 2));
            }
            channels = stage.channels;
        }
        x = b.adaptive_avg_pool2d("avgpool", x, AdaptiveAvgPool2d::new(6, 6));
        x = b.flatten("flatten", x);
        for (i, features) in [(0, channels * 6 * 6), (3, HIDDEN)] {
            let name = |offset: usize| format!("classifier.{}", i + offset);
            x = b.dropout(name(0), x);
            x = b.linear(name(1), x, Linear::new(features, HIDDEN));
            x = b.activation(name(2), x, Activation::Relu);
        }
        let last = Linear::new(HIDDEN, settings.classes);
        Ok(vec![b.linear("classifier.6", x, last)])
    }
}

struct AlexNetPaper;

/// Layers are numbered from 1; `index` is not used.
const PAPER_STAGES: [Stage; 5] = [
    Stage::new(0, 96, 11).stem(0).normalized().pooled(),
    Stage::new(0, 256, 5).two_groups().normalized().pooled(),
    Stage::new(0, 384, 3),
    Stage::new(0, 384, 3).two_groups(),
    Stage::new(0, 256, 3).two_groups().pooled(),
];

impl Definition for AlexNetPaper {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let (mut x, mut channels) = (image, settings.channels);
        for (i, stage) in (1..).zip(&PAPER_STAGES) {
            x = b.conv2d(format!("conv{i}"), x, stage.conv(channels));
            x = b.activation(format!("relu{i}"), x, Activation::Relu);
            if stage.normalized {
                // The paper's alpha multiplies the plain sum, PyTorch's the mean over 5 channels.
                let norm = LocalResponseNorm {
                    alpha: 1e-4 * 5.0,
                    beta: 0.75,
                    k: 2.0,
                    ..LocalResponseNorm::new(5)
                };
                x = b.node(format!("norm{i}"), norm, &[x]);
            }
            if stage.pooled {
                x = b.pool2d(format!("pool{i}"), x, Pool2d::max(3, 2));
            }
            channels = stage.channels;
        }
        x = b.flatten("flatten", x);
        for (i, features) in [(6, channels * 6 * 6), (7, HIDDEN)] {
            x = b.linear(format!("fc{i}"), x, Linear::new(features, HIDDEN));
            x = b.activation(format!("relu{i}"), x, Activation::Relu);
            x = b.dropout(format!("drop{i}"), x);
        }
        let last = Linear::new(HIDDEN, settings.classes);
        Ok(vec![b.linear("fc8", x, last)])
    }
}
