//! MNASNet (Tan et al. 2019, "MnasNet: Platform-aware neural architecture search for mobile"): B1, and A1 with
//! squeeze-and-excite, which timm calls `semnasnet`.

use super::blocks::{inverted, separable};
use super::names::Scheme;
use super::{Head, HeadWidth, Network};
use crate::graph::Activation;
use crate::zoo::Architecture;

pub(in crate::zoo) const ARCHITECTURES: &[Architecture] = &[
    row(
        "mnasnet0_5",
        &["mnasnet_050"],
        &B1.scale(0.5, &[1.0]).shared(Scheme::MnasNet),
    ),
    row(
        "mnasnet0_75",
        &["mnasnet_075"],
        &B1.scale(0.75, &[1.0]).shared(Scheme::MnasNet),
    ),
    row("mnasnet1_0", &["mnasnet_100"], &B1.shared(Scheme::MnasNet)),
    row(
        "mnasnet1_3",
        &[],
        &B1.scale(1.3, &[1.0]).shared(Scheme::MnasNet),
    ),
    row("mnasnet_140", &[], &B1.scale(1.4, &[1.0])),
    row("mnasnet_small", &[], &SMALL),
    row("semnasnet_050", &[], &A1.scale(0.5, &[1.0])),
    row("semnasnet_075", &[], &A1.scale(0.75, &[1.0])),
    row("semnasnet_100", &[], &A1),
    row("semnasnet_140", &[], &A1.scale(1.4, &[1.0])),
];

const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    network: &'static Network,
) -> Architecture {
    Architecture {
        aliases,
        ..Architecture::classifier(
            name,
            "MNASNet",
            "inverted residuals found by a search for phones (Tan et al. 2019)",
            network,
        )
    }
}

const HEAD: Head = Head::Wide(1280, HeadWidth::Fixed);

const B1: Network = Network::new(
    32,
    &[
        &[separable(1, 16)],
        &[inverted(3, 3, 2, 3.0, 24)],
        &[inverted(3, 5, 2, 3.0, 40)],
        &[inverted(3, 5, 2, 6.0, 80)],
        &[inverted(2, 3, 1, 6.0, 96)],
        &[inverted(4, 5, 2, 6.0, 192)],
        &[inverted(1, 3, 1, 6.0, 320)],
    ],
    HEAD,
    Activation::Relu,
);

const A1: Network = Network::new(
    32,
    &[
        &[separable(1, 16)],
        &[inverted(2, 3, 2, 6.0, 24)],
        &[inverted(3, 5, 2, 3.0, 40).squeezed()],
        &[inverted(4, 3, 2, 6.0, 80)],
        &[inverted(2, 3, 1, 6.0, 112).squeezed()],
        &[inverted(3, 5, 2, 6.0, 160).squeezed()],
        &[inverted(1, 3, 1, 6.0, 320)],
    ],
    HEAD,
    Activation::Relu,
);

const SMALL: Network = Network::new(
    8,
    &[
        &[separable(1, 8)],
        &[inverted(1, 3, 2, 3.0, 16)],
        &[inverted(2, 3, 2, 6.0, 16)],
        &[inverted(4, 5, 2, 6.0, 32).squeezed()],
        &[inverted(3, 3, 1, 6.0, 32).squeezed()],
        &[inverted(3, 5, 2, 6.0, 88).squeezed()],
        &[inverted(1, 3, 1, 6.0, 144)],
    ],
    HEAD,
    Activation::Relu,
);
