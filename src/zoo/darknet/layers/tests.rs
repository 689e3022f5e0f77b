use super::*;

const HALVE: Layer = Layer::MaxPool {
    size: 2,
    stride: 2,
    padding: 1,
};

fn conv(filters: usize) -> Layer {
    Layer::Conv(Conv::new(filters, 3))
}

#[test]
fn invalid_layer_lists_are_rejected() {
    let misfit = |layers: &[Layer]| {
        let mut b = GraphBuilder::new("g");
        let image = b.image_input("input", 3);
        build_layers(&mut b, image, [3, 8, 8], layers).unwrap_err()
    };
    for from in [-2, 1, 7] {
        let found = misfit(&[conv(4), Layer::Route([from].into())]);
        assert_eq!(found.layer, 1);
        assert!(found.reason.contains("0..1"), "{}", found.reason);
    }
    let found = misfit(&[conv(4), HALVE, Layer::Route([-1, -2].into())]);
    assert!(found.reason.contains("4x4 and 8x8"), "{}", found.reason);
    assert!(
        misfit(&[Layer::Route([].into())])
            .reason
            .contains("no layer")
    );
    let found = misfit(&[conv(6), Layer::Reorg { stride: 2 }]);
    assert!(
        found.reason.contains("6 input channels"),
        "{}",
        found.reason
    );
    let large = Layer::Conv(Conv {
        padding: 0,
        ..Conv::new(4, 9)
    });
    assert_eq!(misfit(&[large]).layer, 0);
}
