//! MobileNet (Howard et al. 2017, "MobileNets: Efficient convolutional neural networks for mobile
//! vision applications"), width 1: depthwise-separable convolutions.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{Activation, BatchNorm2d, Conv2d, GraphBuilder, Linear, ValueId};

pub(super) const ARCHITECTURES: &[Architecture] = &[Architecture::classifier(
    "mobilenet_v1",
    "MobileNet",
    "depthwise-separable convolutions (Howard et al. 2017)",
    &MobileNetV1,
)];

const STEM: usize = 32;
/// Channels and stride of the blocks.
const BLOCKS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

struct MobileNetV1;

impl Definition for MobileNetV1 {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let stem = Conv2d::new(settings.channels, STEM, 3).stride(2).padding(1);
        let mut x = conv_bn_relu(b, image, "conv1", stem);
        let mut channels = STEM;
        for (i, (width, stride)) in BLOCKS.into_iter().enumerate() {
            let filter = Conv2d::depthwise(channels, 3).stride(stride).padding(1);
            x = conv_bn_relu(b, x, &format!("blocks.{i}.dw"), filter);
            x = conv_bn_relu(
                b,
                x,
                &format!("blocks.{i}.pw"),
                Conv2d::new(channels, width, 1),
            );
            channels = width;
        }
        let x = layers::global_pool(b, x, "avgpool", "flatten");
        let last = Linear::new(channels, settings.classes);
        Ok(vec![b.linear("fc", x, last)])
    }
}

fn conv_bn_relu(b: &mut GraphBuilder, x: ValueId, name: &str, conv: Conv2d) -> ValueId {
    let channels = conv.out_channels;
    let x = b.conv2d(format!("{name}.0"), x, conv.bias(false));
    let x = b.batch_norm(format!("{name}.1"), x, BatchNorm2d::new(channels));
    b.activation(format!("{name}.2"), x, Activation::Relu)
}
