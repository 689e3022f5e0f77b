use super::{Block, ResNet};
use crate::zoo::Architecture;

const RESNET18: ResNet = ResNet::new(Block::Basic, [2, 2, 2, 2]);
const RESNET34: ResNet = ResNet::new(Block::Basic, [3, 4, 6, 3]);
const RESNET26: ResNet = ResNet::new(Block::Bottleneck, [2, 2, 2, 2]);
const RESNET50: ResNet = ResNet::new(Block::Bottleneck, [3, 4, 6, 3]);
const RESNET101: ResNet = ResNet::new(Block::Bottleneck, [3, 4, 23, 3]);
const RESNET152: ResNet = ResNet::new(Block::Bottleneck, [3, 8, 36, 3]);

/// The descriptions of ResNet-D, ResNet-T and SE-ResNet.
const D: &str =
    "with three 3x3 convolutions first and average pooling in shortcuts (He et al. 2019)";
const T: &str = "as ResNet-D, with 24, 32 and 64 channels first (timm)";
const SE: &str = "with squeeze-and-excitation (Hu et al. 2018)";
const NEXT: &str = "with groups (Xie et al. 2017)";
const SE_NEXT: &str = "with groups (Xie et al. 2017) and squeeze-and-excitation (Hu et al. 2018)";

pub(in crate::zoo) const ARCHITECTURES: &[Architecture] = &[
    resnet(
        "resnet18",
        "18 layers of basic blocks (He et al. 2016)",
        &RESNET18,
    ),
    resnet(
        "resnet34",
        "34 layers of basic blocks (He et al. 2016)",
        &RESNET34,
    ),
    resnet(
        "resnet50",
        "50 layers of bottlenecks (He et al. 2016), stride in the 3x3 convolution",
        &RESNET50,
    ),
    resnet(
        "resnet101",
        "101 layers of bottlenecks (He et al. 2016), stride in the 3x3 convolution",
        &RESNET101,
    ),
    resnet(
        "resnet152",
        "152 layers of bottlenecks (He et al. 2016), stride in the 3x3 convolution",
        &RESNET152,
    ),
    resnet(
        "resnext50_32x4d",
        "ResNet-50 with 32 groups (Xie et al. 2017)",
        &RESNET50.next(32, 4),
    ),
    resnet("resnext101_32x4d", NEXT, &RESNET101.next(32, 4)),
    resnet("resnext101_32x8d", NEXT, &RESNET101.next(32, 8)),
    resnet("resnext101_64x4d", NEXT, &RESNET101.next(64, 4)),
    resnet(
        "wide_resnet50_2",
        "ResNet-50 with bottlenecks twice as wide (Zagoruyko and Komodakis 2016)",
        &RESNET50.next(1, 128),
    ),
    resnet(
        "wide_resnet101_2",
        "ResNet-101 with bottlenecks twice as wide (Zagoruyko and Komodakis 2016)",
        &RESNET101.next(1, 128),
    ),
    resnet(
        "plain18",
        "ResNet-18 without its shortcuts (He et al. 2016, the plain baseline)",
        &ResNet {
            shortcuts: false,
            ..RESNET18
        },
    ),
    resnet(
        "plain34",
        "ResNet-34 without its shortcuts (He et al. 2016, the plain baseline)",
        &ResNet {
            shortcuts: false,
            ..RESNET34
        },
    ),
    resnet("resnet26", "26 layers of bottlenecks (timm)", &RESNET26),
    variant("ResNet-D", "resnet18d", D, &RESNET18.d()),
    variant("ResNet-D", "resnet26d", D, &RESNET26.d()),
    variant("ResNet-D", "resnet34d", D, &RESNET34.d()),
    variant("ResNet-D", "resnet50d", D, &RESNET50.d()),
    variant("ResNet-D", "resnet101d", D, &RESNET101.d()),
    variant("ResNet-D", "resnet152d", D, &RESNET152.d()),
    variant("ResNet-D", "resnext50d_32x4d", D, &RESNET50.d().next(32, 4)),
    variant(
        "ResNet-D",
        "resnet10t",
        T,
        &ResNet::new(Block::Basic, [1; 4]).t(),
    ),
    variant(
        "ResNet-D",
        "resnet14t",
        T,
        &ResNet::new(Block::Bottleneck, [1; 4]).t(),
    ),
    variant("ResNet-D", "resnet26t", T, &RESNET26.t()),
    variant("ResNet-D", "resnet50t", T, &RESNET50.t()),
    variant("SE-ResNet", "seresnet18", SE, &RESNET18.se()),
    variant("SE-ResNet", "seresnet34", SE, &RESNET34.se()),
    variant("SE-ResNet", "seresnet50", SE, &RESNET50.se()),
    variant("SE-ResNet", "seresnet101", SE, &RESNET101.se()),
    variant("SE-ResNet", "seresnet152", SE, &RESNET152.se()),
    variant("SE-ResNet", "seresnet152d", SE, &RESNET152.d().se()),
    variant(
        "SE-ResNet",
        "seresnext26d_32x4d",
        SE_NEXT,
        &RESNET26.d().next(32, 4).se(),
    ),
    variant(
        "SE-ResNet",
        "seresnext26t_32x4d",
        SE_NEXT,
        &RESNET26.t().next(32, 4).se(),
    ),
    variant(
        "SE-ResNet",
        "seresnext50_32x4d",
        SE_NEXT,
        &RESNET50.next(32, 4).se(),
    ),
    variant(
        "SE-ResNet",
        "seresnext101_32x4d",
        SE_NEXT,
        &RESNET101.next(32, 4).se(),
    ),
    variant(
        "SE-ResNet",
        "seresnext101_32x8d",
        SE_NEXT,
        &RESNET101.next(32, 8).se(),
    ),
    variant(
        "SE-ResNet",
        "seresnext101d_32x8d",
        SE_NEXT,
        &RESNET101.d().next(32, 8).se(),
    ),
    variant(
        "SE-ResNet",
        "seresnext101_64x4d",
        SE_NEXT,
        &RESNET101.next(64, 4).se(),
    ),
];

const fn resnet(
    name: &'static str,
    description: &'static str,
    definition: &'static ResNet,
) -> Architecture {
    variant("ResNet", name, description, definition)
}

const fn variant(
    family: &'static str,
    name: &'static str,
    description: &'static str,
    definition: &'static ResNet,
) -> Architecture {
    Architecture::classifier(name, family, description, definition)
}
