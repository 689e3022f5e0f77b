//! A small network for teaching convolution: three 5x5 convolutions of stride 2 on 128x128 pixels,
//! one fully connected layer and a softmax; and a variant with its second and third convolution split
//! into a depthwise and a 1x1 one (Sifre 2014, "Rigid-motion scattering for image classification").

use super::{Architecture, Definition, Settings};
use crate::error::Result;
use crate::graph::{Activation, Conv2d, GraphBuilder, Linear, ValueId};

pub(super) const ARCHITECTURES: &[Architecture] = &[
    architecture(
        "small_cnn",
        "3 convolutions of 5x5 and stride 2, with softmax",
        &SmallCnn { separable: false },
    ),
    architecture(
        "small_cnn_separable",
        "small_cnn with depthwise-separable convolutions (Sifre 2014), with softmax",
        &SmallCnn { separable: true },
    ),
];

const fn architecture(
    name: &'static str,
    description: &'static str,
    definition: &'static SmallCnn,
) -> Architecture {
    Architecture {
        num_classes: 200,
        input_size: [3, 128, 128],
        ..Architecture::classifier(name, "Small CNN", description, definition)
    }
}

const WIDTHS: [usize; 3] = [64, 128, 256];

struct SmallCnn {
    separable: bool,
}

impl Definition for SmallCnn {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let mut x = image;
        let mut channels = settings.channels;
        for (i, width) in (1..).zip(WIDTHS) {
            let halving = |conv: Conv2d| conv.stride(2).padding(2);
            if self.separable && i > 1 {
                let filter = halving(Conv2d::depthwise(channels, 5));
                x = b.conv2d(format!("conv{i}.0"), x, filter);
                x = b.conv2d(format!("conv{i}.1"), x, Conv2d::new(channels, width, 1));
            } else {
                let conv = halving(Conv2d::new(channels, width, 5));
                x = b.conv2d(format!("conv{i}"), x, conv);
            }
            x = b.activation(format!("relu{i}"), x, Activation::Relu);
            channels = width;
        }
        let x = b.flatten("flatten", x);
        let shrunk = settings.size.map(|size| size.div_ceil(8));
        let features = channels * shrunk[0] * shrunk[1];
        let x = b.linear("fc", x, Linear::new(features, settings.classes));
        Ok(vec![b.softmax("softmax", x)])
    }
}
