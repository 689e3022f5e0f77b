//! EfficientNet (Tan and Le 2019, "EfficientNet: Rethinking model scaling for convolutional neural networks"), its lite
//! variant, and EfficientNetV2 (Tan and Le 2021, "EfficientNetV2: Smaller models and faster training").
//!
//! torchvision's B0 to B4 have timm's epsilon of 1e-5, its B5 to B7 and V2 one of 1e-3.
//!
//! EfficientNet-Lite has no squeeze-and-excite, and ReLU6, so that it quantizes well. The zoo's `efficientnet_lite0` is
//! that of TensorFlow's weights, `tf_efficientnet_lite0` in timm; the network that timm calls `efficientnet_lite0`, for
//! its own training, is `timm_efficientnet_lite0` here.

use super::blocks::{Blocks, fused, inverted, separable, single};
use super::names::Scheme::EfficientNet as NAMES;
use super::{Head, HeadWidth, Network};
use crate::graph::Activation;
use crate::zoo::Architecture;

pub(in crate::zoo) const ARCHITECTURES: &[Architecture] = &[
    v1("efficientnet_b0", 224, &B0.shared(NAMES)),
    v1("efficientnet_b1", 240, &B1.shared(NAMES)),
    v1("efficientnet_b2", 288, &B2.shared(NAMES)),
    v1("efficientnet_b3", 300, &B3.shared(NAMES)),
    v1("efficientnet_b4", 380, &B4.shared(NAMES)),
    v1("efficientnet_b5", 456, &B5.torchvision(NAMES)),
    v1("efficientnet_b6", 528, &B6.torchvision(NAMES)),
    v1("efficientnet_b7", 600, &B7.torchvision(NAMES)),
    timm(v1("timm_efficientnet_b5", 456, &B5)),
    timm(v1("timm_efficientnet_b6", 528, &B6)),
    timm(v1("timm_efficientnet_b7", 600, &B7)),
    tf(v1("tf_efficientnet_b0", 224, &B0.tensorflow())),
    tf(v1("tf_efficientnet_b1", 240, &B1.tensorflow())),
    tf(v1("tf_efficientnet_b2", 260, &B2.tensorflow())),
    tf(v1("tf_efficientnet_b3", 300, &B3.tensorflow())),
    tf(v1("tf_efficientnet_b4", 380, &B4.tensorflow())),
    tf(v1("tf_efficientnet_b5", 456, &B5.tensorflow())),
    tf(v1("tf_efficientnet_b6", 528, &B6.tensorflow())),
    tf(v1("tf_efficientnet_b7", 600, &B7.tensorflow())),
    v2("efficientnet_v2_s", 384, &S.torchvision(NAMES)),
    v2("efficientnet_v2_m", 480, &M.torchvision(NAMES)),
    v2("efficientnet_v2_l", 480, &L.torchvision(NAMES)),
    timm(v2("efficientnetv2_s", 288, &S)),
    timm(v2("efficientnetv2_m", 320, &M)),
    timm(v2("efficientnetv2_l", 384, &L)),
    timm(v2("efficientnetv2_xl", 384, &XL)),
    timm(v2("efficientnetv2_rw_t", 224, &S.scale(0.8, &[0.9]))),
    timm(v2("efficientnetv2_rw_s", 288, &RW)),
    timm(v2(
        "efficientnetv2_rw_m",
        320,
        &RW.scale(1.2, &[1.2, 1.2, 1.2, 1.2, 1.6]),
    )),
    tf(v2("tf_efficientnetv2_s", 300, &S.tensorflow())),
    tf(v2("tf_efficientnetv2_m", 384, &M.tensorflow())),
    tf(v2("tf_efficientnetv2_l", 384, &L.tensorflow())),
    tf(v2("tf_efficientnetv2_xl", 384, &XL.tensorflow())),
    tf(v2("tf_efficientnetv2_b0", 192, &BASE.tensorflow())),
    tf(v2(
        "tf_efficientnetv2_b1",
        192,
        &BASE.scale(1.0, &[1.1]).tensorflow(),
    )),
    tf(v2(
        "tf_efficientnetv2_b2",
        208,
        &BASE.scale(1.1, &[1.2]).tensorflow(),
    )),
    tf(v2(
        "tf_efficientnetv2_b3",
        240,
        &BASE.scale(1.2, &[1.4]).tensorflow(),
    )),
];

pub(in crate::zoo) const LITE: &[Architecture] = &[
    tf_lite(
        "efficientnet_lite0",
        &["tf_efficientnet_lite0"],
        224,
        &LITE0.tensorflow(),
    ),
    tf_lite(
        "efficientnet_lite1",
        &["tf_efficientnet_lite1"],
        240,
        &LITE1.tensorflow(),
    ),
    tf_lite(
        "efficientnet_lite2",
        &["tf_efficientnet_lite2"],
        260,
        &LITE2.tensorflow(),
    ),
    tf_lite(
        "efficientnet_lite3",
        &["tf_efficientnet_lite3"],
        280,
        &LITE3.tensorflow(),
    ),
    tf_lite(
        "efficientnet_lite4",
        &["tf_efficientnet_lite4"],
        300,
        &LITE4.tensorflow(),
    ),
    timm(tf_lite("timm_efficientnet_lite0", &[], 224, &LITE0)),
    timm(tf_lite("timm_efficientnet_lite1", &[], 240, &LITE1)),
    timm(tf_lite("timm_efficientnet_lite2", &[], 260, &LITE2)),
    timm(tf_lite("timm_efficientnet_lite3", &[], 280, &LITE3)),
    timm(tf_lite("timm_efficientnet_lite4", &[], 300, &LITE4)),
];

const fn v1(name: &'static str, size: usize, network: &'static Network) -> Architecture {
    Architecture {
        input_size: [3, size, size],
        ..Architecture::classifier(
            name,
            "EfficientNet",
            "inverted residuals with squeeze-and-excite, scaled (Tan and Le 2019)",
            network,
        )
    }
}

const fn v2(name: &'static str, size: usize, network: &'static Network) -> Architecture {
    Architecture {
        input_size: [3, size, size],
        ..Architecture::classifier(
            name,
            "EfficientNetV2",
            "fused, then separate inverted residuals (Tan and Le 2021)",
            network,
        )
    }
}

const fn tf_lite(
    name: &'static str,
    aliases: &'static [&'static str],
    size: usize,
    network: &'static Network,
) -> Architecture {
    Architecture {
        aliases,
        input_size: [3, size, size],
        ..Architecture::classifier(
            name,
            "EfficientNet-Lite",
            "inverted residuals for edge devices (Tan and Le 2019, lite variant)",
            network,
        )
    }
}

const fn timm(architecture: Architecture) -> Architecture {
    Architecture {
        description: "with PyTorch's padding and epsilon, as trained by timm",
        ..architecture
    }
}

const fn tf(architecture: Architecture) -> Architecture {
    Architecture {
        description: "with the padding and epsilon of TensorFlow's weights",
        ..architecture
    }
}

const B0: Network = Network::new(
    32,
    &[
        &[separable(1, 16).squeezed()],
        &[inverted(2, 3, 2, 6.0, 24).squeezed()],
        &[inverted(2, 5, 2, 6.0, 40).squeezed()],
        &[inverted(3, 3, 2, 6.0, 80).squeezed()],
        &[inverted(3, 5, 1, 6.0, 112).squeezed()],
        &[inverted(4, 5, 2, 6.0, 192).squeezed()],
        &[inverted(1, 3, 1, 6.0, 320).squeezed()],
    ],
    Head::Wide(1280, HeadWidth::Scaled),
    Activation::Silu,
);
const B1: Network = B0.scale(1.0, &[1.1]);
const B2: Network = B0.scale(1.1, &[1.2]);
const B3: Network = B0.scale(1.2, &[1.4]);
const B4: Network = B0.scale(1.4, &[1.8]);
const B5: Network = B0.scale(1.6, &[2.2]);
const B6: Network = B0.scale(1.8, &[2.6]);
const B7: Network = B0.scale(2.0, &[3.1]);

const LITE0: Network = Network {
    // Neither the stem and the head nor the first and the last stage are scaled.
    fixed_stem: true,
    fixed_ends: true,
    ..Network::new(
        32,
        &[
            &[separable(1, 16)],
            &[inverted(2, 3, 2, 6.0, 24)],
            &[inverted(2, 5, 2, 6.0, 40)],
            &[inverted(3, 3, 2, 6.0, 80)],
            &[inverted(3, 5, 1, 6.0, 112)],
            &[inverted(4, 5, 2, 6.0, 192)],
            &[inverted(1, 3, 1, 6.0, 320)],
        ],
        Head::Wide(1280, HeadWidth::Fixed),
        Activation::Relu6,
    )
};
const LITE1: Network = LITE0.scale(1.0, &[1.1]);
const LITE2: Network = LITE0.scale(1.1, &[1.2]);
const LITE3: Network = LITE0.scale(1.2, &[1.4]);
const LITE4: Network = LITE0.scale(1.4, &[1.8]);

const S: Network = v2_network(
    24,
    &[
        &[single(2, 3, 24)],
        &[fused(4, 2, 4.0, 48)],
        &[fused(4, 2, 4.0, 64)],
        &[inverted(6, 3, 2, 4.0, 128).squeezed()],
        &[inverted(9, 3, 1, 6.0, 160).squeezed()],
        &[inverted(15, 3, 2, 6.0, 256).squeezed()],
    ],
);

/// timm's first version of S, made before the original was published.
const RW: Network = Network {
    head: Head::Wide(1792, HeadWidth::Scaled),
    ..v2_network(
        24,
        &[
            &[fused(2, 1, 1.0, 24)],
            &[fused(4, 2, 4.0, 48)],
            &[fused(4, 2, 4.0, 64)],
            &[inverted(6, 3, 2, 4.0, 128).squeezed()],
            &[inverted(9, 3, 1, 6.0, 160).squeezed()],
            &[inverted(15, 3, 2, 6.0, 272).squeezed()],
        ],
    )
};

const M: Network = v2_network(
    24,
    &[
        &[single(3, 3, 24)],
        &[fused(5, 2, 4.0, 48)],
        &[fused(5, 2, 4.0, 80)],
        &[inverted(7, 3, 2, 4.0, 160).squeezed()],
        &[inverted(14, 3, 1, 6.0, 176).squeezed()],
        &[inverted(18, 3, 2, 6.0, 304).squeezed()],
        &[inverted(5, 3, 1, 6.0, 512).squeezed()],
    ],
);

const L: Network = v2_network(
    32,
    &[
        &[single(4, 3, 32)],
        &[fused(7, 2, 4.0, 64)],
        &[fused(7, 2, 4.0, 96)],
        &[inverted(10, 3, 2, 4.0, 192).squeezed()],
        &[inverted(19, 3, 1, 6.0, 224).squeezed()],
        &[inverted(25, 3, 2, 6.0, 384).squeezed()],
        &[inverted(7, 3, 1, 6.0, 640).squeezed()],
    ],
);

const XL: Network = v2_network(
    32,
    &[
        &[single(4, 3, 32)],
        &[fused(8, 2, 4.0, 64)],
        &[fused(8, 2, 4.0, 96)],
        &[inverted(16, 3, 2, 4.0, 192).squeezed()],
        &[inverted(24, 3, 1, 6.0, 256).squeezed()],
        &[inverted(32, 3, 2, 6.0, 512).squeezed()],
        &[inverted(8, 3, 1, 6.0, 640).squeezed()],
    ],
);

/// `b0` to `b3`, whose channels are rounded to the nearest multiple of 8, however far that is below.
const BASE: Network = Network {
    least_share: 0.0,
    ..v2_network(
        32,
        &[
            &[single(1, 3, 16)],
            &[fused(2, 2, 4.0, 32)],
            &[fused(2, 2, 4.0, 48)],
            &[inverted(3, 3, 2, 4.0, 96).squeezed()],
            &[inverted(5, 3, 1, 6.0, 112).squeezed()],
            &[inverted(8, 3, 2, 6.0, 192).squeezed()],
        ],
    )
};

const fn v2_network(stem: usize, stages: &'static [&'static [Blocks]]) -> Network {
    Network::new(
        stem,
        stages,
        Head::Wide(1280, HeadWidth::Scaled),
        Activation::Silu,
    )
}
