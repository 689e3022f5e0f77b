//! SqueezeNet (Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters
//! and <0.5MB model size"), as defined and named in torchvision.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{Activation, Conv2d, GraphBuilder, Pool2d, ValueId};

pub(super) const ARCHITECTURES: &[Architecture] = &[
    Architecture::classifier(
        "squeezenet1_0",
        "SqueezeNet",
        "fire modules: 1x1 to fewer channels, then 1x1 and 3x3 in parallel (Iandola et al. 2016)",
        &SqueezeNet {
            stem: (96, 7),
            pools: [2, 6, 11],
        },
    ),
    Architecture::classifier(
        "squeezenet1_1",
        "SqueezeNet",
        "as 1.0 with earlier pooling, 2.4 times faster (Iandola et al. 2016)",
        &SqueezeNet {
            stem: (64, 3),
            pools: [2, 5, 8],
        },
    ),
];

/// Channels of the eight fire modules: of the squeeze, and of each of the two expand convolutions.
const FIRES: [(usize, usize); 8] = [
    (16, 64),
    (16, 64),
    (32, 128),
    (32, 128),
    (48, 192),
    (48, 192),
    (64, 256),
    (64, 256),
];

struct SqueezeNet {
    /// Channels and kernel of the first convolution.
    stem: (usize, usize),
    /// Indices of the pooling layers in `features`.
    pools: [usize; 3],
}

impl Definition for SqueezeNet {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let (mut channels, kernel) = self.stem;
        let stem = Conv2d::new(settings.channels, channels, kernel).stride(2);
        let x = b.conv2d("features.0", image, stem);
        let mut x = b.activation("features.1", x, Activation::Relu);
        let mut index = 2;
        for (squeezed, expanded) in FIRES {
            if self.pools.contains(&index) {
                let pool = Pool2d::max(3, 2).ceil_mode(true);
                x = b.pool2d(format!("features.{index}"), x, pool);
                index += 1;
            }
            x = fire(
                b,
                x,
                &format!("features.{index}"),
                channels,
                squeezed,
                expanded,
            );
            channels = 2 * expanded;
            index += 1;
        }
        let x = b.dropout("classifier.0", x);
        let x = b.conv2d(
            "classifier.1",
            x,
            Conv2d::new(channels, settings.classes, 1),
        );
        let x = b.activation("classifier.2", x, Activation::Relu);
        Ok(vec![layers::global_pool(b, x, "classifier.3", "flatten")])
    }
}

fn fire(
    b: &mut GraphBuilder,
    x: ValueId,
    name: &str,
    channels: usize,
    squeezed: usize,
    expanded: usize,
) -> ValueId {
    let mut conv = |part: &str, x: ValueId, conv: Conv2d| {
        let x = b.conv2d(format!("{name}.{part}"), x, conv);
        b.activation(format!("{name}.{part}_activation"), x, Activation::Relu)
    };
    let x = conv("squeeze", x, Conv2d::new(channels, squeezed, 1));
    let small = conv("expand1x1", x, Conv2d::new(squeezed, expanded, 1));
    let large = Conv2d::new(squeezed, expanded, 3).padding(1);
    let large = conv("expand3x3", x, large);
    b.concat(format!("{name}.concat"), &[small, large])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::ZooOptions;

    #[test]
    fn parameter_counts_are_torchvisions() {
        let count = |i: usize| {
            let graph = ARCHITECTURES[i].build(&ZooOptions::default()).unwrap();
            graph.parameter_count()
        };
        assert_eq!([count(0), count(1)], [1_248_424, 1_235_496]);
    }
}
