//! MobileNetV2 (Sandler et al. 2018, "MobileNetV2: Inverted residuals and linear bottlenecks") and MobileNetV3
//! (Howard et al. 2019, "Searching for MobileNetV3").
//!
//! torchvision's MobileNetV3 has norms with an epsilon of 1e-3, timm's of 1e-5: two networks. The third, `tf_`, has
//! TensorFlow's padding too.

use super::blocks::{Blocks, inverted, separable, single};
use super::names::Scheme;
use super::{Head, HeadWidth, Network, Squeeze};
use crate::graph::Activation;
use crate::zoo::Architecture;

pub(in crate::zoo) const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        aliases: &["mobilenetv2_100"],
        ..v2("mobilenet_v2", &V2.shared(Scheme::MobileNetV2))
    },
    v2("mobilenetv2_035", &V2.scale(0.35, &[1.0])),
    v2("mobilenetv2_050", &V2.scale(0.5, &[1.0])),
    v2("mobilenetv2_075", &V2.scale(0.75, &[1.0])),
    v2("mobilenetv2_140", &V2.scale(1.4, &[1.0])),
    v2("mobilenetv2_110d", &V2_DEEPER.scale(1.1, &[1.2])),
    v2("mobilenetv2_120d", &V2_DEEPER.scale(1.2, &[1.4])),
    v3("mobilenet_v3_small", &V3_SMALL.torchvision(V3_NAMES)),
    v3("mobilenet_v3_large", &V3_LARGE.torchvision(V3_NAMES)),
    v3("mobilenetv3_small_050", &V3_SMALLER.scale(0.5, &[1.0])),
    v3("mobilenetv3_small_075", &V3_SMALL.scale(0.75, &[1.0])),
    v3("mobilenetv3_small_100", &V3_SMALL),
    v3("mobilenetv3_large_075", &V3_LARGE.scale(0.75, &[1.0])),
    v3("mobilenetv3_large_100", &V3_LARGE),
    v3("mobilenetv3_large_150d", &V3_LARGE.scale(1.5, &[1.2])),
    tf_v3(
        "tf_mobilenetv3_small_075",
        &V3_SMALL.scale(0.75, &[1.0]).tensorflow(),
    ),
    tf_v3("tf_mobilenetv3_small_100", &V3_SMALL.tensorflow()),
    tf_v3(
        "tf_mobilenetv3_large_075",
        &V3_LARGE.scale(0.75, &[1.0]).tensorflow(),
    ),
    tf_v3("tf_mobilenetv3_large_100", &V3_LARGE.tensorflow()),
    tf_v3(
        "tf_mobilenetv3_small_minimal_100",
        &V3_SMALL_MINIMAL.tensorflow(),
    ),
    tf_v3(
        "tf_mobilenetv3_large_minimal_100",
        &V3_LARGE_MINIMAL.tensorflow(),
    ),
];

const fn v2(name: &'static str, network: &'static Network) -> Architecture {
    Architecture::classifier(
        name,
        "MobileNetV2",
        "inverted residuals with linear bottlenecks (Sandler et al. 2018)",
        network,
    )
}

const fn v3(name: &'static str, network: &'static Network) -> Architecture {
    Architecture::classifier(
        name,
        "MobileNetV3",
        "inverted residuals with squeeze-and-excite, pooled before the head (Howard et al. 2019)",
        network,
    )
}

const fn tf_v3(name: &'static str, network: &'static Network) -> Architecture {
    Architecture {
        description: "MobileNetV3 with the padding and epsilon of TensorFlow's weights",
        ..v3(name, network)
    }
}

const V2: Network = Network::new(
    32,
    &[
        &[separable(1, 16)],
        &[inverted(2, 3, 2, 6.0, 24)],
        &[inverted(3, 3, 2, 6.0, 32)],
        &[inverted(4, 3, 2, 6.0, 64)],
        &[inverted(3, 3, 1, 6.0, 96)],
        &[inverted(3, 3, 2, 6.0, 160)],
        &[inverted(1, 3, 1, 6.0, 320)],
    ],
    Head::Wide(1280, HeadWidth::ScaledUp),
    Activation::Relu6,
);

const V2_DEEPER: Network = Network {
    head: Head::Wide(1280, HeadWidth::Fixed),
    fixed_stem: true,
    fixed_ends: true,
    ..V2
};

pub(super) const V3_NAMES: Scheme = Scheme::MobileNetV3 { root: "features" };

const V3_SMALL: Network = v3_network(
    1024,
    &[
        &[separable(2, 16).squeezed().relu()],
        &[
            inverted(1, 3, 2, 4.5, 24).relu(),
            inverted(1, 3, 1, 3.67, 24).relu(),
        ],
        &[
            inverted(1, 5, 2, 4.0, 40).squeezed(),
            inverted(2, 5, 1, 6.0, 40).squeezed(),
        ],
        &[inverted(2, 5, 1, 3.0, 48).squeezed()],
        &[inverted(3, 5, 2, 6.0, 96).squeezed()],
        &[single(1, 1, 576).plain()],
    ],
);

/// For a width below 0.75, which timm does not apply to the stem.
const V3_SMALLER: Network = Network {
    fixed_stem: true,
    ..V3_SMALL
};

pub(super) const V3_LARGE: Network = v3_network(
    1280,
    &[
        &[separable(1, 16).relu()],
        &[
            inverted(1, 3, 2, 4.0, 24).relu(),
            inverted(1, 3, 1, 3.0, 24).relu(),
        ],
        &[inverted(3, 5, 2, 3.0, 40).squeezed().relu()],
        &V3_WIDE,
        &[inverted(2, 3, 1, 6.0, 112).squeezed()],
        &[inverted(3, 5, 2, 6.0, 160).squeezed()],
        &[single(1, 1, 960).plain()],
    ],
);

/// The fourth stage of the large network.
const V3_WIDE: [Blocks; 3] = [
    inverted(1, 3, 2, 6.0, 80),
    inverted(1, 3, 1, 2.5, 80),
    inverted(2, 3, 1, 2.3, 80),
];

/// "Minimalistic": without squeeze-and-excite, kernels of 5 pixels and Hardswish.
const V3_SMALL_MINIMAL: Network = Network {
    activation: Activation::Relu,
    ..v3_network(
        1024,
        &[
            &[separable(2, 16)],
            &[inverted(1, 3, 2, 4.5, 24), inverted(1, 3, 1, 3.67, 24)],
            &[inverted(1, 3, 2, 4.0, 40), inverted(2, 3, 1, 6.0, 40)],
            &[inverted(2, 3, 1, 3.0, 48)],
            &[inverted(3, 3, 2, 6.0, 96)],
            &[single(1, 1, 576).plain()],
        ],
    )
};

const V3_LARGE_MINIMAL: Network = Network {
    activation: Activation::Relu,
    ..v3_network(
        1280,
        &[
            &[separable(1, 16)],
            &[inverted(1, 3, 2, 4.0, 24), inverted(1, 3, 1, 3.0, 24)],
            &[inverted(3, 3, 2, 3.0, 40)],
            &V3_WIDE,
            &[inverted(2, 3, 1, 6.0, 112)],
            &[inverted(3, 3, 2, 6.0, 160)],
            &[single(1, 1, 960).plain()],
        ],
    )
};

const fn v3_network(features: usize, stages: &'static [&'static [Blocks]]) -> Network {
    Network {
        squeeze: Squeeze::OfExpansion,
        ..Network::new(16, stages, Head::Pooled(features), Activation::HardSwish)
    }
}
