//! Squeeze-and-excite (Hu et al. 2018, "Squeeze-and-excitation networks"): every channel times a gate in 0..1,
//! which two fully connected layers compute from the means of all channels. They are convolutions of one pixel.

use crate::graph::{Activation, AdaptiveAvgPool2d, Conv2d, GraphBuilder, Op, Unary, ValueId};

/// The layers of one squeeze-and-excite.
pub(super) struct SqueezeExcite {
    pub channels: usize,
    /// The channels between the two convolutions.
    pub reduced: usize,
    /// After the first convolution.
    pub activation: Activation,
    /// After the second.
    pub gate: Gate,
}

/// The function of the gate. timm's `act_layer` does not replace it.
#[derive(Clone, Copy)]
pub(super) enum Gate {
    Sigmoid,
    /// `min(max(x / 6 + 0.5, 0), 1)`.
    HardSigmoid,
}

/// Names of the nodes in timm, in order: the mean, the convolutions with their functions, the product.
pub(super) const TIMM: [&str; 6] = ["pool", "conv_reduce", "act1", "conv_expand", "gate", "mul"];
/// As [`TIMM`], in torchvision.
pub(super) const TORCHVISION: [&str; 6] = [
    "avgpool",
    "fc1",
    "activation",
    "fc2",
    "scale_activation",
    "mul",
];

impl SqueezeExcite {
    /// Adds the nodes, named by `name` from their [`TIMM`] names.
    pub fn build(
        &self,
        b: &mut GraphBuilder,
        x: ValueId,
        name: impl Fn(&str) -> String,
    ) -> ValueId {
        let [pool, reduce, activation, expand, gate, product] = TIMM.map(name);
        let reduction = Conv2d::new(self.channels, self.reduced, 1);
        let expansion = Conv2d::new(self.reduced, self.channels, 1);
        let function: Op = match self.gate {
            Gate::Sigmoid => Activation::Sigmoid.into(),
            Gate::HardSigmoid => Op::Unary(Unary::HardSigmoid {
                alpha: 1.0 / 6.0,
                beta: 0.5,
            }),
        };
        let s = b.adaptive_avg_pool2d(pool, x, AdaptiveAvgPool2d::new(1, 1));
        let s = b.conv2d(reduce, s, reduction);
        let s = b.activation(activation, s, self.activation);
        let s = b.conv2d(expand, s, expansion);
        let s = b.node(gate, function, &[s]);
        b.mul(product, x, s)
    }
}
