//! ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s"), as defined and named in timm, which has small ones too.
//! torchvision's names can be loaded as well. The layers within blocks that other libraries call linear are pointwise
//! convolutions, which timm's small networks store as such.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{
    Conv2d, Graph, GraphBuilder, GroupNorm, LayerScale, Linear, Op, Unary, ValueId,
};
use crate::tensor::Shape;
use crate::weights::Dialect;

pub(super) const ARCHITECTURES: &[Architecture] = &[
    row("convnext_atto", &ConvNext::new([2, 2, 6, 2], 40)),
    row("convnext_femto", &ConvNext::new([2, 2, 6, 2], 48)),
    row("convnext_pico", &ConvNext::new([2, 2, 6, 2], 64)),
    row("convnext_nano", &ConvNext::new([2, 2, 8, 2], 80)),
    row("convnext_tiny", &ConvNext::new([3, 3, 9, 3], 96)),
    row("convnext_small", &ConvNext::new([3, 3, 27, 3], 96)),
    row("convnext_base", &ConvNext::new([3, 3, 27, 3], 128)),
    row("convnext_large", &ConvNext::new([3, 3, 27, 3], 192)),
    row("convnext_xlarge", &ConvNext::new([3, 3, 27, 3], 256)),
];

const fn row(name: &'static str, definition: &'static ConvNext) -> Architecture {
    let description = "depthwise 7x7 convolutions, layer norms and GELU (Liu et al. 2022)";
    Architecture::classifier(name, "ConvNeXt", description, definition)
}

/// Height and width of the patches that the first convolution reads.
const PATCH: usize = 4;
/// Channels within a block as a multiple of those outside.
const EXPANSION: usize = 4;
/// Epsilon of all layer norms.
const EPS: f64 = 1e-6;

/// One ConvNeXt.
struct ConvNext {
    /// Number of blocks of each stage.
    depths: [usize; 4],
    /// Channels of the first stage; each has twice as many as the one before.
    width: usize,
}

impl ConvNext {
    const fn new(depths: [usize; 4], width: usize) -> Self {
        Self { depths, width }
    }
}

impl Definition for ConvNext {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let mut channels = self.width;
        let stem = Conv2d::new(settings.channels, channels, PATCH).stride(PATCH);
        let x = b.conv2d("stem.0", image, stem);
        let mut x = norm(b, "stem.1", x, channels);
        for (stage, depth) in self.depths.into_iter().enumerate() {
            let name = format!("stages.{stage}");
            if stage > 0 {
                x = norm(b, format!("{name}.downsample.0"), x, channels);
                let conv = Conv2d::new(channels, 2 * channels, 2).stride(2);
                x = b.conv2d(format!("{name}.downsample.1"), x, conv);
                channels *= 2;
            }
            for i in 0..depth {
                x = block(b, x, &format!("{name}.blocks.{i}"), channels);
            }
        }
        let x = layers::global_pool(b, x, "head.global_pool", "head.flatten");
        let x = norm(b, "head.norm", x, channels);
        let x = b.dropout("head.drop", x);
        let last = Linear::new(channels, settings.classes);
        Ok(vec![b.linear("head.fc", x, last)])
    }

    fn has_timms_default(&self, argument: &str) -> bool {
        argument != "stem_type"
    }

    fn dialects(&self, graph: &Graph) -> Vec<Dialect> {
        let own = self.linear_layers().map(|name| (name.clone(), name));
        let mut theirs = Vec::new();
        let mut add = |ours: String, name: String| theirs.push((ours, name));
        for i in 0..2 {
            add(format!("stem.{i}"), format!("features.0.{i}"));
        }
        let mut scales = Vec::new();
        for (stage, depth) in self.depths.into_iter().enumerate() {
            for i in 0..2 {
                let ours = format!("stages.{stage}.downsample.{i}");
                add(ours, format!("features.{}.{i}", 2 * stage));
            }
            for i in 0..depth {
                let ours = format!("stages.{stage}.blocks.{i}");
                let name = format!("features.{}.{i}", 2 * stage + 1);
                for (layer, index) in [("conv_dw", 0), ("norm", 2), ("mlp.fc1", 3), ("mlp.fc2", 5)]
                {
                    add(format!("{ours}.{layer}"), format!("{name}.block.{index}"));
                }
                let gamma = format!("{ours}.gamma");
                add(gamma.clone(), format!("{name}.layer_scale"));
                scales.push((gamma, Shape::from([self.width << stage, 1, 1])));
            }
        }
        add("head.norm".to_owned(), "classifier.0".to_owned());
        add("head.fc".to_owned(), "classifier.2".to_owned());
        let mut torchvision = Dialect::new("torchvision", theirs);
        for (gamma, shape) in scales {
            torchvision = torchvision.shape(&gamma, shape);
        }
        let linear = |mut dialect: Dialect| {
            for name in self.linear_layers() {
                if let Ok(value) = graph.find(&name)
                    && let Op::Conv2d(conv) = graph.node(value).op()
                {
                    dialect = dialect.shape(&name, [conv.out_channels, conv.in_channels]);
                }
            }
            dialect
        };
        vec![linear(Dialect::new("timm", own)), linear(torchvision)]
    }
}

impl ConvNext {
    /// The names of the layers that other libraries have as fully connected ones, whose weights have two dimensions.
    fn linear_layers(&self) -> impl Iterator<Item = String> {
        let stages = self.depths.into_iter().enumerate();
        let blocks = stages.flat_map(|(stage, depth)| (0..depth).map(move |i| (stage, i)));
        blocks.flat_map(|(stage, i)| {
            ["fc1", "fc2"].map(|layer| format!("stages.{stage}.blocks.{i}.mlp.{layer}"))
        })
    }
}

fn block(b: &mut GraphBuilder, x: ValueId, name: &str, channels: usize) -> ValueId {
    let hidden = EXPANSION * channels;
    let filter = Conv2d::depthwise(channels, 7).padding(3);
    let y = b.conv2d(format!("{name}.conv_dw"), x, filter);
    let y = norm(b, format!("{name}.norm"), y, channels);
    let y = b.conv2d(
        format!("{name}.mlp.fc1"),
        y,
        Conv2d::new(channels, hidden, 1),
    );
    let y = b.node(format!("{name}.mlp.act"), Unary::Gelu, &[y]);
    let y = b.conv2d(
        format!("{name}.mlp.fc2"),
        y,
        Conv2d::new(hidden, channels, 1),
    );
    // Its parameter is called `gamma` within the block.
    let y = b.node(name, LayerScale { channels }, &[y]);
    b.add(format!("{name}.add"), y, x)
}

fn norm(b: &mut GraphBuilder, name: impl Into<String>, x: ValueId, channels: usize) -> ValueId {
    b.node(name, GroupNorm::layer(channels).eps(EPS), &[x])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::tests::assert_parameter_counts;

    /// timm's; from `convnext_tiny` to `convnext_large` torchvision's too.
    #[test]
    fn parameter_counts_are_timms() {
        let published = [
            3_695_520,
            5_217_784,
            9_045_672,
            15_593_560,
            28_589_128,
            50_223_688,
            88_591_464,
            197_767_336,
            350_196_968,
        ];
        assert_parameter_counts(ARCHITECTURES, &published);
    }
}
