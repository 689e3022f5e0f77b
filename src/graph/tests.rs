use super::*;

#[test]
fn shape_errors_name_the_node() {
    let mut b = GraphBuilder::new("g");
    let x = b.image_input("input", 3);
    let x = b.conv2d("stem.conv", x, Conv2d::new(4, 8, 3));
    b.output(x);
    let graph = b.build().unwrap();
    let error = graph.infer(&[Shape::from([1, 3, 8, 8])]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("'stem.conv' (Conv2d)"), "{text}");
    assert!(text.contains("takes 4") && text.contains("has 3"), "{text}");
}

#[test]
fn inputs_are_checked_against_their_declaration() {
    let mut b = GraphBuilder::new("g");
    let x = b.image_input("input", 3);
    b.output(x);
    let graph = b.build().unwrap();
    for bad in [[1, 1, 8, 8], [0, 3, 8, 8], [1, 3, 0, 8]] {
        let text = graph.infer(&[Shape::from(bad)]).unwrap_err().to_string();
        assert!(text.contains("expected [N, 3, H, W]"), "{text}");
    }
    assert!(graph.infer(&[]).is_err());
    assert!(
        graph
            .infer(&[Shape::from([1 << 20, 3, 1 << 20, 1 << 20])])
            .is_err()
    );
}

#[test]
fn builder_mistakes_are_reported_by_build() {
    let mut b = GraphBuilder::new("g");
    let x = b.image_input("input", 3);
    let y = b.activation("act", x, Activation::Relu);
    let z = b.activation("act", y, Activation::Relu);
    b.output(z);
    assert!(b.build().unwrap_err().to_string().contains("twice"));

    let mut b = GraphBuilder::new("g");
    let x = b.image_input("input", 3);
    let y = b.conv2d("conv", x, Conv2d::new(3, 4, 3).stride(0));
    b.output(y);
    assert!(b.build().unwrap_err().to_string().contains("stride is 0"));

    let mut b = GraphBuilder::new("g");
    let x = b.image_input("input", 3);
    let y = b.conv2d("conv", x, Conv2d::new(3, 4, 3).groups(2));
    b.output(y);
    assert!(b.build().unwrap_err().to_string().contains("2 groups"));

    assert!(GraphBuilder::new("empty").build().is_err());
}

#[test]
fn shapes_match_pytorch() {
    let infer = |op: Op, shape: [usize; 4]| {
        let mut b = GraphBuilder::new("g");
        let x = b.input("input", &[None; 4]);
        let y = b.node("op", op, &[x]);
        b.output(y);
        let shapes = b.build().unwrap().infer(&[Shape::from(shape)])?;
        Ok::<_, Error>(shapes[y.index()].clone())
    };
    let conv = Conv2d::new(3, 64, 7).stride(2).padding(3);
    assert_eq!(
        infer(conv.into(), [2, 3, 224, 224]).unwrap(),
        Shape::from([2, 64, 112, 112])
    );
    let conv = Conv2d::new(3, 5, 3).dilation(2).padding([0, 1, 2, 3]);
    assert_eq!(
        infer(conv.into(), [1, 3, 9, 9]).unwrap(),
        Shape::from([1, 5, 6, 10])
    );
    // torch.nn.MaxPool2d(3, 2, ceil_mode=True) on 55 → 27, on 56 → 28.
    let pool = Pool2d::max(3, 2).ceil_mode(true);
    assert_eq!(
        infer(pool.clone().into(), [1, 1, 55, 56]).unwrap(),
        Shape::from([1, 1, 27, 28])
    );
    // A last window that would start in the padding after is dropped: size 3, kernel 2, stride 2, padding 1.
    let pool = Pool2d::max(2, 2).padding(1).ceil_mode(true);
    assert_eq!(
        infer(pool.into(), [1, 1, 3, 4]).unwrap(),
        Shape::from([1, 1, 2, 3])
    );
    assert!(infer(Conv2d::new(3, 5, 9).into(), [1, 3, 8, 8]).is_err());
    assert_eq!(
        infer(Flatten.into(), [2, 3, 4, 5]).unwrap(),
        Shape::from([2, 60])
    );
}
