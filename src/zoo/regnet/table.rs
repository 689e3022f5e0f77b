use super::RegNet;
use crate::zoo::Architecture;

pub(in crate::zoo) const ARCHITECTURES: &[Architecture] = &[
    x("regnetx_002", &[], &RegNet::new(13, 24, 36.44, 2.49, 8)),
    x("regnetx_004", &[], &RegNet::new(22, 24, 24.48, 2.54, 16)),
    x(
        "regnetx_004_tv",
        &["regnet_x_400mf"],
        &RegNet::new(22, 24, 24.48, 2.54, 16).rounded_up(),
    ),
    x("regnetx_006", &[], &RegNet::new(16, 48, 36.97, 2.24, 24)),
    x(
        "regnetx_008",
        &["regnet_x_800mf"],
        &RegNet::new(16, 56, 35.73, 2.28, 16),
    ),
    x(
        "regnetx_016",
        &["regnet_x_1_6gf"],
        &RegNet::new(18, 80, 34.01, 2.25, 24),
    ),
    x(
        "regnetx_032",
        &["regnet_x_3_2gf"],
        &RegNet::new(25, 88, 26.31, 2.25, 48),
    ),
    x("regnetx_040", &[], &RegNet::new(23, 96, 38.65, 2.43, 40)),
    x("regnetx_064", &[], &RegNet::new(17, 184, 60.83, 2.07, 56)),
    x(
        "regnetx_080",
        &["regnet_x_8gf"],
        &RegNet::new(23, 80, 49.56, 2.88, 120),
    ),
    x("regnetx_120", &[], &RegNet::new(19, 168, 73.36, 2.37, 112)),
    x(
        "regnetx_160",
        &["regnet_x_16gf"],
        &RegNet::new(22, 216, 55.59, 2.1, 128),
    ),
    x(
        "regnetx_320",
        &["regnet_x_32gf"],
        &RegNet::new(23, 320, 69.86, 2.0, 168),
    ),
    y(
        "regnety_002",
        &[],
        &RegNet::new(13, 24, 36.44, 2.49, 8).se(),
    ),
    y(
        "regnety_004",
        &["regnet_y_400mf"],
        &RegNet::new(16, 48, 27.89, 2.09, 8).se(),
    ),
    y(
        "regnety_006",
        &[],
        &RegNet::new(15, 48, 32.54, 2.32, 16).se(),
    ),
    y(
        "regnety_008",
        &[],
        &RegNet::new(14, 56, 38.84, 2.4, 16).se(),
    ),
    y(
        "regnety_008_tv",
        &["regnet_y_800mf"],
        &RegNet::new(14, 56, 38.84, 2.4, 16).se().rounded_up(),
    ),
    y(
        "regnety_016",
        &["regnet_y_1_6gf"],
        &RegNet::new(27, 48, 20.71, 2.65, 24).se(),
    ),
    y(
        "regnety_032",
        &["regnet_y_3_2gf"],
        &RegNet::new(21, 80, 42.63, 2.66, 24).se(),
    ),
    y(
        "regnety_040",
        &[],
        &RegNet::new(22, 96, 31.41, 2.24, 64).se(),
    ),
    y(
        "regnety_064",
        &[],
        &RegNet::new(25, 112, 33.22, 2.27, 72).se(),
    ),
    y(
        "regnety_080",
        &[],
        &RegNet::new(17, 192, 76.82, 2.19, 56).se(),
    ),
    y(
        "regnety_080_tv",
        &["regnet_y_8gf"],
        &RegNet::new(17, 192, 76.82, 2.19, 56).se().rounded_up(),
    ),
    y(
        "regnety_120",
        &[],
        &RegNet::new(19, 168, 73.36, 2.37, 112).se(),
    ),
    y(
        "regnety_160",
        &["regnet_y_16gf"],
        &RegNet::new(18, 200, 106.23, 2.48, 112).se(),
    ),
    y(
        "regnety_320",
        &["regnet_y_32gf"],
        &RegNet::new(20, 232, 115.89, 2.53, 232).se(),
    ),
];

const fn x(
    name: &'static str,
    aliases: &'static [&'static str],
    definition: &'static RegNet,
) -> Architecture {
    let description =
        "bottlenecks with groups, widths from a linear rule (Radosavovic et al. 2020)";
    Architecture {
        aliases,
        ..Architecture::classifier(name, "RegNetX", description, definition)
    }
}

const fn y(
    name: &'static str,
    aliases: &'static [&'static str],
    definition: &'static RegNet,
) -> Architecture {
    let description = "RegNetX with squeeze-and-excitation (Radosavovic et al. 2020)";
    Architecture {
        aliases,
        ..Architecture::classifier(name, "RegNetY", description, definition)
    }
}
