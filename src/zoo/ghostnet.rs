//! GhostNet (Han et al. 2020, "GhostNet: More features from cheap operations"), as defined and named in timm.

use super::squeeze_excite::{Gate, SqueezeExcite};
use super::variant::GlobalPool;
use super::{Architecture, Definition, Settings, ZooOptions, layers};
use crate::error::Result;
use crate::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Conv2d, GraphBuilder, Linear, ValueId,
};

pub(super) const ARCHITECTURES: &[Architecture] = &[
    row("ghostnet_050", &GhostNet { width: 0.5 }),
    row("ghostnet_100", &GhostNet { width: 1.0 }),
    row("ghostnet_130", &GhostNet { width: 1.3 }),
];

const fn row(name: &'static str, definition: &'static GhostNet) -> Architecture {
    Architecture::classifier(
        name,
        "GhostNet",
        "half of all features are depthwise convolutions of the others (Han et al. 2020)",
        definition,
    )
}

struct GhostNet {
    /// The factor of all channels but the head's.
    width: f64,
}

/// A bottleneck: kernel of the depthwise convolutions, inner channels, output channels, squeeze-and-excite, stride.
type Bottleneck = (usize, usize, usize, bool, usize);

/// Table 1 of the paper.
const STAGES: [&[Bottleneck]; 9] = [
    &[(3, 16, 16, false, 1)],
    &[(3, 48, 24, false, 2)],
    &[(3, 72, 24, false, 1)],
    &[(5, 72, 40, true, 2)],
    &[(5, 120, 40, true, 1)],
    &[(3, 240, 80, false, 2)],
    &[
        (3, 200, 80, false, 1),
        (3, 184, 80, false, 1),
        (3, 184, 80, false, 1),
        (3, 480, 112, true, 1),
        (3, 672, 112, true, 1),
    ],
    &[(5, 672, 160, true, 2)],
    &[
        (5, 960, 160, false, 1),
        (5, 960, 160, true, 1),
        (5, 960, 160, false, 1),
        (5, 960, 160, true, 1),
    ],
];
/// Channels of the last convolution before the pooling, and of that after it.
const LAST: usize = 960;
const HEAD: usize = 1280;

/// As [`layers::scale_channels`], in multiples of 4.
fn scaled(channels: usize, width: f64) -> usize {
    layers::round_channels(channels as f64 * width, 4, 0.9)
}

impl Definition for GhostNet {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let mut channels = scaled(16, self.width);
        let stem = Conv2d::new(settings.channels, channels, 3).stride(2);
        let relu = |b: &mut GraphBuilder, name: String, x| b.activation(name, x, Activation::Relu);
        let mut x = conv_bn(
            b,
            image,
            ["conv_stem".into(), "bn1".into()],
            stem.padding(1),
        );
        x = relu(b, "act1".to_owned(), x);
        for (stage, bottlenecks) in STAGES.into_iter().enumerate() {
            for (i, bottleneck) in bottlenecks.iter().enumerate() {
                let name = format!("blocks.{stage}.{i}");
                (x, channels) = self.bottleneck(b, x, &name, channels, *bottleneck);
            }
        }
        let last = scaled(LAST, self.width);
        let name = |part: &str| format!("blocks.{}.0.{part}", STAGES.len());
        let conv = Conv2d::new(channels, last, 1);
        x = conv_bn(b, x, [name("conv"), name("bn1")], conv);
        x = relu(b, name("act1"), x);

        let x = b.adaptive_avg_pool2d("global_pool", x, AdaptiveAvgPool2d::new(1, 1));
        let x = b.conv2d("conv_head", x, Conv2d::new(last, HEAD, 1));
        let x = relu(b, "act2".to_owned(), x);
        let x = b.flatten("flatten", x);
        Ok(vec![b.linear(
            "classifier",
            x,
            Linear::new(HEAD, settings.classes),
        )])
    }

    fn check_options(&self, options: &ZooOptions) -> Result<(), String> {
        let takes_none = |what: &str| Err(format!("{what}: timm's constructor of it takes none"));
        let ZooOptions {
            activation,
            bn_eps,
            padding,
            output_stride,
            global_pool,
            ..
        } = *options;
        if activation.is_some() {
            return takes_none("another activation");
        }
        if bn_eps.is_some() {
            return takes_none("another epsilon");
        }
        if padding.is_some() {
            return takes_none("another padding");
        }
        match (output_stride, global_pool) {
            (Some(stride), _) if stride != 32 => Err(format!(
                "output stride {stride}: timm builds it with 32 only"
            )),
            (_, Some(GlobalPool::ConcatAverageMax)) => Err(
                "global pooling 'catavgmax': timm builds no such network with twice the features"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

impl GhostNet {
    /// Two ghost modules, with a strided convolution and squeeze-and-excite between them, and a shortcut. Also returns
    /// the number of channels.
    fn bottleneck(
        &self,
        b: &mut GraphBuilder,
        input: ValueId,
        name: &str,
        channels: usize,
        (kernel, inner, out, squeeze, stride): Bottleneck,
    ) -> (ValueId, usize) {
        let (inner, out) = (scaled(inner, self.width), scaled(out, self.width));
        let names = |[conv, norm]: [&str; 2]| [format!("{name}.{conv}"), format!("{name}.{norm}")];
        let depthwise = |channels| {
            let conv = Conv2d::depthwise(channels, kernel).stride(stride);
            conv.padding(kernel / 2)
        };
        let mut x = ghost(b, input, &format!("{name}.ghost1"), [channels, inner], true);
        if stride > 1 {
            x = conv_bn(b, x, names(["conv_dw", "bn_dw"]), depthwise(inner));
        }
        if squeeze {
            let layer = SqueezeExcite {
                channels: inner,
                reduced: layers::round_channels(inner as f64 * 0.25, 4, 0.9),
                activation: Activation::Relu,
                gate: Gate::HardSigmoid,
            };
            x = layer.build(b, x, |part| format!("{name}.se.{part}"));
        }
        x = ghost(b, x, &format!("{name}.ghost2"), [inner, out], false);
        let mut shortcut = input;
        if stride > 1 || channels != out {
            let names_of = |first: usize| {
                let name = |i: usize| format!("{name}.shortcut.{i}");
                [name(first), name(first + 1)]
            };
            shortcut = conv_bn(b, shortcut, names_of(0), depthwise(channels));
            shortcut = conv_bn(b, shortcut, names_of(2), Conv2d::new(channels, out, 1));
        }
        (b.add(format!("{name}.add"), x, shortcut), out)
    }
}

/// A ghost module: half of the channels by a 1x1 convolution, the other half from these by a depthwise one.
fn ghost(
    b: &mut GraphBuilder,
    x: ValueId,
    name: &str,
    [channels, out]: [usize; 2],
    activation: bool,
) -> ValueId {
    let half = out.div_ceil(2);
    let mut layer = |x: ValueId, module: &str, conv: Conv2d| {
        let part = |i: usize| format!("{name}.{module}.{i}");
        let x = conv_bn(b, x, [part(0), part(1)], conv);
        match activation {
            true => b.activation(part(2), x, Activation::Relu),
            false => x,
        }
    };
    let primary = layer(x, "primary_conv", Conv2d::new(channels, half, 1));
    let cheap = Conv2d::depthwise(half, 3).padding(1);
    let cheap = layer(primary, "cheap_operation", cheap);
    // `scaled` channels are even, so that no half has one too many.
    b.concat(format!("{name}.concat"), &[primary, cheap])
}

/// A convolution without bias and a norm, with these names.
fn conv_bn(b: &mut GraphBuilder, x: ValueId, names: [String; 2], conv: Conv2d) -> ValueId {
    let [name, norm] = names;
    let channels = conv.out_channels;
    let x = b.conv2d(name, x, conv.bias(false));
    b.batch_norm(norm, x, BatchNorm2d::new(channels))
}
