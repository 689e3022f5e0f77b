//! Inception v3 (Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision"), as defined and named
//! in torchvision and timm. Checkpoints may have the tensors of the auxiliary classifier, `AuxLogits`, which is for
//! training only.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{
    Activation, BatchNorm2d, Conv2d, GraphBuilder, Linear, Padding, Pool2d, ValueId,
};

pub(super) const ARCHITECTURES: &[Architecture] = &[Architecture {
    aliases: &["tf_inception_v3", "adv_inception_v3", "gluon_inception_v3"],
    input_size: [3, 299, 299],
    ..Architecture::classifier(
        "inception_v3",
        "Inception v3",
        "parallel convolutions of several sizes (Szegedy et al. 2016)",
        &InceptionV3,
    )
}];

/// Epsilon of all batch norms.
const EPS: f64 = 1e-3;

struct InceptionV3;

impl Definition for InceptionV3 {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let mut net = Net { b };
        let stem = Conv2d::new(settings.channels, 32, 3).stride(2);
        let x = net.conv(image, "Conv2d_1a_3x3", stem);
        let x = net.conv(x, "Conv2d_2a_3x3", Conv2d::new(32, 32, 3));
        let x = net.conv(x, "Conv2d_2b_3x3", Conv2d::new(32, 64, 3).padding(1));
        let x = net.b.pool2d("maxpool1", x, Pool2d::max(3, 2));
        let x = net.conv(x, "Conv2d_3b_1x1", Conv2d::new(64, 80, 1));
        let x = net.conv(x, "Conv2d_4a_3x3", Conv2d::new(80, 192, 3));
        let mut x = net.b.pool2d("maxpool2", x, Pool2d::max(3, 2));
        let mut channels = 192;
        for (name, pool_channels) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
            x = net.block_a(x, name, channels, pool_channels);
            channels = 64 + 64 + 96 + pool_channels;
        }
        x = net.block_b(x, "Mixed_6a", channels);
        for (name, width) in [
            ("Mixed_6b", 128),
            ("Mixed_6c", 160),
            ("Mixed_6d", 160),
            ("Mixed_6e", 192),
        ] {
            x = net.block_c(x, name, width);
        }
        x = net.block_d(x, "Mixed_7a");
        for (name, channels) in [("Mixed_7b", 1280), ("Mixed_7c", 2048)] {
            x = net.block_e(x, name, channels);
        }
        let x = layers::global_pool(b, x, "avgpool", "flatten");
        let x = b.dropout("dropout", x);
        let last = Linear::new(2048, settings.classes);
        Ok(vec![b.linear("fc", x, last)])
    }
}

/// The five kinds of blocks: figures 5 to 7 and 10 of the paper. Branches are called as in the checkpoints.
struct Net<'a> {
    b: &'a mut GraphBuilder,
}

impl Net<'_> {
    /// A convolution without bias, a batch norm and a ReLU.
    fn conv(&mut self, x: ValueId, name: &str, conv: Conv2d) -> ValueId {
        let norm = BatchNorm2d::new(conv.out_channels).eps(EPS);
        let x = self.b.conv2d(format!("{name}.conv"), x, conv.bias(false));
        let x = self.b.batch_norm(format!("{name}.bn"), x, norm);
        self.b
            .activation(format!("{name}.relu"), x, Activation::Relu)
    }

    /// Convolutions one after another: each one's name within `block`, and its settings.
    fn chain<const N: usize>(
        &mut self,
        mut x: ValueId,
        block: &str,
        convolutions: [(&str, Conv2d); N],
    ) -> ValueId {
        for (name, conv) in convolutions {
            x = self.conv(x, &format!("{block}.{name}"), conv);
        }
        x
    }

    /// Average pooling, in which padding counts, and a 1x1 convolution.
    fn pooled(&mut self, x: ValueId, block: &str, channels: usize, out: usize) -> ValueId {
        let pool = Pool2d::average(3, 1).padding(1);
        let x = self.b.pool2d(format!("{block}.avgpool"), x, pool);
        self.chain(x, block, [("branch_pool", Conv2d::new(channels, out, 1))])
    }

    fn concat(&mut self, block: &str, branches: &[ValueId]) -> ValueId {
        self.b.concat(format!("{block}.concat"), branches)
    }

    fn block_a(&mut self, x: ValueId, block: &str, channels: usize, pooled: usize) -> ValueId {
        let one = self.chain(x, block, [("branch1x1", Conv2d::new(channels, 64, 1))]);
        let five = self.chain(
            x,
            block,
            [
                ("branch5x5_1", Conv2d::new(channels, 48, 1)),
                ("branch5x5_2", Conv2d::new(48, 64, 5).padding(2)),
            ],
        );
        let double = self.chain(
            x,
            block,
            [
                ("branch3x3dbl_1", Conv2d::new(channels, 64, 1)),
                ("branch3x3dbl_2", Conv2d::new(64, 96, 3).padding(1)),
                ("branch3x3dbl_3", Conv2d::new(96, 96, 3).padding(1)),
            ],
        );
        let pooled = self.pooled(x, block, channels, pooled);
        self.concat(block, &[one, five, double, pooled])
    }

    fn block_b(&mut self, x: ValueId, block: &str, channels: usize) -> ValueId {
        let three = Conv2d::new(channels, 384, 3).stride(2);
        let three = self.chain(x, block, [("branch3x3", three)]);
        let double = self.chain(
            x,
            block,
            [
                ("branch3x3dbl_1", Conv2d::new(channels, 64, 1)),
                ("branch3x3dbl_2", Conv2d::new(64, 96, 3).padding(1)),
                ("branch3x3dbl_3", Conv2d::new(96, 96, 3).stride(2)),
            ],
        );
        let pooled = self.halved(x, block);
        self.concat(block, &[three, double, pooled])
    }

    fn block_c(&mut self, x: ValueId, block: &str, width: usize) -> ValueId {
        let one = self.chain(x, block, [("branch1x1", Conv2d::new(768, 192, 1))]);
        let seven = self.chain(
            x,
            block,
            [
                ("branch7x7_1", Conv2d::new(768, width, 1)),
                ("branch7x7_2", row(width, width, 7)),
                ("branch7x7_3", column(width, 192, 7)),
            ],
        );
        let double = self.chain(
            x,
            block,
            [
                ("branch7x7dbl_1", Conv2d::new(768, width, 1)),
                ("branch7x7dbl_2", column(width, width, 7)),
                ("branch7x7dbl_3", row(width, width, 7)),
                ("branch7x7dbl_4", column(width, width, 7)),
                ("branch7x7dbl_5", row(width, 192, 7)),
            ],
        );
        let pooled = self.pooled(x, block, 768, 192);
        self.concat(block, &[one, seven, double, pooled])
    }

    fn block_d(&mut self, x: ValueId, block: &str) -> ValueId {
        let three = self.chain(
            x,
            block,
            [
                ("branch3x3_1", Conv2d::new(768, 192, 1)),
                ("branch3x3_2", Conv2d::new(192, 320, 3).stride(2)),
            ],
        );
        let seven = self.chain(
            x,
            block,
            [
                ("branch7x7x3_1", Conv2d::new(768, 192, 1)),
                ("branch7x7x3_2", row(192, 192, 7)),
                ("branch7x7x3_3", column(192, 192, 7)),
                ("branch7x7x3_4", Conv2d::new(192, 192, 3).stride(2)),
            ],
        );
        let pooled = self.halved(x, block);
        self.concat(block, &[three, seven, pooled])
    }

    fn block_e(&mut self, x: ValueId, block: &str, channels: usize) -> ValueId {
        let one = self.chain(x, block, [("branch1x1", Conv2d::new(channels, 320, 1))]);
        let three = self.chain(x, block, [("branch3x3_1", Conv2d::new(channels, 384, 1))]);
        let double = self.chain(
            x,
            block,
            [
                ("branch3x3dbl_1", Conv2d::new(channels, 448, 1)),
                ("branch3x3dbl_2", Conv2d::new(448, 384, 3).padding(1)),
            ],
        );
        let mut branches = vec![one];
        for (x, name) in [(three, "branch3x3_2"), (double, "branch3x3dbl_3")] {
            let (first, second) = (format!("{name}a"), format!("{name}b"));
            branches.push(self.chain(x, block, [(&first, row(384, 384, 3))]));
            branches.push(self.chain(x, block, [(&second, column(384, 384, 3))]));
        }
        branches.push(self.pooled(x, block, channels, 192));
        self.concat(block, &branches)
    }

    fn halved(&mut self, x: ValueId, block: &str) -> ValueId {
        let pool = Pool2d::max(3, 2);
        self.b.pool2d(format!("{block}.maxpool"), x, pool)
    }
}

/// A convolution of one row of `size` pixels that keeps the map's size.
fn row(channels: usize, out: usize, size: usize) -> Conv2d {
    let conv = Conv2d::new(channels, out, 1).kernel_hw(1, size);
    conv.padding(Padding::hw(0, size / 2))
}

/// A convolution of one column of `size` pixels that keeps the map's size.
fn column(channels: usize, out: usize, size: usize) -> Conv2d {
    let conv = Conv2d::new(channels, out, 1).kernel_hw(size, 1);
    conv.padding(Padding::hw(size / 2, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::ZooOptions;

    /// torchvision's and timm's, without the auxiliary classifier.
    #[test]
    fn parameter_count_is_torchvisions() {
        let graph = ARCHITECTURES[0].build(&ZooOptions::default()).unwrap();
        assert_eq!(graph.parameter_count(), 23_834_568);
    }
}
