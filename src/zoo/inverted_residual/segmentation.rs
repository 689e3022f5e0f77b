//! torchvision's segmenters on a MobileNetV3-Large whose last stage is dilated instead of strided: DeepLabV3 (Chen et
//! al. 2017, "Rethinking atrous convolution for semantic image segmentation") and LR-ASPP (Howard et al. 2019,
//! "Searching for MobileNetV3"). Their scores are resized to the image's size.

use super::mobilenet::V3_LARGE;
use super::names::Scheme;
use super::{Layers, Network};
use crate::error::Result;
use crate::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Conv2d, GraphBuilder, Upsample, ValueId,
};
use crate::zoo::{Architecture, Definition, Settings, Task, ZooOptions};

pub(in crate::zoo) const ARCHITECTURES: &[Architecture] = &[
    segmenter(
        "deeplabv3_mobilenet_v3_large",
        "DeepLabV3",
        "dilated convolutions of several rates (Chen et al. 2017) on MobileNetV3-Large",
        &DeepLabV3,
    ),
    segmenter(
        "lraspp_mobilenet_v3_large",
        "LR-ASPP",
        "gated features of two scales (Howard et al. 2019) of MobileNetV3-Large",
        &LrAspp,
    ),
];

/// The classes of Pascal VOC with the background, and the size to which torchvision resizes images.
const fn segmenter(
    name: &'static str,
    family: &'static str,
    description: &'static str,
    definition: &'static (dyn Definition + Sync),
) -> Architecture {
    Architecture {
        task: Task::Segmentation,
        num_classes: 21,
        input_size: [3, 520, 520],
        ..Architecture::classifier(name, family, description, definition)
    }
}

const BACKBONE: Network = Network {
    output_stride: 16,
    ..V3_LARGE.torchvision(Scheme::MobileNetV3 { root: "backbone" })
};

/// Adds the backbone, and returns the output of each of its blocks.
fn backbone(b: &mut GraphBuilder, image: ValueId, channels: usize) -> Vec<ValueId> {
    let mut layers = Layers {
        b,
        names: BACKBONE.names(),
        same_padding: BACKBONE.same_padding,
        eps: BACKBONE.eps,
    };
    BACKBONE.trunk(&mut layers, image, channels)
}

/// Refuses what timm's constructors have arguments for: timm has no such network.
fn check_options(options: &ZooOptions) -> Result<(), String> {
    match options.is_plain() {
        true => Ok(()),
        false => Err("only its numbers of classes and channels can be changed".to_owned()),
    }
}

/// Resizes `x` to the height and width of `like`.
fn resize(b: &mut GraphBuilder, name: &str, x: ValueId, like: ValueId) -> ValueId {
    let bilinear = Upsample::bilinear(1.0, false).to_size_of_second_input();
    b.node(name, bilinear, &[x, like])
}

/// A convolution without bias, a norm and ReLU, which are numbers `first` and up of the module `name`.
fn conv_bn_relu(
    b: &mut GraphBuilder,
    x: ValueId,
    name: &str,
    first: usize,
    conv: Conv2d,
) -> ValueId {
    let [conv_name, norm, relu] = [0, 1, 2].map(|part| format!("{name}.{}", first + part));
    let channels = conv.out_channels;
    let x = b.conv2d(conv_name, x, conv.bias(false));
    let x = b.batch_norm(norm, x, BatchNorm2d::new(channels));
    b.activation(relu, x, Activation::Relu)
}

struct DeepLabV3;

/// Dilations of the parallel convolutions ("atrous spatial pyramid pooling").
const RATES: [usize; 3] = [12, 24, 36];
/// Channels of each of them.
const CHANNELS: usize = 256;

impl Definition for DeepLabV3 {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let blocks = backbone(b, image, settings.channels);
        let features = *blocks.last().unwrap_or(&image);
        let channels = BACKBONE.trunk_channels();

        let aspp = "classifier.0";
        let single = Conv2d::new(channels, CHANNELS, 1);
        let mut scales = vec![conv_bn_relu(
            b,
            features,
            &format!("{aspp}.convs.0"),
            0,
            single.clone(),
        )];
        for (i, rate) in (1..).zip(RATES) {
            let conv = Conv2d::new(channels, CHANNELS, 3);
            let conv = conv.dilation(rate).padding(rate);
            let name = format!("{aspp}.convs.{i}");
            scales.push(conv_bn_relu(b, features, &name, 0, conv));
        }
        let name = format!("{aspp}.convs.{}", scales.len());
        let pooled = AdaptiveAvgPool2d::new(1, 1);
        let x = b.adaptive_avg_pool2d(format!("{name}.0"), features, pooled);
        let x = conv_bn_relu(b, x, &name, 1, single);
        scales.push(resize(b, &format!("{name}.interpolate"), x, features));

        let x = b.concat(format!("{aspp}.concat"), &scales);
        let project = Conv2d::new(scales.len() * CHANNELS, CHANNELS, 1);
        let x = conv_bn_relu(b, x, &format!("{aspp}.project"), 0, project);
        let x = b.dropout(format!("{aspp}.project.3"), x);
        let last = Conv2d::new(CHANNELS, CHANNELS, 3).padding(1);
        let x = conv_bn_relu(b, x, "classifier", 1, last);
        let scores = Conv2d::new(CHANNELS, settings.classes, 1);
        let x = b.conv2d("classifier.4", x, scores);
        Ok(vec![resize(b, "interpolate", x, image)])
    }

    fn check_options(&self, options: &ZooOptions) -> Result<(), String> {
        check_options(options)
    }
}

struct LrAspp;

/// Channels of the gated features.
const GATED: usize = 128;
/// The block with the features of an eighth of the image's size, and their channels.
const LOW: (usize, usize) = (3, 40);

impl Definition for LrAspp {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let blocks = backbone(b, image, settings.channels);
        let high = *blocks.last().unwrap_or(&image);
        let (index, low_channels) = LOW;
        let low = *blocks.get(index).unwrap_or(&image);
        let channels = BACKBONE.trunk_channels();

        let reduce = Conv2d::new(channels, GATED, 1);
        let x = conv_bn_relu(b, high, "classifier.cbr", 0, reduce.clone());
        let pooled = AdaptiveAvgPool2d::new(1, 1);
        let s = b.adaptive_avg_pool2d("classifier.scale.0", high, pooled);
        let s = b.conv2d("classifier.scale.1", s, reduce.bias(false));
        let s = b.activation("classifier.scale.2", s, Activation::Sigmoid);
        let x = b.mul("classifier.mul", x, s);
        let x = resize(b, "classifier.interpolate", x, low);

        let of_low = Conv2d::new(low_channels, settings.classes, 1);
        let of_high = Conv2d::new(GATED, settings.classes, 1);
        let low = b.conv2d("classifier.low_classifier", low, of_low);
        let high = b.conv2d("classifier.high_classifier", x, of_high);
        let x = b.add("classifier.add", low, high);
        Ok(vec![resize(b, "interpolate", x, image)])
    }

    fn check_options(&self, options: &ZooOptions) -> Result<(), String> {
        check_options(options)
    }
}
