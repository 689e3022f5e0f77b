use super::*;
use crate::zoo::tests::assert_parameter_counts;

/// From timm 1.0.31; those with an alias are torchvision's too.
#[test]
fn parameter_counts_are_timms() {
    let published = [
        2_684_792,
        5_157_512,
        5_495_976,
        6_196_040,
        7_259_656,
        9_190_136,
        15_296_552,
        22_118_248,
        26_209_256,
        39_572_648,
        46_106_056,
        54_278_536,
        107_811_560,
        3_162_996,
        4_344_144,
        6_055_160,
        6_263_168,
        6_432_512,
        11_202_430,
        19_436_338,
        20_646_656,
        30_583_252,
        39_180_068,
        39_381_472,
        51_822_544,
        83_590_140,
        145_046_770,
    ];
    assert_parameter_counts(ARCHITECTURES, &published);
}

/// Table 2 of the paper's appendix: RegNetX-400MF and RegNetY-400MF.
#[test]
fn stages_are_those_of_the_paper() {
    let stages = |net: RegNet| -> Vec<[usize; 3]> {
        (net.stages().iter())
            .map(|stage| [stage.depth, stage.width, stage.group_width])
            .collect()
    };
    let x = stages(RegNet::new(22, 24, 24.48, 2.54, 16));
    assert_eq!(x, [[1, 32, 16], [2, 64, 16], [7, 160, 16], [12, 384, 16]]);
    let y = stages(RegNet::new(16, 48, 27.89, 2.09, 8));
    assert_eq!(y, [[1, 48, 8], [3, 104, 8], [6, 208, 8], [6, 440, 8]]);
}
