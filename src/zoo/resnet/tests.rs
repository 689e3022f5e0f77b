use super::*;
use crate::zoo::ZooOptions;

/// torchvision's and timm's counts. Those of the plain networks are the residual networks' without the convolutions
/// of their shortcuts.
#[test]
fn parameter_counts_are_the_published_ones() {
    let published = [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("resnext50_32x4d", 25_028_904),
        ("resnext101_32x4d", 44_177_704),
        ("resnext101_32x8d", 88_791_336),
        ("resnext101_64x4d", 83_455_272),
        ("wide_resnet50_2", 68_883_240),
        ("wide_resnet101_2", 126_886_696),
        ("plain18", 11_515_688),
        ("plain34", 21_623_848),
        ("resnet26", 15_995_176),
        ("resnet18d", 11_708_744),
        ("resnet26d", 16_014_408),
        ("resnet34d", 21_816_904),
        ("resnet50d", 25_576_264),
        ("resnet101d", 44_568_392),
        ("resnet152d", 60_212_040),
        ("resnext50d_32x4d", 25_048_136),
        ("resnet10t", 5_435_488),
        ("resnet14t", 10_081_632),
        ("resnet26t", 16_011_872),
        ("resnet50t", 25_573_728),
        ("seresnet18", 11_779_624),
        ("seresnet34", 21_960_416),
        ("seresnet50", 28_088_024),
        ("seresnet101", 49_326_872),
        ("seresnet152", 66_821_848),
        ("seresnet152d", 66_841_080),
        ("seresnext26d_32x4d", 16_809_512),
        ("seresnext26t_32x4d", 16_806_976),
        ("seresnext50_32x4d", 27_559_896),
        ("seresnext101_32x4d", 48_955_416),
        ("seresnext101_32x8d", 93_569_048),
        ("seresnext101d_32x8d", 93_588_280),
        ("seresnext101_64x4d", 88_232_984),
    ];
    assert_eq!(ARCHITECTURES.len(), published.len());
    for (architecture, (name, count)) in ARCHITECTURES.iter().zip(published) {
        assert_eq!(architecture.name, name);
        let graph = architecture.build(&ZooOptions::default()).unwrap();
        assert_eq!(graph.parameter_count(), count, "{name}");
    }
}
