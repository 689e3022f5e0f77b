//! A multilayer perceptron (Rumelhart et al. 1986, "Learning representations by back-propagating
//! errors") for handwritten digits: 784-256-128-10, sigmoid then hyperbolic tangent, and a softmax.

use super::{Architecture, Definition, Settings};
use crate::error::Result;
use crate::graph::{Activation, GraphBuilder, Linear, ValueId};

pub(super) const ARCHITECTURES: &[Architecture] = &[Architecture {
    num_classes: 10,
    input_size: [1, 28, 28],
    ..Architecture::classifier(
        "mlp",
        "MLP",
        "3 fully connected layers for digits (Rumelhart et al. 1986), with softmax",
        &Mlp,
    )
}];

const HIDDEN: [(usize, Activation); 2] = [(256, Activation::Sigmoid), (128, Activation::Tanh)];

struct Mlp;

impl Definition for Mlp {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let mut x = b.flatten("flatten", image);
        let mut features = settings.channels * settings.size[0] * settings.size[1];
        for (i, (width, activation)) in (1..).zip(HIDDEN) {
            x = b.linear(format!("fc{i}"), x, Linear::new(features, width));
            x = b.activation(format!("act{i}"), x, activation);
            features = width;
        }
        let last = Linear::new(features, settings.classes);
        let x = b.linear(format!("fc{}", HIDDEN.len() + 1), x, last);
        Ok(vec![b.softmax("softmax", x)])
    }
}
